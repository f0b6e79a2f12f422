"""One panel of a sheet: a picture below its header, with room for what explains it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List, Optional, Sequence, Tuple

import numpy as np

from .colours import FRAME, GREY, INK, Colour, colormap_table
from .drawing import Item, Place, moved, rect_at
from .key import KeyEntry, key_height, key_strip
from .text import put_text, shorten, text_size, wrap

HEADER = 28
TITLE, _DETAIL, _NOTE = 15, 12, 12
LINE = 17
_BAR = 9


@dataclass(frozen=True)
class ColourBar:
    """A colour map's key: the colours from low to high, with the values they stand for.

    Attributes:
        colormap: See :func:`~mmlens.rendering.colours.colormap_table`.
        ticks: Texts, evenly spread from the lowest to the highest value.
    """

    colormap: str
    ticks: Tuple[str, ...] = ('0', '0.5', '1')


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet with its words, all outside the picture.

    Attributes:
        picture: Shape (h, w, 3), uint8, BGR.
        title: Written in the header, left.
        detail: Written in the header, right, in grey; below the picture where a long title leaves no room.
        colour: A chip of this colour before the title.
        bar: A colour bar below the picture.
        key: What colours in the picture stand for, below it.
        note: Text below the picture, wrapped.
        kind, item: What the picture shows: see :class:`~mmlens.rendering.drawing.Place`.
        places: Parts of the picture, in its own pixels.
    """

    picture: np.ndarray
    title: str
    detail: str = ''
    colour: Optional[Colour] = None
    bar: Optional[ColourBar] = None
    key: Sequence[KeyEntry] = ()
    note: str = ''
    kind: str = 'panel'
    item: Optional[Item] = None
    places: Tuple[Place, ...] = ()


def body_height(panel: Panel, width: int) -> int:
    """Pixels that a panel of this width takes below its header."""
    return panel.picture.shape[0] + _foot_height(panel, width)


def _foot_height(panel: Panel, width: int) -> int:
    bar = _BAR + 4 + LINE if panel.bar else 0
    key = key_height(panel.key, width) + 4 if panel.key else 0
    lines = len(wrap(panel.note, _NOTE, width)) if panel.note else 0
    return bar + key + (lines * LINE + 4 if lines else 0)


def with_detail_in_place(panel: Panel, width: int) -> Panel:
    """The panel, with its detail in the note if a long title leaves no room for it in the header."""
    chip = 18 if panel.colour is not None else 0
    title_width, detail_width = text_size(panel.title, TITLE, bold=True)[0], text_size(panel.detail, _DETAIL)[0]
    if not panel.detail or chip + title_width + 12 + detail_width <= width:
        return panel
    return replace(panel, detail='', note='; '.join(filter(None, [panel.detail, panel.note])))


def draw_panel(cell: np.ndarray, panel: Panel) -> List[Place]:
    """Draw header, picture and foot of a panel into its cell, in place; what lies where in the cell."""
    width, shown = cell.shape[1], panel.picture
    x = (width - shown.shape[1]) // 2
    _draw_header(cell[:HEADER], panel)
    cell[HEADER : HEADER + shown.shape[0], x : x + shown.shape[1]] = shown
    end = HEADER + shown.shape[0]
    y = end + 4
    if panel.bar:
        draw_bar(cell[y : y + _BAR + LINE, x : x + shown.shape[1]], panel.bar)
        y += _BAR + LINE
    if panel.key:
        strip = key_strip(panel.key, width)
        cell[y : y + len(strip)] = strip
        y += len(strip) + 4
    for row, line in enumerate(wrap(panel.note, _NOTE, width)):
        put_text(cell, line, (0, y + row * LINE), _NOTE, INK)
    places = [Place('title', (0, 0, width, HEADER), panel.item)]
    places += [Place(panel.kind, rect_at(x, HEADER, shown), panel.item), *moved(panel.places, x, HEADER)]
    foot = _foot_height(panel, width)
    return places + ([Place('note', (0, end, width, end + foot), panel.item)] if foot else [])


def _draw_header(header: np.ndarray, panel: Panel) -> None:
    x, width = 0, header.shape[1]
    baseline = (HEADER - 4 - text_size('', TITLE)[1]) // 2
    if panel.colour is not None:
        header[baseline + 3 : baseline + 15, :12] = INK
        header[baseline + 4 : baseline + 14, 1:11] = panel.colour
        x = 18
    title = shorten(panel.title, TITLE, width - x, bold=True)
    put_text(header, title, (x, baseline), TITLE, INK, bold=True)
    if panel.detail:
        detail_width = text_size(panel.detail, _DETAIL)[0]
        put_text(header, panel.detail, (width - detail_width, baseline + 3), _DETAIL, GREY)


def draw_bar(strip: np.ndarray, bar: ColourBar, height: int = _BAR, font: int = _NOTE) -> None:
    """Draw a colour bar across a strip (h, w, 3), in place, with its ticks in letters of a height below it."""
    width = strip.shape[1]
    strip[:height] = colormap_table(bar.colormap)[np.linspace(0, 255, width).round().astype(int)]
    strip[[0, height - 1]] = FRAME
    for place, tick in zip(np.linspace(0, 1, len(bar.ticks)), bar.ticks):
        room = width - text_size(tick, font)[0]
        put_text(strip, tick, (round(place * room), height + 2), font, GREY)
