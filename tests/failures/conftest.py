"""Pictures in which the tiny detector makes every kind of error, by annotations that are put around what it finds."""

import cv2
import numpy as np
import pytest
import torch

from mmlens.attribution.restore import evaluating
from mmlens.evaluation import Case, Truth

NAMES = ('cup', 'fork', 'knife')


@pytest.fixture(scope='session')
def noise():
    """A picture (90, 128, 3) of blobs."""
    values = np.random.default_rng(0).integers(0, 255, (9, 13, 3), np.uint8)
    return cv2.resize(values, (128, 90), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope='session')
def detections(yolox, noise):
    """What the detector finds there: boxes (N, 4), labels, scores."""
    with evaluating(yolox.model), torch.no_grad():
        found = yolox.predict(yolox.prepare(noise))
    return found.boxes.numpy().astype(float), found.labels.tolist(), found.scores.tolist()


@pytest.fixture(scope='session')
def truth(detections):
    """Objects such that the first detection is right, the second of the wrong class, and the third off to the left."""
    boxes, labels, _ = detections
    width = boxes[2, 2] - boxes[2, 0]
    off = boxes[2] + [0.4 * width, 0, 0.4 * width, 0]
    nowhere = np.array([1.0, 1.0, 4.0, 5.0])
    objects = np.array([boxes[0], boxes[1], off, nowhere])
    return Truth(objects, np.array([labels[0], (labels[1] + 1) % 3, labels[2], 0]))


@pytest.fixture
def case(noise, truth):
    return Case('noise', lambda: (noise, truth))
