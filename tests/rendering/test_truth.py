from __future__ import annotations

import numpy as np

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


def test_sheets_are_left_as_they_are_and_the_lower_one_is_lengthened():
    sheet = np.full((900, 400, 3), 40, np.uint8)
    whole = draw_beside_truth(
        np.full((200, 300, 3), 90, np.uint8), np.zeros((0, 4)), [1], ['cup'], sheet, is_sheet=True
    )
    assert whole.shape[0] == 900 and (whole[:, -400:] == 40).all()
