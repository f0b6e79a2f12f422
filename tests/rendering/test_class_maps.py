"""Class maps over their picture."""

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.rendering.blend import blend_map, blend_signed
from mmlens.rendering.class_maps import _panels, combine_guided, draw_class_maps, drawing_of_classes
from mmlens.rendering.colours import colormap_table
from mmlens.rendering.look import Look, fourth_root
from mmlens.rendering.sheets import columns_of_groups
from mmlens.results.classes import ClassExplanation, ClassMap


def explanation(count=1, blank=None, guided=None):
    """A grey picture 20 x 40 of which the network sees the middle 20 x 20; each map peaks at one pixel."""
    picture = np.full((20, 40, 3), 200, np.uint8)
    covered = np.zeros((20, 40), bool)
    covered[:, 10:30] = True
    classes = []
    for n in range(count):
        heat = np.zeros((20, 40), np.float32)
        if not blank:
            heat[5, 12 + n] = 1
        classes.append(ClassMap(n, f'class {n}', 0.5, 1.0, n, heat, heat, blank, guided))
    to_input = np.array([[1.0, 0, -10], [0, 1, 0], [0, 0, 1]])
    return ClassExplanation(picture, classes, covered, to_input, (20, 20), ('backbone.norm',), 'gradcam')


def drawn_over(found, **options):
    """An overlay without the strip below it."""
    drawing = drawing_of_classes(found, **options)
    x1, y1, x2, y2 = drawing.main.rect
    return drawing.image[y1:y2, x1:x2]


def test_an_overlay_is_the_picture_with_its_border_dimmed():
    drawn = drawn_over(explanation())
    assert drawn.shape == (20, 40, 3)
    assert (drawn[:, :10] == 80).all() and (drawn[:, 30:] == 80).all()
    changed = (drawn[:, 10:30] != 200).any(2)
    assert np.argwhere(changed).tolist() == [[5, 2]]


def test_the_input_is_what_the_crop_leaves():
    drawn = drawn_over(explanation(), on='input')
    assert drawn.shape == (20, 20, 3)
    assert np.argwhere((drawn != 200).any(2)).tolist() == [[5, 2]]


@pytest.mark.parametrize('size', [(90, 120), (900, 1200)])
def test_below_an_overlay_stand_name_score_and_a_colour_bar(size):
    found = explanation()
    found.picture, found.covered = np.full((*size, 3), 200, np.uint8), np.ones(size, bool)
    found[0].normalised = np.zeros(size, np.float32)
    drawing = drawing_of_classes(found)
    (note,) = drawing.of_kind('note')
    x1, y1, x2, y2 = note.rect
    strip = drawing.image[y1:y2, x1:x2].astype(int)
    assert (note.item, y1) == (0, size[0]) and len(strip) < size[0]
    first, last = (colormap_table('plasma')[index].astype(int) for index in (0, 255))
    ends = [np.argwhere((strip == colour).all(2)) for colour in (first, last)]
    (top, left), (bottom, right) = ends[0].min(0), ends[1].max(0)
    assert left < 0.1 * size[1] and right > 0.9 * size[1] and bottom - top >= 3
    assert (strip[:top] < 100).all(2).any()  # words above the bar
    assert (strip[bottom + 1 :] < 150).all(2).any() and (strip[-1] == 255).all()  # values below it, not cut off


def test_what_an_overlay_says(monkeypatch):
    written = []
    monkeypatch.setattr('mmlens.rendering.sheets.put_text', lambda canvas, text, *rest: written.append(text))
    found = contrasted()
    found.picture, found.covered = np.zeros((200, 900, 3), np.uint8), np.ones((200, 900), bool)
    for each in found:
        each.normalised = each.counter = np.zeros((200, 900), np.float32)
    draw_class_maps(found, layout='overlay')
    draw_class_maps(found, layout='overlay', signed=True)
    assert written == ['class 0 0.50, not bee', 'class 0 0.50, not bee (-1 for bee, 1 for class 0)']


def test_several_classes_make_a_sheet_with_a_panel_each():
    one, three = draw_class_maps(explanation(1), layout='sheet'), draw_class_maps(explanation(3))
    assert three.size > one.size
    assert (three[:4] == 255).all()


def test_a_blank_map_says_why_below_the_picture():
    drawn = draw_class_maps(explanation(blank='no gradient'))
    assert drawn.shape[0] > 20 and drawn.shape[1] >= 40


def test_guided_gradients_are_grey_where_there_is_no_evidence():
    guided = np.random.default_rng(0).normal(size=(20, 40, 3)).astype(np.float32)
    found = explanation(guided=guided)
    grey = combine_guided(found[0])
    assert grey.shape == (20, 40, 3)
    assert len(np.unique(grey[found[0].normalised == 0])) == 1
    with pytest.raises(MmlensError, match='guided_backprop'):
        combine_guided(explanation()[0])


def test_faint_gradients_are_as_clear_as_strong_ones():
    guided = np.random.default_rng(0).normal(size=(20, 40, 3)).astype(np.float32)
    heat = np.random.default_rng(1).random((20, 40)).astype(np.float32)
    strong, faint = (ClassMap(0, 'a', 0.5, 1.0, 0, heat, heat, None, guided * size) for size in (1, 1e-9))
    np.testing.assert_allclose(combine_guided(faint).astype(int), combine_guided(strong), atol=1)
    assert np.ptp(combine_guided(faint)) > 100
    nothing = ClassMap(0, 'a', 0.5, 1.0, 0, heat, heat, None, guided * 0)
    assert (combine_guided(nothing) == 127).all()


