"""One panel of a sheet, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from mmlens.rendering.colours import FRAME, PAPER, colormap_table
from mmlens.rendering.drawing import Place
from mmlens.rendering.panels import HEADER, LINE, ColourBar, Panel, body_height, draw_panel, with_detail_in_place

PICTURE = np.random.default_rng(0).integers(0, 255, (20, 60, 3)).astype(np.uint8)
WIDTH = 100
BAR = ColourBar('turbo')


def drawn(panel, width=WIDTH):
    cell = np.full((HEADER + body_height(panel, width), width, 3), PAPER, np.uint8)
    return cell, draw_panel(cell, panel)


def where(places, kind):
    return [place.rect for place in places if place.kind == kind]


def test_the_picture_lies_in_the_middle_below_the_header():
    cell, places = drawn(Panel(PICTURE, 'a title'))
    assert cell.shape == (HEADER + 20, WIDTH, 3)
    assert np.array_equal(cell[HEADER:, 20:80], PICTURE)
    assert (cell[HEADER:, :20] == PAPER).all() and (cell[HEADER:, 80:] == PAPER).all()
    assert (cell[:HEADER] != PAPER).any()
    assert where(places, 'title') == [(0, 0, WIDTH, HEADER)] and where(places, 'panel') == [
        (20, HEADER, 80, HEADER + 20)
    ]
    assert where(places, 'note') == []


def test_a_bar_shows_the_colours_from_low_to_high():
    panel = Panel(PICTURE, '', bar=BAR)
    cell, places = drawn(panel)
    table = colormap_table('turbo')
    row = cell[HEADER + 20 + 4 + 4, 20:80]
    assert np.array_equal(row[0], table[0]) and np.array_equal(row[-1], table[255])
    assert (cell[HEADER + 20 + 4, 20:80] == FRAME).all()
    assert where(places, 'note') == [(0, HEADER + 20, WIDTH, len(cell))]


def test_what_stands_below_takes_as_much_room_as_is_told():
    plain = body_height(Panel(PICTURE, ''), WIDTH)
    assert plain == 20
    noted = body_height(Panel(PICTURE, '', note='one'), WIDTH)
    assert noted == plain + LINE + 4
    long = body_height(Panel(PICTURE, '', note='many words that have no room in a single line'), WIDTH)
    assert (long - plain - 4) % LINE == 0 and long > noted
    assert body_height(Panel(PICTURE, '', bar=BAR, note='one'), WIDTH) > noted
    assert body_height(Panel(PICTURE, '', key=[('cat', (1, 2, 3))]), WIDTH) > plain


def test_a_chip_has_the_colour_of_what_is_shown():
    cell, _ = drawn(Panel(PICTURE, 'cat', colour=(10, 200, 30)))
    chip = (cell[:HEADER, :12] == (10, 200, 30)).all(2)
    assert chip.sum() == 100  # 10 x 10


def test_a_key_stands_between_picture_and_note():
    cell, _ = drawn(Panel(PICTURE, '', key=[('cat', (10, 200, 30))], note='below'))
    rows = np.flatnonzero((cell == (10, 200, 30)).all(2).any(1))
    assert rows.min() > HEADER + 20 and rows.max() < len(cell) - LINE


@pytest.mark.parametrize(
    ('title', 'detail', 'note', 'moved'),
    [
        ('cat', '0.93', '', False),
        ('a very long title of a panel', '0.93', '', True),
        ('a very long title of a panel', '0.93', 'blank', True),
        ('a very long title of a panel', '', 'blank', False),
    ],
)
def test_a_detail_without_room_goes_into_the_note(title, detail, note, moved):
    panel = Panel(PICTURE, title, detail, note=note)
    found = with_detail_in_place(panel, WIDTH)
    if moved:
        assert (found.detail, found.note) == ('', '; '.join(filter(None, [detail, note])))
    else:
        assert found is panel


def test_parts_of_the_picture_lie_where_the_picture_lies():
    panel = Panel(PICTURE, '', kind='overlay', item=3, places=(Place('box', (1, 2, 11, 12), 3),))
    _, places = drawn(panel)
    assert where(places, 'box') == [(21, HEADER + 2, 31, HEADER + 12)]
    assert where(places, 'overlay') == [(20, HEADER, 80, HEADER + 20)]
    assert {place.item for place in places} == {3}
