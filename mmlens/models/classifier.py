"""A classifier and its test pipeline, as one."""

from __future__ import annotations

import copy
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import torch
from torch import Tensor, nn

from ..errors import MmlensError, ModelError
from .dataset_meta import names_in
from .kinds import kinds_of, preprocessor_kinds
from .network import Network
from .prepared import Prepared


class Classifier(Network):
    """A model of mmpretrain with the test pipeline of its config.

    Attributes:
        default_layer: The layer that is looked at by default, once it has been found.
        default_note: Why it is a guess; empty where it is not.
        task: Of a model with several heads, the one whose classes are looked at; ``''`` for one with a single head.

    Args:
        model: As mmpretrain's ``get_model`` or :func:`mmlens.load_classifier` builds it: with ``cfg``,
            and ``dataset_meta`` if the class names are known.
        **options: See :class:`~mmlens.models.network.Network`.

    Raises:
        ModelError: If the model carries no config, or is not a classifier.
    """

    family = 'classifier'
    described = 'a classifier'
    kind = 'a classifier of mmpretrain: it has no head that returns logits; explain a detector with `explain_boxes()`'
    builder = 'mmlens.load_classifier'
    task = ''

    def __init__(self, model: nn.Module, **options: Any) -> None:
        super().__init__(model, **options)
        self.default_layer: Optional[str] = None
        self.default_note = ''
        self._of_tasks: Dict[str, Classifier] = {}

    @property
    def tasks(self) -> List[str]:
        """Names of the heads of a model with several, those within another as ``'outer.inner'``; else empty."""
        return list(_heads_of(self.model.head))

    def of_task(self, task: Optional[str]) -> Classifier:
        """The same classifier, looked at through one of its heads.

        Args:
            task: Its name; ``None`` for the only one.

        Raises:
            MmlensError: If there is no such head, or there are several and none was named.
        """
        tasks = self.tasks
        if task is None and (not tasks or self.task):
            return self
        if not tasks:
            raise MmlensError(f'{self.name} has a single head: leave out `task`.')
        if task is None and len(tasks) > 1:
            raise MmlensError(f'{self.name} has a head for each of {", ".join(tasks)}: name one as `task`.')
        chosen = tasks[0] if task is None else task
        if chosen not in tasks:
            raise MmlensError(f"{self.name} has no head for the task '{chosen}': it has {', '.join(tasks)}.")
        if chosen not in self._of_tasks:
            found = self._of_tasks[chosen] = copy.copy(self)
            found.task, found.notes = chosen, list(self.notes)
            found.class_names = found._checked(names_in({'classes': self._names_of_task(chosen)}))
        return self._of_tasks[chosen]

    def _names_of_task(self, task: str) -> Any:
        """Class names of a task, where the data set has them by task."""
        names = self.dataset_meta.get('classes')
        for step in task.split('.'):
            names = names.get(step) if isinstance(names, dict) else None
        return names

    @property
    def head(self) -> Any:
        """The head whose classes are looked at."""
        return _heads_of(self.model.head)[self.task] if self.task else self.model.head

    @staticmethod
    def runs(model: nn.Module) -> bool:
        """Whether a model is a classifier: it has a head that predicts, and inherits from mmpretrain's.

        A custom model counts if its inputs are prepared as theirs are, or in no particular way.
        """
        prepared = preprocessor_kinds(model)
        inherits = 'BaseClassifier' in kinds_of(model) or 'ClsDataPreprocessor' in prepared
        alike = inherits or not prepared & {'ImgDataPreprocessor'}
        return Classifier.can_be(model) and alike and hasattr(model.head, 'predict')

    @property
    def default_layers(self) -> Tuple[str, ...]:
        """The backbone: a classifier's neck pools, and its output lies nowhere in the picture."""
        return ('backbone',)

    @classmethod
    def can_be(cls, model: nn.Module) -> bool:
        """Whether a model has the parts of a classifier."""
        has_parts = all(getattr(model, part, None) is not None for part in ('backbone', 'head'))
        return super().can_be(model) and has_parts

    @property
    def num_classes(self) -> Optional[int]:
        """How many classes the head has."""
        number = getattr(self.head, 'num_classes', None)
        return number if isinstance(number, int) else None

    def logits(self, prepared: Prepared) -> Tensor:
        """Run the model in the current grad mode: logits (1, n).

        Raises:
            ModelError: If the model returns something else.
        """
        return self._to_logits(self.model._run_forward(prepared.batch, mode='tensor'))

    def logits_of(self, inputs: Tensor) -> Tensor:
        """Logits (B, n) of inputs (B, 3, H, W) as the data preprocessor returns them."""
        return self._to_logits(self.model(inputs, None, mode='tensor'))

    def categories(self, wanted: Optional[Union[str, int, Sequence[Union[str, int]]]], logits: Tensor) -> List[int]:
        """Indexes of the classes to explain, each once.

        Args:
            wanted: Names or indexes; ``None`` for the class that is predicted.
            logits: Shape (n,).

        Raises:
            MmlensError: If there is no such class, or none was named.
        """
        indexes = self.class_indexes(wanted)
        if indexes is None:
            return [int(logits.argmax())]
        if not indexes:
            raise MmlensError('`classes` names no class: give at least one.')
        beyond = [index for index in indexes if index >= len(logits)]
        if beyond:
            raise MmlensError(f'There is no class {beyond[0]}: the model has {len(logits)}, 0 to {len(logits) - 1}.')
        return list(dict.fromkeys(indexes))

    def _to_logits(self, output: Any) -> Tensor:
        if isinstance(output, dict) and self.tasks:
            for step in self.of_task(None).task.split('.'):
                output = output[step]
        if isinstance(output, (tuple, list)):  # one head per exit or branch: the sum predicts
            output = sum(output) if output and all(isinstance(one, Tensor) for one in output) else None
        if not isinstance(output, Tensor) or output.ndim != 2:
            raise ModelError(f'{type(self.head).__name__} returns no logits: class maps need a classification head.')
        return output

    def scores(self, logits: Tensor) -> Tensor:
        """Confidences in [0, 1] of logits (..., n): softmax, or sigmoid where several classes may be true."""
        kinds = [kind.__name__ for kind in type(self.head).__mro__]
        several = any(kind.startswith('MultiLabel') for kind in kinds)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        return torch.sigmoid(logits) if several else torch.softmax(logits, -1)


def _heads_of(head: nn.Module) -> Dict[str, nn.Module]:
    """The heads of a head of several tasks, by name."""
    found: Dict[str, nn.Module] = {}
    heads = getattr(head, 'task_heads', None)
    for name, inner in heads.items() if isinstance(heads, nn.ModuleDict) else ():
        within = _heads_of(inner)
        found.update({f'{name}.{other}': each for other, each in within.items()} if within else {name: inner})
    return found