def test_what_is_cropped_away_does_not_count_for_the_contrast():
    """By hand: of a picture whose covered part holds 1 and 3, the mean is 2 and the spread 1."""
    guided = np.zeros((2, 4, 3), np.float32)
    guided[:, 1], guided[:, 2] = 1, 3
    covered = np.zeros((2, 4), bool)
    covered[:, 1:3] = True
    each = ClassMap(0, 'a', 0.5, 1.0, 0, guided[..., 0], np.ones((2, 4), np.float32), None, guided)
    drawn = combine_guided(each, covered)
    assert drawn[0, 1:3, 0].tolist() == [int(0.4 * 255), int(0.6 * 255)]
    assert drawn[0, 0, 0] == int(0.3 * 255)


@pytest.mark.parametrize('count', [1, 2, 3, 5, 8])
def test_a_class_and_its_guided_panel_stand_in_one_row(count):
    guided = np.random.default_rng(0).normal(size=(20, 40, 3)).astype(np.float32)
    found = explanation(count, guided=guided)
    found.classes[0].blank = 'no gradient' if count > 2 else None  # it has no guided panel
    panels = _panels(found, found.picture, 'picture', Look.of('', 'turbo', 0.5))
    columns = columns_of_groups(panels, 2)
    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    assert columns % 2 == 1 and [row[0] is not None for row in rows] == [True] + [False] * (len(rows) - 1)
    pairs = [pair for row in rows for pair in zip(row[1::2], row[2::2])]
    assert [pair[0].title for pair in pairs] == [f'class {n} 0.50' for n in range(count)]
    assert [pair[1].title if pair[1] else None for pair in pairs] == [
        None if each.blank else f'class {n} 0.50' for n, each in enumerate(found)
    ]
    assert draw_class_maps(found).shape[1] > 300 * columns


@pytest.mark.parametrize('options', [dict(layout='panels'), dict(on='screen'), dict(colormap='turbot'), dict(alpha=2)])
def test_unknown_options_are_refused(options):
    with pytest.raises(MmlensError):
        draw_class_maps(explanation(), **options)


def contrasted(number=1, against=['bee', 'honey bee'][0]):
    """Classes whose counter maps peak at another pixel."""
    found = explanation(number)
    for each in found:
        each.against, each.counter = against, np.zeros((20, 40), np.float32)
        each.counter[15, 20] = 1
    return found


@pytest.mark.parametrize('number', [1, 3])
def test_what_speaks_for_the_other_class_stands_beside_each(number):
    found = contrasted(number)
    panels = _panels(found, found.picture, 'picture', Look.of('', None, None))
    assert [panel.title for panel in panels[1::2]] == [f'class {n} 0.50, not bee' for n in range(number)]
    assert [panel.title for panel in panels[2::2]] == [f'bee, not class {n}' for n in range(number)]
    enlarged = [np.argwhere((panel.picture != 200).any(2)).mean(0) for panel in panels[1:3]]
    # 16 times as large: one at the pixel (5, 12), the other at (15, 20)
    np.testing.assert_allclose(enlarged, [[16 * 0 + 44, 100], [124, 164]], atol=5)
    drawing = drawing_of_classes(found)  # a sheet without being asked for, so that both are seen
    assert [place.item for place in drawing.of_kind('panel')] == [n for n in range(number) for _ in range(2)]


def test_with_guided_gradients_a_class_has_three_panels():
    found = contrasted(4)
    for each in found:
        each.guided = np.random.default_rng(0).normal(size=(20, 40, 3)).astype(np.float32)
    panels = _panels(found, found.picture, 'picture', Look.of('', None, None))
    assert [panel.detail for panel in panels[3::3]] == ['guided backprop × map'] * 4
    assert len(drawing_of_classes(found).of_kind('panel')) == 12


def test_both_directions_in_one_map():
    found = contrasted()
    drawn = drawn_over(found, layout='overlay', signed=True, alpha=0.8)
    values = found[0].normalised - found[0].counter
    inside = np.s_[:, 10:30]
    assert (drawn[inside] == blend_signed(found.picture, values, 'blue-red', 0.8)[inside]).all()
    (red, blue) = (drawn[5, 12].astype(int), drawn[15, 20].astype(int))
    assert red[2] > red[0] and blue[0] > blue[2]
    (panel,) = drawing_of_classes(found, signed=True).of_kind('panel')
    assert panel.item == 0
    with pytest.raises(MmlensError, match=r'ask `explain_classes\(\)` for `signed`'):
        draw_class_maps(explanation(), signed=True)


def test_maps_of_a_product_follow_their_root():
    found = explanation()
    found[0].normalised[10, 20] = 0.25
    found.fusion = 'product'
    drawn = drawn_over(found, colormap='jet', alpha=0.6)
    inside = np.s_[:, 10:30]
    assert (drawn[inside] == blend_map(found.picture, fourth_root(found[0].normalised), 'jet', 0.6)[inside]).all()
    assert _panels(found, found.picture, 'picture', Look.of('product', None, None))[1].bar.ticks == ('0', '0.0625', '1')


def test_a_class_whose_counter_map_is_empty_says_so():
    found = contrasted()
    found[0].counter[:] = 0
    panels = _panels(found, found.picture, 'picture', Look.of('', None, None))
    assert panels[2].note == 'nothing at these layers does' and panels[2].bar is None
    found[0].blank = 'it is the only class'
    assert _panels(found, found.picture, 'picture', Look.of('', None, None))[2] is None
