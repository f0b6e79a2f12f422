"""What is asked of a classifier: the logit of each class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import torch
from torch import Tensor, nn

from ..attribution.attribute import Attribution
from ..attribution.contrast import AUTO, BACKGROUND, ITSELF, contrast, contrasted, one_of
from ..attribution.default_layer import find_default_layer
from ..attribution.gradcam_engine import map_by_engine
from ..attribution.methods import EngineMethod, Method, OnePassMethod
from ..attribution.passes.replay import Replay
from ..attribution.tap import Tap
from ..errors import MmlensError
from ..models.classifier import Classifier
from ..models.inputs import Picture
from .class_runs import ClassRuns
from .targets import Measured, Targets, quoted

Classes = Union[str, int, Sequence[Union[str, int]]]


class ClassTargets(Targets):
    """Some of a classifier's classes.

    Attributes:
        logits: Shape (n,), float32: of all classes, once the classifier has run.
        categories: Indexes of the classes that are explained, once it has run.
        others: The classes that each of these is contrasted with, once it has run; ``None`` for a class that would only
            be contrasted with itself.
        notes: Sentences on the layers that were taken by default.

    Args:
        classifier: The classifier.
        picture: See :func:`mmlens.explain_boxes`.
        classes: Names or indexes; ``None`` for the class that is predicted.
        extra_tokens: How many tokens stand before those of the picture. Defaults to the number that the backbone has.
        against: What each class is contrasted with; see :func:`mmlens.explain_classes`.

    Raises:
        MmlensError: If there is no such class, or a class that was named is contrasted with itself alone.
    """

    network: Classifier
    spatial = False
    fusion = 'mean'
    logits: Tensor
    categories: List[int]
    others: Sequence[Optional[List[int]]] = ()
    notes: Sequence[str] = ()

    def __init__(
        self,
        classifier: Classifier,
        picture: Picture,
        classes: Optional[Classes] = None,
        extra_tokens: Optional[int] = None,
        against: Optional[Classes] = None,
    ) -> None:
        super().__init__(classifier, picture)
        self._wanted = classifier.class_indexes(classes)
        self.extra_tokens = classifier.extra_tokens if extra_tokens is None else extra_tokens
        self._against = _other_classes(classifier, self._wanted, against)
        self.contrasts = self._against is not None

    def on(self, inputs: Tensor) -> ClassTargets:
        """The same classes asked of another input (1, 3, H, W) of the picture."""
        other = ClassTargets(self.network, self._picture, self.categories, self.extra_tokens)
        other._against, other.others, other.contrasts = self._against, self.others, self.contrasts
        other._prepared = replace(self.prepared, batch={**self.prepared.batch, 'inputs': inputs})
        return other

    def check(self, method: Method) -> None:
        """See :class:`Targets`: classes are explained by methods of every kind."""

    def default_layers(self) -> Sequence[str]:
        """The last layer that all of the prediction comes through; looked for once a classifier."""
        with Tap(self.network.model, {}):
            return (self._default_layer(),)

    def _default_layer(self) -> str:
        classifier, prepared = self.network, self.prepared
        if classifier.default_layer is None:
            found = find_default_layer(
                classifier.model,
                ('backbone', 'neck'),
                lambda: classifier.logits(prepared),
                prepared.input_size,
                classifier.extra_tokens,
            )
            self.notes = [found.note] if found.note else []
            if not found.counts:
                return found.name
            classifier.default_layer, classifier.default_note = found.name, found.note
        self.notes = [classifier.default_note] if classifier.default_note else []
        return classifier.default_layer

    def ask(self) -> None:
        """Run the classifier once, without a graph, to know what it predicts."""
        with Tap(self.network.model, {}), torch.no_grad():
            self._heard(self.network.logits(self.prepared)[0])

    def _heard(self, logits: Tensor) -> None:
        self.logits = logits.detach().float()
        self.categories = self.network.categories(self._wanted, self.logits)
        if self._against is not None and not self.others:
            against = self._against if self._against == AUTO else self.network.categories(self._against, self.logits)
            number = len(self.logits)
            self.others = [contrasted(against, self.logits, label, number, False) for label in self.categories]

    def _asked(self, logits: Tensor) -> Tensor:
        """What is asked of each class, out of logits (n,): shape (N,)."""
        if self._against is None:
            return logits[self.categories]
        return torch.stack(
            [
                logits.new_zeros(()) if others is None else contrast(logits, label, others)
                for label, others in zip(self.categories, self.others)
            ]
        )

    def name_against(self, position: int) -> str:
        """What a class was contrasted with, as people read it; empty where it was not."""
        names = [self.network.class_name(label) for label in (self.others[position] or ())] if self.others else []
        return ' or '.join(name.split(', ')[0] for name in names)  # of synonyms the first is enough

    def scalars(self, tap: Tap) -> List[Tensor]:
        """See :class:`Targets`."""
        logits = self.network.logits(self.prepared)[0]
        self._heard(logits)
        return list(self._asked(logits))

    @property
    def go_together(self) -> bool:
        """See :class:`Targets`."""
        return self._against is None

    @staticmethod
    def scalars_together(several: Sequence[ClassTargets], tap: Tap) -> List[List[Tensor]]:
        """See :class:`Targets`."""
        inputs = torch.cat([each.prepared.batch['inputs'] for each in several])
        logits = several[0].network.logits_of(inputs)
        for each, own in zip(several, logits):
            each._heard(own)
        return [list(each._asked(own)) for each, own in zip(several, logits)]

    def run(self, copies: int) -> Tensor:
        """See :class:`Targets`: logits (copies, n)."""
        return self.network.logits_of(self.prepared.batch['inputs'].expand(copies, -1, -1, -1))

    def runs(self, replay: Replay, method: Measured, options: Dict[str, Any]) -> ClassRuns:
        """See :class:`Targets`."""
        logits = replay.record()
        self._heard(logits[0])
        inputs, measure = self.prepared.batch['inputs'], None if self._against is None else self._measure(method.logits)
        return ClassRuns(self.network, inputs, replay, logits, self.categories, options, measure)

    def _measure(self, logits: bool) -> Callable[[Tensor], Tensor]:
        # Methods that take shares of a score need a positive one: a contrast below 0 is raised to its size above it.
        raised = torch.zeros(()) if logits else 2 * (-self._asked(self.logits)).clamp_min(0)

        def measure(of_copies: Tensor) -> Tensor:
            return torch.stack([self._asked(of_copy) for of_copy in of_copies]) + raised.to(of_copies)

        return measure

    def by_engine(self, method: EngineMethod, layers: Dict[str, nn.Module], eigen_smooth: bool) -> List[Tensor]:
        """See :class:`Targets`; the maps are scaled to [0, 1] already."""
        self.ask()
        return [
            map_by_engine(
                method.cam_class,
                self.network.model,
                self.network.logits_of,
                layers,
                self.prepared.batch['inputs'].detach().clone(),
                category,
                extra_tokens=self.extra_tokens,
                eigen_smooth=eigen_smooth,
                others=self.others[position] if self.others else None,
            )
            if self.why_not_asked(position) is None
            else torch.zeros(self.prepared.input_size)
            for position, category in enumerate(self.categories)
        ]

    def why_not_asked(self, position: int) -> Optional[str]:
        """See :class:`Targets`."""
        return ITSELF if self.others and self.others[position] is None else None

    def why_blank(self, found: Attribution, method: OnePassMethod, layers: Sequence[str]) -> Optional[str]:
        """See :class:`Targets`."""
        logits = self.logits
        if method.uses_gradients and len(logits) > 1 and bool((logits == logits[0]).all()):
            return 'all classes score the same, as before a training whose head begins with zeros'
        if not found.extra_tokens_only:
            return found.blank
        return (
            f'the class score does not depend on the patches any more at {quoted(layers)}, but on the class token '
            f"alone; use the layer '{self._default_layer()}'"
        )

    def why_nothing(self, method: Method, layers: Sequence[str]) -> str:
        """See :class:`Targets`."""
        name = method.cam_class.__name__ if isinstance(method, EngineMethod) else method.name
        return f'{name} finds nothing; choose another layer or method'


def _other_classes(
    classifier: Classifier, wanted: Optional[Sequence[int]], against: Optional[Classes]
) -> Optional[Classes]:
    """What was asked for, with indexes for names.

    Raises:
        MmlensError: See :class:`ClassTargets`.
    """
    against = one_of(against)
    if against is None or against == AUTO:
        return against
    if against == BACKGROUND:
        raise MmlensError("A classifier has no background: name another class, or use `against='auto'`.")
    others = classifier.class_indexes(against)
    if not others:
        raise MmlensError('`against` names no class: give at least one.')
    alone = [label for label in wanted or () if set(others) == {label}]
    if alone:
        name = classifier.class_name(alone[0])
        raise MmlensError(f"The class '{name}' cannot be contrasted with itself: name another in `against`.")
    return others
