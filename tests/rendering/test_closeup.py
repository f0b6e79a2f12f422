"""The beginning of a schedule, drawn once more where it could not be seen."""

from __future__ import annotations

import numpy as np
import pytest

from mmlens.rendering import Axis, Line, curve_figure
from mmlens.rendering.closeup import _rounded_up, beginning

X = np.arange(0, 301, 0.1)
EPOCHS = Axis('epoch', 300)
# As MMYOLO trains YOLOv5: biases come down to 0.01 in 3 epochs, weights rise to it, and both fall.
FALL = 0.01 * (1 - X / 301)
BIASES = np.where(X < 3, 0.1 - 0.09 * X / 3, FALL)
WEIGHTS = np.where(X < 3, 0.01 * X / 3, FALL)
COSINE = np.where(X < 3, X / 3, 0.5 + 0.5 * np.cos(X / 301 * np.pi))


def insets(*values, **options):
    figure = curve_figure(X, [Line(each, f'line {n}') for n, each in enumerate(values)], EPOCHS, **options)
    return [child for child in figure.axes[0].child_axes if child.get_title()]


def test_a_warm_up_is_shown_twice_as_long_as_it_takes():
    assert beginning(X, np.array([BIASES, WEIGHTS]), 300) == 6
    (inset,) = insets(BIASES, WEIGHTS)
    assert inset.get_title() == 'the first 6 epochs'
    for drawn, values in zip(inset.get_lines(), (BIASES, WEIGHTS)):
        np.testing.assert_array_equal(drawn.get_ydata(), values[: len(drawn.get_ydata())])
        assert 55 <= len(drawn.get_ydata()) <= 65


def test_it_lies_where_no_curve_passes():
    (above,), (below,) = insets(BIASES, WEIGHTS), insets(np.where(X < 3, X / 3, 1.0))
    assert above.get_position().y0 > below.get_position().y0


@pytest.mark.parametrize(
    'values',
    [FALL, np.ones_like(X), np.where(X < 150, X / 150, 2 - X / 150), np.sin(X / 20) ** 2],
    ids=['straight', 'constant', 'a long rise', 'waves'],
)
def test_what_can_be_seen_is_not_repeated(values):
    assert beginning(X, values[None], 300) is None and not insets(values)


def test_without_room_there_is_none():
    assert beginning(X, COSINE[None], 300) is not None
    everywhere = [np.where(X < 3, X / 3 * high, end) for high, end in ((1, 1 - X / 301), (0.4, 0.4), (0.8, 0.8))]
    assert not insets(COSINE, *everywhere)
    assert not insets(BIASES, WEIGHTS, size=(5, 4))  # too small a figure


def test_its_end_is_a_round_number():
    assert [_rounded_up(value) for value in (5.94, 6.0, 11.2, 0.031, 2000)] == [6, 6, 15, pytest.approx(0.035), 2000]


def test_few_positions_make_no_close_up():
    x = np.arange(20.0)
    assert beginning(x, np.where(x < 1, 0.0, 1.0)[None], 20) is None
