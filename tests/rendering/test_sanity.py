"""The curves of a sanity check: what is in them can be seen."""

import math

import numpy as np

from mmlens.rendering import draw_sanity

PARTS = ('head', 'neck', 'backbone, stride 8')


def colours_in(drawn, colour):
    return (np.abs(drawn.astype(int) - np.array(colour)[::-1]).max(2) < 12).any()


def test_each_method_has_its_colour():
    curves = dict(one=np.array([[1, 0.5, 0.2, 0.1], [1, 0.6, 0.3, 0.0]]), two=np.array([[1, 1, 0.9, 0.8]] * 2))
    drawn = draw_sanity(curves, PARTS, (0.2, 0.5))
    assert drawn.dtype == np.uint8 and drawn.ndim == 3
    assert colours_in(drawn, (31, 119, 180)) and colours_in(drawn, (255, 127, 14))
    assert not colours_in(drawn, (44, 160, 44))


def test_more_parts_are_wider_and_steps_without_a_value_are_left_out():
    known = draw_sanity(dict(one=np.array([[1, 0.5, 0.2]])), PARTS[:2], (0.2, 0.5))
    unknown = draw_sanity(dict(one=np.array([[1, 0.5, math.nan, math.nan]])), PARTS, (0.2, 0.5))
    assert unknown.shape[1] > known.shape[1] and colours_in(unknown, (31, 119, 180))
