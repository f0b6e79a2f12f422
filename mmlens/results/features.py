"""What ``feature_maps`` returns: plain arrays in picture coordinates, with the words that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterator, List, Optional, Tuple

import numpy as np


@dataclass
class FeatureMap:
    """One level of one layer, laid over the picture.

    Attributes:
        layer: The layer's name, as the user wrote it.
        level: Position among the layer's levels, from 0.
        levels: How many levels the layer has.
        shape: ``(C, h, w)`` of the level as the network computed it.
        channels: Shape (k,), int64: the channels shown; empty if they were reduced to one map.
        maps: Shape (k, H, W), float32 on the picture's grid: the reduced map (k = 1), the ``topk``
            strongest channels, or the 1 or 3 channels of the layer. Values are the activations',
            not normalised.
    """

    layer: str
    level: int
    levels: int
    shape: Tuple[int, int, int]
    channels: np.ndarray
    maps: np.ndarray

    @property
    def name(self) -> str:
        """``backbone[1]``: the level's name for people; the bare layer if it has one level."""
        return f'{self.layer}[{self.level}]' if self.levels > 1 else self.layer


@dataclass
class Detections:
    """What the detector found, highest score first, in picture pixels.

    Attributes:
        boxes: Shape (N, 4), float32 ``x1, y1, x2, y2``.
        labels: Shape (N,), int64.
        scores: Shape (N,), float32.
        class_names: N names.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    class_names: List[str]


@dataclass
class FeatureMaps:
    """Every level of every named layer for one picture.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR, as it was read.
        maps: One entry a level, layers in the order they were named.
        detections: What a detector found above the score threshold; ``None`` for other models.
        reduction: ``'squeeze_mean'``, ``'select_max'`` or ``None``.
    """

    picture: np.ndarray
    maps: List[FeatureMap]
    detections: Optional[Detections]
    reduction: Optional[str] = None

    def __len__(self) -> int:
        return len(self.maps)

    def __iter__(self) -> Iterator[FeatureMap]:
        return iter(self.maps)

    def __getitem__(self, position: int) -> FeatureMap:
        return self.maps[position]

    def draw(self, **options: Any) -> np.ndarray:
        """Draw one panel a level. See :func:`mmlens.rendering.draw_feature_maps` for the options.

        Returns:
            A new uint8 BGR picture.
        """
        from ..rendering import draw_feature_maps

        return draw_feature_maps(self, **options)
