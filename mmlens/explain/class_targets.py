"""What is asked of a classifier: the logit of each class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Optional, Sequence, Union

import torch
from torch import Tensor, nn

from ..attribution.attribute import Attribution
from ..attribution.default_layer import find_default_layer
from ..attribution.gradcam_engine import map_by_engine
from ..attribution.methods import EngineMethod, Method, OnePassMethod, PassMethod
from ..attribution.passes.replay import Replay
from ..attribution.tap import Tap
from ..models.classifier import Classifier
from ..models.inputs import Picture
from .class_runs import ClassRuns
from .targets import Targets, quoted

Classes = Union[str, int, Sequence[Union[str, int]]]


class ClassTargets(Targets):
    """Some of a classifier's classes.

    Attributes:
        logits: Shape (n,), float32: of all classes, once the classifier has run.
        categories: Indexes of the classes that are explained, once it has run.

    Args:
        classifier: The classifier.
        picture: File name, or (H, W, 3) uint8 BGR.
        classes: Names or indexes; ``None`` for the class that is predicted.
        extra_tokens: How many tokens stand before those of the picture. Defaults to the number that the backbone has.

    Raises:
        MmlensError: If there is no such class.
    """

    network: Classifier
    spatial = False
    fusion = 'mean'
    logits: Tensor
    categories: List[int]

    def __init__(
        self,
        classifier: Classifier,
        picture: Picture,
        classes: Optional[Classes] = None,
        extra_tokens: Optional[int] = None,
    ) -> None:
        super().__init__(classifier, picture)
        self._wanted = classifier.class_indexes(classes)
        self.extra_tokens = classifier.extra_tokens if extra_tokens is None else extra_tokens

    def on(self, inputs: Tensor) -> ClassTargets:
        """The same classes asked of another input (1, 3, H, W) of the picture."""
        other = ClassTargets(self.network, self._picture, self.categories, self.extra_tokens)
        other._prepared = replace(self.prepared, batch={**self.prepared.batch, 'inputs': inputs})
        return other

    def check(self, method: Method) -> None:
        """See :class:`Targets`: classes are explained by methods of every kind."""

    def default_layers(self) -> Sequence[str]:
        """The last norm layer that the prediction takes patches from; looked for once a classifier."""
        with Tap(self.network.model, {}):
            return (self._default_layer(),)

    def _default_layer(self) -> str:
        classifier, prepared = self.network, self.prepared
        if classifier.default_layer is not None:
            return classifier.default_layer
        name, counts = find_default_layer(
            classifier.model,
            'backbone',
            lambda: classifier.logits(prepared),
            prepared.input_size,
            classifier.extra_tokens,
        )
        if counts:
            classifier.default_layer = name
        return name

    def ask(self) -> None:
        """Run the classifier once, without a graph, to know what it predicts."""
        with Tap(self.network.model, {}), torch.no_grad():
            self._heard(self.network.logits(self.prepared)[0])

    def _heard(self, logits: Tensor) -> None:
        self.logits = logits.detach().float()
        self.categories = self.network.categories(self._wanted, self.logits)

    def scalars(self, tap: Tap) -> List[Tensor]:
        """See :class:`Targets`."""
        logits = self.network.logits(self.prepared)[0]
        self._heard(logits)
        return [logits[category] for category in self.categories]

    def run(self, copies: int) -> Tensor:
        """See :class:`Targets`: logits (copies, n)."""
        return self.network.logits_of(self.prepared.batch['inputs'].expand(copies, -1, -1, -1))

    def runs(self, replay: Replay, method: PassMethod, options: Dict[str, Any]) -> ClassRuns:
        """See :class:`Targets`."""
        logits = replay.record()
        self._heard(logits[0])
        return ClassRuns(self.network, self.prepared.batch['inputs'], replay, logits, self.categories, options)

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
            )
            for category in self.categories
        ]

    def why_blank(
        self, found: Attribution, method: OnePassMethod, layers: Sequence[str], position: int
    ) -> Optional[str]:
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
