from __future__ import annotations

from dataclasses import replace
from typing import Callable

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.explain.box_results import _normalised, _normalised_part
from mmlens.models.geometry import Geometry
from mmlens.rendering import draw_box_maps
from mmlens.rendering.blend import blend_map, blend_signed
from mmlens.rendering.box_maps import drawing_of_boxes
from mmlens.rendering.colours import PALETTE
from mmlens.rendering.look import fourth_root
from mmlens.rendering.panels import HEADER
from mmlens.rendering.sheets import MARGIN
from mmlens.results.boxes import BoxExplanation, BoxMap
from mmlens.results.later import later

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
    assert (first[inside] == blend_map(picture, one.normalised, 'plasma', 0.5)[inside]).all()
    assert (second[inside] == picture[inside]).all()
    assert tuple(first[100, 40]) == PALETTE[0] and tuple(second[150, 200]) == PALETTE[1]
    assert tuple(plain[100, 40]) == PALETTE[0] and tuple(plain[150, 200]) == PALETTE[1]
    # The second box's line is on its own panel only.
    assert (first[96:204, 196:304] == blend_map(picture, one.normalised, 'plasma', 0.5)[96:204, 196:304]).all()


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
        ({'colormap': 'turbi', 'signed': True}, "colour map 'turbi'.*turbo"),
    ],
)
def test_bad_options(options: dict, message: str, picture: np.ndarray, box_map: Make, explanation: Explain) -> None:
    for boxes in ([], [box_map((40, 60, 160, 160), picture.shape[:2])]):
        with pytest.raises(MmlensError, match=message):
            draw_box_maps(explanation(picture, *boxes), **options)


INSIDE = np.s_[66:154, 46:154]


def contrasted(box: BoxMap, size: tuple, against: str = 'cat') -> BoxMap:
    """The box with a counter map that lies in its upper half."""
    box.against, box.counter = against, np.zeros(size, np.float32)
    box.counter[int(box.box[1]) : int(box.box[1:4:2].mean()), int(box.box[0]) : int(box.box[2])] = 1
    return box


def panels_of(drawing, picture: np.ndarray) -> list:
    """The picture of each panel of a sheet, row by row."""
    places = [place.rect for place in drawing.of_kind('picture', 'panel')]
    return [drawing.image[y1:y2, x1:x2] for x1, y1, x2, y2 in places]


def test_both_directions_stand_side_by_side(picture: np.ndarray, box_map: Make, explanation: Explain) -> None:
    size = picture.shape[:2]
    one = contrasted(box_map((40, 60, 160, 160), size), size)
    two = contrasted(box_map((200, 100, 300, 200), size, label=1, name='cow', index=1), size, 'horse or dog')
    drawing = drawing_of_boxes(explanation(picture, one, two), 'panels')
    plain, dog, cat, cow, _ = panels_of(drawing, picture)
    assert (plain[INSIDE] == picture[INSIDE]).all()
    assert (dog[INSIDE] == blend_map(picture, one.normalised, 'plasma', 0.5)[INSIDE]).all()
    assert (cat[INSIDE] == blend_map(picture, one.counter, 'plasma', 0.5)[INSIDE]).all()
    assert (cow[INSIDE] == picture[INSIDE]).all()
    assert [place.item for place in drawing.of_kind('panel')] == [0, 0, 1, 1]
    rows = [place.rect[1] for place in drawing.of_kind('panel')]
    assert rows[0] == rows[1] and rows[2] == rows[3]


