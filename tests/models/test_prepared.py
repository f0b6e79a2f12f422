"""One picture as the network sees it."""

from __future__ import annotations

import numpy as np

from mmlens.models.geometry import Geometry, scaling
from mmlens.models.prepared import Prepared


def test_the_size_of_the_input_is_that_of_the_geometry():
    geometry = Geometry(scaling(0.5, 0.5), (40, 60), (32, 64))
    prepared = Prepared(np.zeros((40, 60, 3), np.uint8), {}, geometry)
    assert prepared.input_size == (32, 64) and prepared.words is None


def test_a_real_picture_is_prepared_whole(yolox, picture):
    prepared = yolox.prepare(picture)
    assert np.array_equal(prepared.picture, picture)
    assert prepared.input_size == tuple(prepared.batch['inputs'].shape[-2:]) == (128, 128)
    assert prepared.geometry.picture_size == picture.shape[:2]
