"""Sheets of comparisons."""

import numpy as np

from mmlens import BoxComparison, BoxExplanation, BoxMap, BoxPair
from mmlens.rendering.comparison import SIDES, drawing_of_comparison

PICTURE = np.full((90, 120, 3), 127, np.uint8)


def box(place, raw):
    values = np.zeros((90, 120), np.float32)
    values[place : place + 20, place : place + 20] = raw
    edges = np.array([place, place, place + 20, place + 20], np.float32)
    return BoxMap(0, edges, 0, 'cup', 0.5, values, values / raw)


def comparison(*pairs):
    sides = [
        BoxExplanation(
            PICTURE, [each for each in side if each is not None], ('neck',), 'gradcam', 'score', fusion='sum'
        )
        for side in zip(*((pair.a, pair.b) for pair in pairs))
    ] or [BoxExplanation(PICTURE, [], ('neck',), 'gradcam', 'score')] * 2
    return BoxComparison(PICTURE, *sides, list(pairs), ('old', 'new'), True, 'why', ('neck',), 'gradcam', ['a note'])


def has(image, colour):
    return bool((image == np.array(colour, np.uint8)).all(-1).any())


def test_a_row_an_object_with_both_maps_and_their_difference():
    drawing = drawing_of_comparison(comparison(BoxPair('cup', box(10, 2.0), box(12, 4.0), 4.0, 0.7, 0.3)))
    assert len(drawing.of_kind('title')) == 5
    assert len(drawing.of_kind('picture')) == 1 and len(drawing.of_kind('panel')) == 4
    assert all(has(drawing.image, colour) for colour in SIDES)


def test_maps_lie_on_one_scale_and_the_difference_has_a_sign():
    drawing = drawing_of_comparison(comparison(BoxPair('cup', box(30, 1.0), box(30, 4.0), 4.0, 1, 0)))
    _, weak, strong, difference = drawing.of_kind('panel')

    def centre(place):
        x1, y1, x2, y2 = place.rect
        return drawing.image[round(y1 + (y2 - y1) * 40 / 90), round(x1 + (x2 - x1) * 40 / 120)].astype(int)

    grey = 127
    assert abs(centre(strong) - grey).sum() > abs(centre(weak) - grey).sum() > 20
    blue, _, red = centre(difference)
    assert red > blue  # more in b


def test_the_candidate_of_a_side_that_did_not_find_the_object_is_dashed():
    lost = box(12, 4.0)
    lost.overlap, lost.candidate = 0.5, lost.box + 6
    drawing = drawing_of_comparison(comparison(BoxPair('cup', lost, box(12, 4.0), 4.0)))
    assert len(drawing.of_kind('title')) == 5
    left, right = drawing.of_kind('picture')[0], drawing.of_kind('panel')[0]

    def marked(place, colour):
        x1, y1, x2, y2 = place.rect
        return has(drawing.image[y1:y2, x1:x2], colour)

    assert not marked(left, SIDES[0]) and marked(right, SIDES[1])  # it is not among what the side found
    assert marked(drawing.of_kind('panel')[1], SIDES[0])


def test_what_one_side_did_not_find_has_no_difference():
    drawing = drawing_of_comparison(comparison(BoxPair('cup', None, box(12, 4.0), 4.0)))
    assert len(drawing.of_kind('title')) == 4


def test_at_most_so_many_rows_and_a_note_without_any():
    pairs = [BoxPair('cup', box(10, 2.0), box(10, 4.0), 4.0, 1, 0)] * 3
    assert len(drawing_of_comparison(comparison(*pairs), most=2).of_kind('title')) == 8
    empty = drawing_of_comparison(comparison())
    assert len(empty.of_kind('note')) == 1
