from __future__ import annotations

from typing import Tuple

import numpy as np
import pytest

from mmlens.rendering.colours import PAPER, colormap_table
from mmlens.rendering.panels import HEADER, ColourBar, Panel
from mmlens.rendering.sheets import (
    MARGIN,
    columns_of_groups,
    compose,
    fit_canvas,
    grid_columns,
    panel_size,
    resize,
    side_by_side,
    with_note,
)


@pytest.mark.parametrize(('columns', 'size'), [(1, (1, 3)), (2, (2, 2)), (3, (3, 1))])
def test_the_number_of_columns_can_be_given(picture: np.ndarray, columns: int, size: Tuple[int, int]) -> None:
    height, width = picture.shape[:2]
    sheet = compose([Panel(picture, 'one')] * 3, columns).image
    assert sheet.shape == (
        MARGIN + size[1] * (HEADER + height + MARGIN),
        MARGIN + size[0] * (width + MARGIN),
        3,
    )


def test_pictures_lie_unchanged_in_their_cells(picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    sheet = compose([Panel(picture, 'one'), Panel(picture + 1, 'two')]).image
    assert sheet.shape == (2 * MARGIN + HEADER + height, 3 * MARGIN + 2 * width, 3)
    y = MARGIN + HEADER
    assert (sheet[y : y + height, MARGIN : MARGIN + width] == picture).all()
    assert (sheet[y : y + height, 2 * MARGIN + width : -MARGIN] == picture + 1).all()
    assert (sheet[MARGIN:y] < 255).any()
    assert (sheet[:MARGIN] == PAPER).all()


def test_colour_bar_runs_from_low_to_high(picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    sheet = compose([Panel(picture, 'one', bar=ColourBar('turbo'))]).image
    row = sheet[MARGIN + HEADER + height + 4 + 4, MARGIN : MARGIN + width]
    assert tuple(row[0]) == tuple(colormap_table('turbo')[0])
    assert tuple(row[-1]) == tuple(colormap_table('turbo')[255])


def test_a_note_is_wrapped_below_the_picture(picture: np.ndarray) -> None:
    long = 'no gradient reaches the layer; try another layer, or the target box ' * 3
    plain, noted = (compose([Panel(picture, 'one', note=note)]).image for note in ('', long))
    assert noted.shape[1] == plain.shape[1]
    below = noted[MARGIN + HEADER + picture.shape[0] :]
    assert below.shape[0] > 3 * 17
    assert (below < 255).any()


def test_a_detail_that_a_long_title_leaves_no_room_for_stands_below(picture: np.ndarray) -> None:
    short = compose([Panel(picture, 'neck', detail='48 × 6 × 6')]).image
    long = compose([Panel(picture, 'backbone.stage1[1].blocks[0].conv1', detail='channel 2 of 48 × 6 × 6')]).image
    assert short.shape[0] == 2 * MARGIN + HEADER + picture.shape[0]
    below = long[MARGIN + HEADER + picture.shape[0] : -MARGIN]
    assert below.shape[0] > 12
    assert (below < 255).any()


def test_a_row_is_as_high_as_its_highest_cell(picture: np.ndarray) -> None:
    panels = [Panel(picture, 'a'), Panel(picture, 'b'), Panel(picture[:40], 'c'), Panel(picture[:40], 'd')]
    sheet = compose(panels).image
    assert sheet.shape[0] == 3 * MARGIN + 2 * HEADER + picture.shape[0] + 40


@pytest.mark.parametrize(
    ('count', 'size', 'expected'), [(1, (640, 480), 1), (4, (640, 480), 2), (3, (320, 576), 3), (2, (640, 300), 1)]
)
def test_grid_is_roughly_landscape(count: int, size: tuple, expected: int) -> None:
    assert grid_columns(count, *size) == expected


@pytest.mark.parametrize('count', [1, 2, 4, 9, 31, 101])
@pytest.mark.parametrize('size', [(3024, 4032), (4032, 3024), (48, 64), (100, 1600)])
def test_sheets_stay_reasonable(size: tuple, count: int) -> None:
    width, height = panel_size(np.empty((*size, 3), np.uint8), count)
    assert 240 <= max(width, height) <= 640
    assert abs(width / height - size[1] / size[0]) < 0.1 * size[1] / size[0]
    if count <= 31:
        columns = grid_columns(count, width + MARGIN, height + HEADER + MARGIN)
        assert columns * width <= 2600


def test_side_by_side_scales_to_the_lowest(picture: np.ndarray) -> None:
    large = np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)
    sheet = side_by_side([picture, large], ['left', 'right'])
    height, width = picture.shape[:2]
    assert sheet.shape == (2 * MARGIN + HEADER + height, 3 * MARGIN + 2 * width, 3)
    left, right = sheet[-MARGIN - height : -MARGIN, MARGIN : MARGIN + width], sheet[-MARGIN - height : -MARGIN]
    assert (left == picture).all()
    assert (right[:, 2 * MARGIN + width : -MARGIN] == picture).all()
    with pytest.raises(ValueError, match='one title'):
        side_by_side([picture], [])


def test_note_stands_below_the_picture(picture: np.ndarray) -> None:
    noted = with_note(picture, 'no detection above the score threshold', 14).image
    assert (noted[: picture.shape[0], : picture.shape[1]] == picture).all()
    assert (noted[picture.shape[0] :] < 128).any()
    tiny = with_note(picture[:48, :64], 'no detection above the score threshold', 9).image
    assert (tiny[:48, :64] == picture[:48, :64]).all()
    assert tiny.shape[1] == 72


def test_fit_canvas_neither_stretches_nor_cuts(picture: np.ndarray) -> None:
    white = np.full((100, 50, 3), 10, np.uint8)
    fitted = fit_canvas(white, (200, 200))
    assert fitted.shape == (200, 200, 3)
    assert (fitted[:, 50:150] == 10).all()
    assert (fitted[:, :50] == 255).all() and (fitted[:, 150:] == 255).all()
    kept = fit_canvas(white, (200, 200), enlarge=False)
    assert (kept == 10).all(axis=-1).sum() == 100 * 50
    assert (fit_canvas(picture, (320, 240)) == picture).all()


def test_resize_keeps_places() -> None:
    # A bump stays at its share of the width and height, whichever way the size goes.
    y, x = np.mgrid[:40, :60] + 0.5
    heat = np.exp(-((x - 42.5) ** 2 + (y - 13) ** 2) / 20).astype(np.float32)
    for width, height in ((120, 80), (30, 20), (90, 60)):
        scaled = resize(heat, (width, height))
        ys, xs = np.mgrid[:height, :width] + 0.5
        centre = (scaled * xs).sum() / scaled.sum() / width, (scaled * ys).sum() / scaled.sum() / height
        assert centre == pytest.approx((42.5 / 60, 13 / 40), abs=0.001)
    assert resize(heat, (60, 40)) is not heat


@pytest.mark.parametrize(('groups', 'each'), [(1, 2), (2, 2), (5, 2), (9, 2), (7, 3)])
def test_groups_of_panels_stand_side_by_side_in_one_row(picture: np.ndarray, groups: int, each: int) -> None:
    members = [Panel(picture, f'{group}') for group in range(groups) for _ in range(each)]
    panels = [Panel(picture, 'plain'), *members]
    columns = columns_of_groups(panels, each)
    assert (columns - 1) % each == 0 and panels[0].title == 'plain'
    assert [panel for panel in panels[1:] if panel] == members
    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    assert all(row[0] is None for row in rows[1:])
    for row in rows:
        titles = [panel.title for panel in row[1:] if panel]
        assert titles == [title for title in dict.fromkeys(titles) for _ in range(each)]
