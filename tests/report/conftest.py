from __future__ import annotations

from typing import Callable

import numpy as np
import pytest

from mmlens import BoxExplanation, BoxMap

SIZE = (96, 128)


def bump(box, size=SIZE) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    far = ((x - (box[0] + box[2]) / 2) / (box[2] - box[0])) ** 2 + (
        (y - (box[1] + box[3]) / 2) / (box[3] - box[1])
    ) ** 2
    return np.clip(1 - 4 * far, 0, 1).astype(np.float32)


@pytest.fixture
def explain() -> Callable[..., BoxExplanation]:
    def make(seed=0, boxes=((10, 10, 50, 60), (60, 20, 120, 80)), names=('dog', 'cat'), method='gradcam', moved=0.0):
        """Boxes with a bump each; the same seed has the same picture."""
        picture = np.random.default_rng(seed).integers(0, 255, (*SIZE, 3), np.uint8)
        found = []
        for n, (box, name) in enumerate(zip(boxes, names)):
            heat = bump(box) / bump(box).max()
            edges = np.array(box, np.float32) + np.float32(moved)
            found.append(BoxMap(n, edges, n, name, 0.9 - n / 10, heat * (n + 1), heat))
        return BoxExplanation(picture, found, ('neck',), method, 'score', fusion='sum')

    return make


@pytest.fixture
def index_of() -> Callable[..., dict]:
    import json

    def read(path) -> dict:
        text = path.read_text(encoding='utf-8')
        return json.loads(text.split('id="index">', 1)[1].split('</script>', 1)[0])

    return read
