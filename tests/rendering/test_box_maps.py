from __future__ import annotations

from typing import Callable

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.rendering import draw_box_maps
from mmlens.rendering.blend import blend_map
from mmlens.rendering.colours import PALETTE
from mmlens.rendering.panels import HEADER
from mmlens.rendering.sheets import MARGIN
from mmlens.results.boxes import BoxExplanation, BoxMap

Make = Callable[..., BoxMap]
Explain = Callable[..., BoxExplanation]


def test_overlay_shows_the_maximum_of_the_maps_and_the_labels_hide_none(
    picture: np.ndarray, box_map: Make, explanation: Explain
) -> None:
    size = picture.shape[:2]
    one, two = box_map((40, 40, 160, 160), size), box_map((120, 100, 300, 220), size, label=1, name='cat', index=1)
    drawn = draw_box_maps(explanation(picture, one, two), colormap='jet', alpha=0.7)
    expected = blend_map(picture, np.maximum(one.normalised, two.normalised), 'jet', 0.7)
    assert drawn.shape == picture.shape
    # Inside of the boxes only their own lines change the blended picture.
    inside = np.zeros(size, bool)
    inside[44:157, 44:157] = inside[104:217, 124:297] = True
    crossing = np.zeros(size, bool)
    crossing[96:165, 116:165] = True
    clear = inside & ~crossing
    assert (drawn[clear] == expected[clear]).all()
    assert (drawn != expected).any()


def test_overlay_leaves_the_explanation_alone(picture: np.ndarray, box_map: Make, explanation: Explain) -> None:
    box = box_map((40, 40, 160, 160), picture.shape[:2])
    before = picture.copy(), box.normalised.copy(), box.box.copy()
    for layout in ('overlay', 'panels'):
        drawn = draw_box_maps(explanation(picture, box), layout=layout)
        assert drawn.dtype == np.uint8
    for left, right in zip(before, (picture, box.normalised, box.box)):
        assert (left == right).all()


def test_overlay_grows_for_a_box_that_fills_the_picture(
    picture: np.ndarray, box_map: Make, explanation: Explain
) -> None:
    height, width = picture.shape[:2]
    box = box_map((0, 0, width, height), (height, width))
    drawn = draw_box_maps(explanation(picture, box), alpha=0)
    strip = drawn.shape[0] - height
    assert strip > 0
    assert (drawn[strip + 5 : -5, 5:-5] == picture[5:-5, 5:-5]).all()


def test_map_that_is_not_a_number_is_drawn_as_nothing(picture: np.ndarray, box_map: Make, explanation: Explain) -> None:
    box = box_map((40, 40, 160, 160), picture.shape[:2])
    box.normalised[:] = np.nan
    drawn = draw_box_maps(explanation(picture, box))
    assert (drawn[45:155, 45:155] == picture[45:155, 45:155]).all()


def test_panels_begin_with_the_plain_picture_then_one_box_each(
    picture: np.ndarray, box_map: Make, explanation: Explain
) -> None:
    height, width = picture.shape[:2]
    one = box_map((40, 60, 160, 160), (height, width))
    two = box_map((200, 100, 300, 200), (height, width), label=1, name='Müßiggänger', index=5)
    sheet = draw_box_maps(explanation(picture, one, two), layout='panels')
    assert sheet.shape[1] == MARGIN + 3 * (width + MARGIN)
    y = MARGIN + HEADER
    plain, first, second = (
        sheet[y : y + height, x : x + width] for x in (MARGIN + n * (width + MARGIN) for n in range(3))
    )
    # Inside of the first box: no heat on the first panel, its own on the second, none on the third.
    inside = np.s_[66:154, 46:154]
    assert (plain[inside] == picture[inside]).all()
    assert (first[inside] == blend_map(picture, one.normalised, 'turbo', 0.5)[inside]).all()
    assert (second[inside] == picture[inside]).all()
    assert tuple(first[100, 40]) == PALETTE[0] and tuple(second[150, 200]) == PALETTE[1]
    assert tuple(plain[100, 40]) == PALETTE[0] and tuple(plain[150, 200]) == PALETTE[1]
    # The second box's line is on its own panel only.
    assert (first[96:204, 196:304] == blend_map(picture, one.normalised, 'turbo', 0.5)[96:204, 196:304]).all()


