from __future__ import annotations

from typing import Callable

import numpy as np
import pytest

from mmlens.rendering.box_maps import drawing_of_boxes
from mmlens.rendering.drawing import Drawing, Place, rect_at
from mmlens.rendering.panels import HEADER, Panel
from mmlens.rendering.sheets import MARGIN, compose, with_note
from mmlens.rendering.truth import put_truth_beside

NO_BOX = np.zeros((0, 4), np.float32)


def overlay(image: np.ndarray) -> Drawing:
    return Drawing(image, (Place('overlay', rect_at(0, 0, image)),))


def crop(drawing: Drawing, place: Place) -> np.ndarray:
    x1, y1, x2, y2 = place.rect
    return drawing.image[y1:y2, x1:x2]


def test_truth_stands_left_of_what_was_drawn():
    picture = np.full((200, 300, 3), 90, np.uint8)
    drawn = np.full((200, 300, 3), 40, np.uint8)
    boxes = np.array([[50, 60, 150, 160]], np.float32)
    whole = put_truth_beside(overlay(drawn), picture, boxes, [1], ['cup']).image
    ours = (whole == 40).all(2)
    assert ours.sum() == 200 * 300
    truth = whole[:, : np.flatnonzero(ours.any(0))[0]]
    assert (truth == 90).all(2).sum() > 0.6 * 200 * 300
    # The box's edges: a long line of another colour at its scaled place.
    plain = put_truth_beside(overlay(drawn), picture, NO_BOX, [1], ['cup']).image
    assert (plain != 90).any() and not np.array_equal(plain, whole)


@pytest.mark.parametrize('size', [(64, 80), (1080, 1920)])
def test_truth_and_what_was_drawn_are_as_large_as_each_other(size):
    picture, drawn = (np.full((*size, 3), value, np.uint8) for value in (90, 40))
    whole = put_truth_beside(overlay(drawn), picture, NO_BOX, [1], ['cup']).image
    for value in (90, 40):
        rows, columns = np.nonzero((whole == value).all(2))
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == size


def test_that_nothing_is_annotated_is_said():
    picture = np.full((200, 300, 3), 90, np.uint8)
    nothing, called_so = (
        put_truth_beside(overlay(picture), picture, NO_BOX, labels, names).image
        for labels, names in (([], []), ([0], ['none']))
    )
    assert np.array_equal(nothing, called_so)


def test_sheets_are_left_as_they_are_and_the_lower_one_is_lengthened():
    sheet = compose([Panel(np.full((height, 400, 3), 40, np.uint8), 'one', kind='picture') for height in (300, 500)], 1)
    picture = np.full((150, 200, 3), 90, np.uint8)
    whole = put_truth_beside(sheet, picture, NO_BOX, [1], ['cup'])
    height, width = sheet.image.shape[:2]
    assert whole.image.shape[0] == height and (whole.image[:, -width:] == sheet.image).all()
    truth = crop(whole, whole.of_kind('truth')[0])
    assert truth.shape == (300, 400, 3) and (truth == 90).all()


@pytest.mark.parametrize('size', [(30, 40), (240, 320), (1200, 1600)])
@pytest.mark.parametrize('layout', ['overlay', 'panels'])
@pytest.mark.parametrize('number', [0, 1, 2])
def test_truth_lies_level_with_the_picture_as_large_as_it_and_below_a_title(
    size: tuple, layout: str, number: int, box_map: Callable, explanation: Callable
) -> None:
    picture = np.random.default_rng(0).integers(90, 110, (*size, 3), np.uint8)
    height, width = size
    edges = [(0.1 * width, 0, 0.6 * width, 0.7 * height), (0.3 * width, 0.2 * height, width, height)][:number]
    boxes = [box_map(each, size, label=n, name=f'thing {n}') for n, each in enumerate(edges)]
    drawing = drawing_of_boxes(explanation(picture, *boxes), layout)
    whole = put_truth_beside(drawing, picture, np.reshape(edges, (-1, 4)), range(number), ['one', 'two'][:number])
    (truth,) = whole.of_kind('truth')
    main = whole.main
    assert truth.size == main.size == drawing.main.size
    assert truth.rect[1] == main.rect[1] and truth.rect[2] < main.rect[0]
    assert (crop(whole, main) == crop(drawing, drawing.main)).all()
    titles = whole.of_kind('title')
    for place in (truth, main):
        above = [title for title in titles if title.rect[0] <= place.rect[0] and place.rect[2] <= title.rect[2]]
        assert above and (crop(whole, above[0]) < 128).any()
        assert above[0].rect[3] - above[0].rect[1] == HEADER and above[0].rect[1] == MARGIN


def test_a_drawing_of_the_networks_input_is_not_what_truth_is_stretched_to():
    """A 40 x 20 picture, half black and half white, next to a drawing of its square centre crop."""
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 20:] = 250
    whole = put_truth_beside(overlay(np.full((60, 60, 3), 40, np.uint8)), picture, NO_BOX, [1], ['cup'])
    truth = crop(whole, whole.of_kind('truth')[0])
    assert truth.shape == (60, 60, 3)
    assert (truth[:15] == 255).all() and (truth[45:] == 255).all()
    assert (truth[15:45, :29] == 0).all() and (truth[15:45, 31:] == 250).all()


def test_a_note_below_an_overlay_stays_there():
    picture = np.full((100, 150, 3), 40, np.uint8)
    noted = with_note(picture, 'no detection above the score threshold', 12)
    whole = put_truth_beside(noted, np.full((100, 150, 3), 90, np.uint8), NO_BOX, [], [])
    assert whole.of_kind('truth')[0].size == whole.main.size == (150, 100)
    note = whole.of_kind('note')[0]
    assert note.rect[1] == whole.main.rect[3] and (crop(whole, note) < 80).any()
