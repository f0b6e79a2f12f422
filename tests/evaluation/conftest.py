"""Pictures with objects that the tiny detector finds, and what is known about them."""

import cv2
import numpy as np
import pytest
import torch

from mmlens import explain_boxes, load_classifier
from mmlens.evaluation import Case, Truth


@pytest.fixture(scope='session')
def pictures():
    """Three pictures (90, 128, 3) of blobs."""
    noise = [np.random.default_rng(seed).integers(0, 255, (9, 13, 3), np.uint8) for seed in range(3)]
    return [cv2.resize(each, (128, 90), interpolation=cv2.INTER_CUBIC) for each in noise]


@pytest.fixture(scope='session')
def truths(yolox, pictures):
    """Of each picture: the best detection as an object with mask and mark, and one that nothing finds."""
    found = []
    for picture in pictures:
        best = explain_boxes(yolox, picture, score_thr=0.0, topk=1)[0]
        x1, y1, x2, y2 = np.clip(best.box.round().astype(int), 0, 127)
        mask, mark = np.zeros((2, 90, 128), bool)
        mask[y1:y2, x1 : (x1 + x2) // 2 + 1] = True
        mark[y1 : y1 + 3, x1 : x1 + 3] = True
        boxes = np.array([best.box, [0, 0, 4, 4]], np.float64)
        found.append(Truth(boxes, np.array([best.label, 1]), [mask, None], [mark, np.zeros_like(mark)]))
    return found


@pytest.fixture
def cases(pictures, truths):
    """The pictures as cases."""
    return [Case(f'p{n}', lambda n=n: (pictures[n], truths[n])) for n in range(len(pictures))]


@pytest.fixture(scope='session')
def classifier(config_of):
    """A tiny classifier whose probabilities depend on the picture."""
    network = load_classifier(config_of('classifier'), device='cpu')
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
    return network
