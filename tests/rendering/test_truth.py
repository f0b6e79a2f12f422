from __future__ import annotations

import numpy as np
import pytest

from mmlens.rendering.truth import draw_beside_truth


def test_truth_stands_left_of_what_was_drawn():
    picture = np.full((200, 300, 3), 90, np.uint8)
    drawn = np.full((200, 300, 3), 40, np.uint8)
    boxes = np.array([[50, 60, 150, 160]], np.float32)
    whole = draw_beside_truth(picture, boxes, [1], ['cup'], drawn, is_sheet=False)
    ours = (whole == 40).all(2)
    assert ours.sum() == 200 * 300
    truth = whole[:, : np.flatnonzero(ours.any(0))[0]]
    assert (truth == 90).all(2).sum() > 0.6 * 200 * 300
    # The box's edges: a long line of another colour at its scaled place.
    plain = draw_beside_truth(picture, np.zeros((0, 4)), [1], ['cup'], drawn, is_sheet=False)
    assert (plain != 90).any() and not np.array_equal(plain, whole)


@pytest.mark.parametrize('size', [(64, 80), (1080, 1920)])
def test_truth_and_what_was_drawn_are_as_large_as_each_other(size):
    picture, drawn = (np.full((*size, 3), value, np.uint8) for value in (90, 40))
    whole = draw_beside_truth(picture, np.zeros((0, 4)), [1], ['cup'], drawn, is_sheet=False)
    for value in (90, 40):
        rows, columns = np.nonzero((whole == value).all(2))
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == size


def test_that_nothing_is_annotated_is_said():
    picture = np.full((200, 300, 3), 90, np.uint8)
    nothing, called_so = (
        draw_beside_truth(picture, np.zeros((0, 4)), labels, names, picture, is_sheet=False)
        for labels, names in (([], []), ([0], ['none']))
    )
    assert np.array_equal(nothing, called_so)


def test_sheets_are_left_as_they_are_and_the_lower_one_is_lengthened():
    sheet = np.full((900, 400, 3), 40, np.uint8)
    whole = draw_beside_truth(
        np.full((200, 300, 3), 90, np.uint8), np.zeros((0, 4)), [1], ['cup'], sheet, is_sheet=True
    )
    assert whole.shape[0] == 900 and (whole[:, -400:] == 40).all()