def test_words_say_what_a_box_was_contrasted_with(
    picture: np.ndarray, box_map: Make, explanation: Explain, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, words = picture.shape[:2], []
    put_text = 'mmlens.rendering.{}.put_text'
    for module in ('panels', 'marks', 'key'):
        monkeypatch.setattr(put_text.format(module), lambda image, text, *args, **options: words.append(text))
    found = explanation(picture, contrasted(box_map((40, 60, 160, 160), size), size), fusion='product')
    draw_box_maps(found)
    assert words == ['dog 0.86, not cat']
    words.clear()
    draw_box_maps(found, 'panels')
    assert {'dog 0.86, not cat', 'cat, not dog', '0.0625'} <= set(words) and '0.5' not in words
    words.clear()
    draw_box_maps(found, 'panels', signed=True)
    assert 'cat, not dog' not in words and {'for cat', 'for dog', '-1', '-0.0625', '0', '0.0625', '1'} <= set(words)
    words.clear()
    found[0].against = ''
    draw_box_maps(found, 'panels')
    assert {'dog 0.86', 'what speaks against dog'} <= set(words)


def test_maps_of_a_product_follow_their_root(picture: np.ndarray, box_map: Make, explanation: Explain) -> None:
    box = box_map((40, 60, 160, 160), picture.shape[:2])
    expected = blend_map(picture, fourth_root(box.normalised), 'jet', 0.6)[INSIDE]
    drawing = drawing_of_boxes(explanation(picture, box, fusion='product'), colormap='jet', alpha=0.6)
    x, y = drawing.main.rect[:2]
    assert (drawing.image[y:, x:][INSIDE] == expected).all()
    sheet = drawing_of_boxes(explanation(picture, box, fusion='product'), 'panels', 'jet', 0.6)
    assert (panels_of(sheet, picture)[1][INSIDE] == expected).all()
    before = draw_box_maps(explanation(picture, box, fusion='sum'), colormap='jet', alpha=0.6)
    assert (before[INSIDE] == blend_map(picture, box.normalised, 'jet', 0.6)[INSIDE]).all()


@pytest.mark.parametrize('fusion', ['sum', 'product'])
def test_signed_maps_show_both_directions_at_once(
    fusion: str, picture: np.ndarray, box_map: Make, explanation: Explain
) -> None:
    size = picture.shape[:2]
    one = contrasted(box_map((40, 60, 160, 160), size), size)
    two = contrasted(box_map((200, 100, 300, 200), size, index=1), size)
    found = explanation(picture, one, two, fusion=fusion)

    def laid(*boxes: BoxMap) -> np.ndarray:
        values = np.sum([box.normalised - box.counter for box in boxes], 0)  # they lie apart
        shown = fourth_root(values) if fusion == 'product' else values
        return blend_signed(picture, shown, 'blue-red', 0.7)

    overlay = drawing_of_boxes(found, alpha=0.7, signed=True)
    x, y = overlay.main.rect[:2]
    on_picture = overlay.image[y:, x:]
    for inside in (INSIDE, np.s_[106:194, 206:294]):
        assert (on_picture[inside] == laid(one, two)[inside]).all()
    plain, first, second = panels_of(drawing_of_boxes(found, 'panels', alpha=0.7, signed=True), picture)
    assert (first[INSIDE] == laid(one)[INSIDE]).all() and (second[INSIDE] == picture[INSIDE]).all()


def test_blank_directions_say_so(picture: np.ndarray, box_map: Make, explanation: Explain) -> None:
    size = picture.shape[:2]
    blank = contrasted(box_map((40, 60, 160, 160), size, blank='only class'), size)
    kinds = drawing_of_boxes(explanation(picture, blank), 'panels').of_kind('panel', 'note')
    assert [place.kind for place in kinds] == ['panel', 'note', 'panel', 'note']  # the reason, and a colour bar
    blank.counter[:] = 0
    assert len(drawing_of_boxes(explanation(picture, blank), 'panels').of_kind('panel')) == 1
    clear = contrasted(box_map((40, 60, 160, 160), size), size)
    clear.counter[:] = 0
    counter = drawing_of_boxes(explanation(picture, clear), 'panels').of_kind('panel')[1]
    assert counter.item == 0
    draw_box_maps(explanation(picture, blank), 'panels', signed=True)


def test_signed_needs_both_directions(picture: np.ndarray, box_map: Make, explanation: Explain) -> None:
    with pytest.raises(MmlensError, match=r'ask `explain_boxes\(\)` for `signed`'):
        draw_box_maps(explanation(picture, box_map((40, 60, 160, 160), picture.shape[:2])), signed=True)
    assert draw_box_maps(explanation(picture), signed=True).shape[0] > picture.shape[0]  # nothing was found


def test_the_panel_of_a_given_box_tells_its_candidate(picture, box_map, explanation):
    from dataclasses import replace

    from mmlens.rendering.box_maps import _which

    box = box_map((60, 80, 200, 180), picture.shape[:2], index=-1)
    assert _which(replace(box, index=3)) == 'instance 3' and _which(box) == 'not detected'
    given = replace(box, candidate=np.array([70, 90, 290, 230], np.float32), overlap=0.456, rank=7)
    assert _which(given) == 'not detected · candidate rank 7, IoU 0.46'
    plain, dashed = (draw_box_maps(explanation(picture, one)) for one in (box, given))
    changed = (plain != dashed).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert changed.any() and rows.max() <= 235 and columns.max() <= 295 and columns.min() >= 65
    assert (draw_box_maps(explanation(picture, given), layout='panels').shape[2]) == 3


def test_parts_of_maps_are_drawn_as_the_maps_are(picture: np.ndarray, explanation: Explain) -> None:
    """Maps that are made when they are looked at, on the grid of an input half as large, and the same as arrays."""
    height, width = picture.shape[:2]
    geometry = Geometry(np.diag([0.5, 0.5, 1]), (height, width), (height // 2, width // 2))
    boxes, plain = [], []
    for n, (top, left, side) in enumerate(((10, 20, 30), (30, 40, 40), (0, 0, 9))):
        values = np.zeros(geometry.input_size, np.float32)
        values[top : top + side, left : left + side] = np.random.default_rng(n).random((side, side))
        edges = np.array([left, top, left + side, top + side], np.float32) * 2
        normalised = later(_normalised, geometry, values, None, part=_normalised_part)
        boxes.append(BoxMap(n, edges, n, 'dog', 0.9, normalised, normalised))
        plain.append(replace(boxes[-1], raw=boxes[-1].raw.copy(), normalised=boxes[-1].normalised.copy()))
    for fusion in ('sum', 'product'):
        parts, wholes = explanation(picture, *boxes), explanation(picture, *plain)
        parts.fusion = wholes.fusion = fusion
        assert (draw_box_maps(parts) == draw_box_maps(wholes)).all()
        assert (draw_box_maps(parts) != picture).any()
