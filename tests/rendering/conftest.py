from __future__ import annotations

from typing import Callable, Optional, Sequence

import numpy as np
import pytest

from mmlens.results.boxes import BoxExplanation, BoxMap
from mmlens.results.features import FeatureMap, FeatureMaps
from mmlens.results.predicted import Predicted


@pytest.fixture
def picture() -> np.ndarray:
    """A picture no pixel of which has a colour that is drawn with: 240 x 320, mid grey noise."""
    return np.random.default_rng(0).integers(90, 110, (240, 320, 3), dtype=np.uint8)


@pytest.fixture
def box_map() -> Callable[..., BoxMap]:
    def make(
        box: Sequence[float],
        size: Sequence[int],
        label: int = 0,
        name: str = 'dog',
        score: float = 0.86,
        index: int = 0,
        blank: Optional[str] = None,
    ) -> BoxMap:
        """A bump in the middle of the box; zero outside of it."""
        heat = np.zeros(size, np.float32)
        if blank is None:
            x1, y1, x2, y2 = box
            y, x = np.mgrid[: size[0], : size[1]] + 0.5
            far = ((x - (x1 + x2) / 2) / (x2 - x1)) ** 2 + ((y - (y1 + y2) / 2) / (y2 - y1)) ** 2
            heat = np.clip(1 - 4 * far, 0, 1).astype(np.float32)
            heat /= heat.max()
        return BoxMap(index, np.array(box, np.float32), label, name, score, heat * 3, heat, blank)

    return make


@pytest.fixture
def explanation() -> Callable[..., BoxExplanation]:
    def make(picture: np.ndarray, *boxes: BoxMap, notes: Sequence[str] = (), fusion: str = 'sum') -> BoxExplanation:
        return BoxExplanation(picture, list(boxes), ('neck',), 'gradcam', 'score', notes=list(notes), fusion=fusion)

    return make


@pytest.fixture
def feature_maps() -> Callable[..., FeatureMaps]:
    def make(picture: np.ndarray, *levels: FeatureMap, boxes: Sequence[Sequence[float]] = ()) -> FeatureMaps:
        found = Predicted(
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            labels=np.arange(len(boxes)),
            scores=np.full(len(boxes), 0.5, np.float32),
            class_names=[f'thing {n}' for n in range(len(boxes))],
        )
        return FeatureMaps(picture, list(levels), found)

    return make


@pytest.fixture
def level() -> Callable[..., FeatureMap]:
    def make(maps: np.ndarray, channels: Sequence[int] = (), layer: str = 'neck', number: int = 0) -> FeatureMap:
        return FeatureMap(layer, number, 3, (96, 52, 40), np.array(channels, np.int64), np.asarray(maps, np.float32))

    return make
