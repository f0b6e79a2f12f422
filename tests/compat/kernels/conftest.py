from __future__ import annotations

import itertools
import math

import pytest
import torch


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def bilinear():
    """Value of a plane (H, W) between its cells; outside it is zero, and the border cells fade over one unit."""

    def sample(plane, y, x):
        height, width = plane.shape
        top, left = math.floor(y), math.floor(x)
        value = 0.0
        for i, j in itertools.product((top, top + 1), (left, left + 1)):
            if 0 <= i < height and 0 <= j < width:
                value += plane[i, j] * (1 - abs(y - i)) * (1 - abs(x - j))
        return value

    return sample
