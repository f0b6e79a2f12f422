from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmlens.rendering.colours import INK, PALETTE, PAPER
from mmlens.rendering.marks import Mark, draw_marks, draw_within, drawing_of_marks, font_size


def has_colour(pixels: np.ndarray, colour: tuple) -> bool:
    return bool((pixels == colour).all(axis=-1).any())


def test_line_with_halo_lies_on_the_boxs_edge_and_nothing_inside(picture: np.ndarray) -> None:
    before = picture.copy()
    drawn = draw_marks(picture, [Mark(np.array([60.2, 80, 200, 180]), PALETTE[0], 'dog 0.86')])
    assert drawn.shape == picture.shape
    assert (picture == before).all()
    for y, x in ((80, 120), (180, 120), (120, 60), (120, 200)):
        assert tuple(drawn[y, x]) == PALETTE[0]
    assert has_colour(drawn[76:80, 120:121], INK)
    assert (drawn[84:177, 64:197] == picture[84:177, 64:197]).all()
    # The label stands above: the tag's colour and letters.
    assert has_colour(drawn[60:76, 60:120], PALETTE[0]) and has_colour(drawn[60:76, 60:120], INK)


def test_box_at_the_edge_of_the_picture_is_wholly_visible(picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    drawn = draw_marks(picture, [Mark(np.array([0, 0, width, height]), PALETTE[0])])
    for strip in (drawn[:4], drawn[-4:], drawn[:, :4], drawn[:, -4:]):
        assert has_colour(strip, PALETTE[0])


def test_label_of_a_full_box_stands_in_a_white_strip(picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    drawn = draw_marks(picture, [Mark(np.array([0, 0, width, height]), PALETTE[0], 'dog 0.86')])
    grown = drawn.shape[0] - height
    assert grown > 0 and drawn.shape[1] == width
    assert tuple(drawn[0, -1]) == PAPER
    assert (drawn[grown + 5 : -5, 5:-5] == picture[5:-5, 5:-5]).all()


def test_a_label_that_stands_off_has_a_leader(picture: np.ndarray) -> None:
    heat = np.ones(picture.shape[:2])
    box = np.array([100, 80, 200, 180])
    drawn = draw_marks(picture, [Mark(box, PALETTE[0], 'dog', heat=heat)])
    # The strip is below the picture, the nearer side; nothing but the leader is between it and the box.
    between = drawn[185 : picture.shape[0]]
    assert drawn.shape[0] > picture.shape[0]
    assert (between == PALETTE[0]).all(axis=-1).any(axis=1).all()


def test_first_mark_is_on_top(picture: np.ndarray) -> None:
    box = np.array([60, 80, 200, 180])
    drawn = draw_marks(picture, [Mark(box, PALETTE[0]), Mark(box, PALETTE[1])])
    assert tuple(drawn[80, 120]) == PALETTE[0]
    assert not has_colour(drawn, PALETTE[1])


def test_outline_of_a_mask(picture: np.ndarray) -> None:
    mask = np.zeros(picture.shape[:2], bool)
    mask[100:160, 80:160] = True
    drawn = draw_marks(picture, [Mark(np.array([60, 80, 200, 180]), PALETTE[0], mask=mask)])
    assert tuple(drawn[100, 120]) == PALETTE[0]
    assert (drawn[110:150, 90:150] == picture[110:150, 90:150]).all()


@pytest.mark.parametrize('size', [(48, 64), (240, 320), (700, 200)])
def test_draw_within_keeps_the_size(size: tuple) -> None:
    picture = np.full((*size, 3), 100, np.uint8)
    mask = np.ones(size, bool)
    marks = [Mark(np.array([0, 0, size[1], size[0]]), PALETTE[n], f'thing {n}', mask=mask) for n in range(4)]
    assert draw_within(picture, marks).shape == picture.shape


def test_letters_grow_with_the_picture_and_are_never_unreadable() -> None:
    sizes = [font_size(np.empty((h, w, 3), np.uint8)) for h, w in ((48, 64), (576, 768), (3024, 4032))]
    assert sizes[0] >= 8
    assert sizes == sorted(sizes)
    assert sizes[2] >= 40
    assert font_size(np.empty((576, 768, 3), np.uint8), count=30) < sizes[1]


def test_a_label_that_stands_off_a_rotated_box_is_joined_to_it() -> None:
    """The box around the diagonal is far larger: its label's corner is not where the diagonal lies."""
    picture = np.full((300, 400, 3), 100, np.uint8)
    diagonal = np.array([[100, 240], [290, 50], [300, 60], [110, 250]], np.float32)
    mark = Mark(np.array([100, 50, 300, 250]), PALETTE[0], 'ship', polygon=diagonal)
    with_label, without = draw_marks(picture, [mark]), draw_marks(picture, [replace(mark, text='')])
    (tag,) = drawing_of_marks(picture, [mark]).of_kind('label')
    added = (with_label != without).any(axis=2)
    added[tag.rect[1] : tag.rect[3], tag.rect[0] : tag.rect[2]] = False
    rows, columns = np.nonzero(added)
    assert len(rows) > 20
    # The leader ends at the diagonal: x + y is 340 to 360 on it.
    assert np.abs(rows + columns - 350).min() <= 14


def test_a_box_beside_another_is_dashed(picture: np.ndarray) -> None:
    beside = np.array([100, 90, 280, 220])
    drawn = draw_marks(picture, [Mark(np.array([60, 80, 90, 180]), PALETTE[0], beside=beside)])
    top = (drawn[90, 100:280] == PALETTE[0]).all(axis=-1)
    changes = int((np.diff(top.astype(int)) != 0).sum())
    assert 0.4 < top.mean() < 0.75 and changes >= 6  # dashes and gaps
    assert has_colour(drawn[86:90, 100:140], INK)
    assert (drawn[96:214, 106:274] == picture[96:214, 106:274]).all()
    for rows, columns in ((slice(219, 222), slice(100, 281)), (slice(90, 220), slice(99, 102))):
        assert has_colour(drawn[rows, columns], PALETTE[0])


def test_a_box_beside_another_may_lie_anywhere(picture: np.ndarray) -> None:
    box = np.array([60, 80, 90, 180])
    for beside in ([-1e9, -1e9, 1e9, 1e9], [5, 5, 5, 5]):
        assert draw_marks(picture, [Mark(box, PALETTE[0], beside=np.array(beside))]).shape == picture.shape
    small = draw_within(picture, [Mark(box, PALETTE[0], 'a' * 90, beside=np.array([100, 90, 280, 220]))])
    assert has_colour(small[:, 100:], PALETTE[0])


def test_an_own_picture_is_drawn_on_and_no_other_is(picture: np.ndarray) -> None:
    marks, before = [Mark(np.array([60.2, 80, 200, 180]), PALETTE[0], 'dog 0.86')], picture.copy()
    drawn = drawing_of_marks(picture, marks).image
    assert (picture == before).all() and drawn is not picture
    own = picture.copy()
    assert drawing_of_marks(own, marks, own=True).image is own
    assert (own == drawn).all()