def test_large_pictures_are_scaled_down_with_their_boxes(box_map: Make, explanation: Explain) -> None:
    picture = np.full((1200, 1600, 3), 100, np.uint8)
    box = box_map((400, 300, 800, 900), (1200, 1600), label=3)
    sheet = draw_box_maps(explanation(picture, box), layout='panels')
    assert sheet.shape[1] == 2 * 640 + 3 * MARGIN
    panel = sheet[MARGIN + HEADER :, 2 * MARGIN + 640 :]
    assert tuple(panel[240, 160]) == PALETTE[3] and tuple(panel[240, 320]) == PALETTE[3]
    heat = (panel[:480, :640] != 100).any(axis=-1)[130:350, 170:310]
    assert heat[110, 70]


def test_a_blank_map_tells_its_reason(picture: np.ndarray, box_map: Make, explanation: Explain) -> None:
    size = picture.shape[:2]
    blank = box_map((40, 60, 160, 160), size, blank='no gradient reaches the layer; try the neck')
    bare = explanation(picture, blank)
    sheet = draw_box_maps(bare, layout='panels')
    below = sheet[MARGIN + HEADER + size[0] :, 2 * MARGIN + size[1] :]
    # Dark letters instead of a colour bar.
    assert (below < 80).any()
    assert np.ptp(below.astype(int), axis=-1).max() < 20
    # On the overlay the label says it.
    said, unsaid = draw_box_maps(bare), draw_box_maps(explanation(picture, box_map((40, 60, 160, 160), size)), alpha=0)
    assert (said != unsaid).any()


@pytest.mark.parametrize('layout', ['overlay', 'panels'])
def test_no_detection_is_said_below_the_plain_picture(layout: str, picture: np.ndarray, explanation: Explain) -> None:
    height, width = picture.shape[:2]
    drawn = draw_box_maps(explanation(picture), layout=layout)
    assert (drawn[:height, :width] == picture).all()
    assert (drawn[height:] < 80).any()
    noted = draw_box_maps(explanation(picture, notes=['no dog among the 3 detections']), layout=layout)
    assert noted.shape != drawn.shape or (noted != drawn).any()


def test_many_boxes_are_numbered_on_the_first_panel(picture: np.ndarray, box_map: Make, explanation: Explain) -> None:
    def first_panel(count: int, name: str) -> np.ndarray:
        places = [(20 + 9 * n, 40 + 5 * n, 90 + 9 * n, 110 + 5 * n) for n in range(count)]
        boxes = [box_map(place, (240, 320), name=name, index=n) for n, place in enumerate(places)]
        sheet = draw_box_maps(explanation(picture, *boxes), layout='panels')
        assert max(sheet.shape) <= 2600
        return sheet[MARGIN + HEADER : MARGIN + HEADER + 240, MARGIN : MARGIN + 320]

    # Names stand on the first panel as long as there are few of them.
    assert (first_panel(3, 'dog') != first_panel(3, 'cat')).any()
    assert (first_panel(20, 'dog') == first_panel(20, 'cat')).all()


def test_masks_are_outlined_in_both_layouts(picture: np.ndarray, box_map: Make, explanation: Explain) -> None:
    box = box_map((40, 60, 160, 160), picture.shape[:2])
    box.mask = np.zeros(picture.shape[:2], bool)
    box.mask[80:140, 60:140] = True
    drawn = draw_box_maps(explanation(picture, box), alpha=0)
    assert tuple(drawn[80, 100]) == PALETTE[0]
    sheet = draw_box_maps(explanation(picture, box), layout='panels', alpha=0)
    assert tuple(sheet[MARGIN + HEADER + 80, MARGIN + 100]) == PALETTE[0]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'layout': 'mosaic'}, "layout 'mosaic'.*overlay, panels"),
        ({'colormap': 'turbi'}, "colour map 'turbi'.*turbo"),
        ({'alpha': 1.5}, '`alpha` must be .* not 1.5'),
    ],
)
def test_bad_options(options: dict, message: str, picture: np.ndarray, box_map: Make, explanation: Explain) -> None:
    for boxes in ([], [box_map((40, 60, 160, 160), picture.shape[:2])]):
        with pytest.raises(MmlensError, match=message):
            draw_box_maps(explanation(picture, *boxes), **options)
