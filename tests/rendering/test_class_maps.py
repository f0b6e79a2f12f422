"""Class maps over their picture."""

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.rendering.class_maps import _columns_of_pairs, _panels, combine_guided, draw_class_maps
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


def test_an_overlay_is_the_picture_with_its_border_dimmed():
    drawn = draw_class_maps(explanation())
    assert drawn.shape == (20, 40, 3)
    assert (drawn[:, :10] == 80).all() and (drawn[:, 30:] == 80).all()
    changed = (drawn[:, 10:30] != 200).any(2)
    assert np.argwhere(changed).tolist() == [[5, 2]]


def test_the_input_is_what_the_crop_leaves():
    drawn = draw_class_maps(explanation(), on='input')
    assert drawn.shape == (20, 20, 3)
    assert np.argwhere((drawn != 200).any(2)).tolist() == [[5, 2]]


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
    panels = _panels(found, found.picture, 'picture', 'turbo', 0.5)
    columns = _columns_of_pairs(panels)
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
