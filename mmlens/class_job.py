"""Maps of the asked classes of one picture: by one pass with gradients, or by many passes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional, Sequence

import torch
from torch import Tensor, nn

from .attribution.attribute import attribute
from .attribution.default_layer import find_default_layer
from .attribution.fuse import fuse_layers, stretch
from .attribution.methods import Method, PassMethod, Progress
from .attribution.passes import explain_by_passes
from .attribution.smoothing import augmented_mean, eigen_smoothed
from .attribution.tap import Tap
from .class_passes import class_maps_by_passes
from .models.classifier import Classifier
from .models.network import Prepared


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
    """

    classifier: Classifier
    prepared: Prepared
    layers: Dict[str, nn.Module]
    extra_tokens: Optional[int]
    eigen_smooth: bool
    aug_smooth: bool

    def by_own_passes(
        self, method: PassMethod, options: Dict[str, Any], categories: Sequence[int], go_on: Progress
    ) -> List[Found]:
        """Maps by many passes, which all classes share."""

        def explain(inputs: Tensor) -> List[Tensor]:
            return class_maps_by_passes(
                self.classifier,
                inputs,
                self.layers,
                method,
                options,
                categories,
                extra_tokens=self.extra_tokens,
                eigen_smooth=self.eigen_smooth,
                progress=go_on,
            )

        inputs = self.prepared.batch['inputs']
        if self.aug_smooth:
            maps = list(augmented_mean(lambda changed: torch.stack([stretch(raw) for raw in explain(changed)]), inputs))
            raws = maps
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
                blank = self._class_token_only() if explained.extra_tokens_only else explained.blank
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
    """The layer to look at if none is named, found once for a classifier."""
    if classifier.default_layer is None:
        classifier.default_layer = find_default_layer(
            classifier.model,
            'backbone',
            lambda: classifier.logits(prepared),
            prepared.input_size,
            classifier.extra_tokens,
        )
    return classifier.default_layer
