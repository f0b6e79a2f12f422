from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mmlens import BoxExplanation, BoxMap, ClassExplanation, ClassMap, FeatureMap, FeatureMaps, Predicted

NAMES = ['cup', 'Gläser 杯']
SIZE = (8, 12)


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape or SIZE).astype(np.float32)


def picture_of(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*SIZE, 3), np.uint8)


def box_map(index: int = 0, blank=None, mask=None) -> BoxMap:
    raw = random(index)
    box = np.array([1, 2, 7, 6], np.float32) + index
    return BoxMap(index, box, index % 2, NAMES[index % 2], 0.75 - index / 8, raw, raw / raw.max(), blank, mask)


def class_map(index: int = 0, blank=None, guided=None) -> ClassMap:
    return ClassMap(index, NAMES[index % 2], 0.86, 1.7, index, random(index), random(index + 9), blank, guided)


def feature_map(layer: str = 'neck', level: int = 0, levels: int = 3, channels=(5,)) -> FeatureMap:
    maps = random(level, len(channels) or 1, *SIZE) - 0.5
    return FeatureMap(layer, level, levels, (16, 4, 6), np.array(channels, np.int64), maps)


@pytest.fixture
def make() -> SimpleNamespace:
    return SimpleNamespace(
        random=random, picture=picture_of, box_map=box_map, class_map=class_map, feature_map=feature_map
    )


@pytest.fixture
def boxes() -> BoxExplanation:
    found = [box_map(0), box_map(3, 'no gradient')]
    return BoxExplanation(
        picture_of(), found, ('neck', 'backbone.stage4'), 'gradcam', 'score', ['a note'], {'torch': '2'}
    )


@pytest.fixture
def classes() -> ClassExplanation:
    covered = np.zeros(SIZE, bool)
    covered[:, 2:10] = True
    to_input = np.array([[2.0, 0, -4], [0, 2, 0], [0, 0, 1]])
    found = [class_map(1), class_map(0, 'all zero')]
    return ClassExplanation(
        picture_of(), found, covered, to_input, (16, 16), ('norm',), 'layercam', ['a note'], {'torch': '2'}, True
    )


@pytest.fixture
def predicted() -> Predicted:
    """Something of each kind that a network can predict."""
    masks = np.zeros((2, *SIZE), bool)
    masks[0, 2:5, 3:6] = masks[1, 6:, 8:] = True
    boxes = np.array([[3, 2, 6, 5], [8, 6, 12, 8]], np.float32)
    return Predicted(
        boxes=boxes,
        polygons=boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]],
        masks=masks,
        labels=np.array([4, 1]),
        scores=np.array([0.9, 0.4], np.float32),
        class_names=NAMES,
        seg_map=np.arange(96).reshape(SIZE) % 3 - 1,
        seg_names={0: 'sky', 1: 'Straße'},
        keypoints=random(5, 2, 3, 2) * 8,
        keypoint_scores=random(6, 2, 3),
        skeleton=((0, 1), (1, 2)),
        classes=(('indoors', 0.86),),
        notes=['tracks are left out'],
    )


@pytest.fixture
def features(predicted: Predicted) -> FeatureMaps:
    levels = [feature_map(), feature_map(level=1, channels=(7, 2)), feature_map('backbone', levels=1, channels=())]
    return FeatureMaps(picture_of(), levels, predicted, None, ['a note'], {'torch': '2'})
