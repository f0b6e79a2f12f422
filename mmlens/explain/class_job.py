"""Maps of the asked classes of one picture: by one pass with gradients, or by many passes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Optional, Sequence

import torch
from torch import Tensor, nn

from ..attribution.attribute import Attribution, attribute
from ..attribution.default_layer import find_default_layer
from ..attribution.fuse import fuse_layers, stretch
from ..attribution.gradcam_engine import explain_by_passes
from ..attribution.methods import Method, PassMethod, Progress
from ..attribution.smoothing import augmented_mean, eigen_smoothed
from ..attribution.tap import Tap
from ..errors import MethodError
from ..models.classifier import Classifier
from ..models.network import Prepared
from .class_runs import class_maps_by_passes


@dataclass
class Found:
    """A class's maps (H, W) on the input's grid."""

    category: int
    raw: Tensor
    normalised: Tensor
    blank: Optional[str] = None


@dataclass
class ClassJob:
    """What all classes of a picture have in common.

    Attributes:
        classifier: The classifier.
        prepared: The picture.
        layers: The layers, by the names that errors will show.
        extra_tokens, eigen_smooth, aug_smooth: See :func:`mmlens.explain_classes`.
        unfinished: Whether many passes were ended early.
        notes: What there is to say of them.
    """

    classifier: Classifier
    prepared: Prepared
    layers: Dict[str, nn.Module]
    extra_tokens: Optional[int]
    eigen_smooth: bool
    aug_smooth: bool
    unfinished: bool = False
    notes: List[str] = field(default_factory=list)

    def by_own_passes(
        self, method: PassMethod, options: Dict[str, Any], categories: Sequence[int], progress: Optional[Progress]
    ) -> List[Found]:
        """Maps by many passes, which all classes share.

        Raises:
            MethodError: If the passes over one input are to be kept, and those of several would be.
        """
        if self.aug_smooth and options.get('resume'):
            raise MethodError('resume keeps the passes over one input, and aug_smooth looks at six: leave out one.')

        def explain(inputs: Tensor) -> List[Tensor]:
            found = class_maps_by_passes(
                self.classifier,
                inputs,
                self.layers,
                method,
                options,
                categories,
                extra_tokens=self.extra_tokens,
                eigen_smooth=self.eigen_smooth,
                progress=progress,
            )
            self.unfinished = found.interrupted
            self.notes = found.notes
            return found.maps

        whole = 0

        def explain_augmented(inputs: Tensor) -> Optional[Tensor]:
            nonlocal whole
            if self.unfinished:
                return None
            maps = torch.stack([stretch(raw) for raw in explain(inputs)])
            if self.unfinished and whole:
                return None  # what a part of the passes found is not worth as much as the rest
            whole += 1
            return maps

        inputs = self.prepared.batch['inputs']
        if self.aug_smooth:
            raws = maps = list(augmented_mean(explain_augmented, inputs))
        else:
            raws = explain(inputs)
            maps = [stretch(raw) for raw in raws]
        return [
            Found(category, raw, each, None if bool(each.any()) else _finds_nothing(method.name))
            for category, raw, each in zip(categories, raws, maps)
        ]

    def by_passes(self, cam_class: type, category: int) -> Found:
        """A map by grad-cam's own engine."""

        def explain(inputs: Tensor) -> Tensor:
            return explain_by_passes(
                cam_class,
                self.classifier.model,
                self.classifier.logits_of,
                self.layers,
                inputs.detach().clone(),
                category,
                extra_tokens=self.extra_tokens,
                eigen_smooth=self.eigen_smooth,
            )

        inputs = self.prepared.batch['inputs']
        normalised = augmented_mean(explain, inputs) if self.aug_smooth else explain(inputs)
        blank = None if bool(normalised.any()) else _finds_nothing(cam_class.__name__)
        return Found(category, normalised, normalised, blank)

    def by_one_pass(self, method: Method, categories: Sequence[int]) -> List[Found]:
        """Maps by activations and gradients."""
        method = eigen_smoothed(method) if self.eigen_smooth else method
        found = self._of_input(method, categories, self.prepared)
        return [self._smoothed(method, each) for each in found] if self.aug_smooth else found

    def _of_input(self, method: Method, categories: Sequence[int], prepared: Prepared) -> List[Found]:
        size = prepared.input_size
        found = []
        with Tap(self.classifier.model, self.layers) as tap:
            logits = self.classifier.logits(prepared)[0]
            levels = tap.levels(size, self.extra_tokens)
            for position, category in enumerate(categories):
                keep = position < len(categories) - 1
                explained = attribute(
                    logits[category], levels, method, size, spatial=False, keep_graph=keep, fuse=fuse_layers
                )
                blank = self._why_blank(explained, logits, method) if explained.blank else None
                normalised = stretch(explained.raw)
                if not blank and not bool(normalised.any()):
                    blank = 'its evidence is the same everywhere; choose an earlier layer'
                found.append(Found(category, explained.raw, normalised, blank))
        return found

    def _smoothed(self, method: Method, plain: Found) -> Found:
        def explain(inputs: Tensor) -> Tensor:
            changed = replace(self.prepared, batch={**self.prepared.batch, 'inputs': inputs})
            return self._of_input(method, [plain.category], changed)[0].normalised

        mean = augmented_mean(explain, self.prepared.batch['inputs'])
        return replace(plain, raw=mean, normalised=mean, blank=None if bool(mean.any()) else plain.blank)

    def _why_blank(self, explained: Attribution, logits: Tensor, method: Method) -> Optional[str]:
        if method.uses_gradients and len(logits) > 1 and bool((logits == logits[0]).all()):
            return 'all classes score the same, as before a training whose head begins with zeros'
        return self._class_token_only() if explained.extra_tokens_only else explained.blank

    def _class_token_only(self) -> str:
        names = ', '.join(f"'{name}'" for name in self.layers)
        better = default_layer(self.classifier, self.prepared)
        return (
            f'the class score does not depend on the patches any more at {names}, but on the class token alone; '
            f"use the layer '{better}'"
        )


def _finds_nothing(name: str) -> str:
    return f'{name} finds nothing; choose another layer or method'


def default_layer(classifier: Classifier, prepared: Prepared) -> str:
    """The layer to look at if none is named, found once for a classifier whose predictions depend on the picture."""
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
