"""Boxes, outlines and labels on a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List, Optional, Sequence, Tuple

import cv2
import numpy as np

from .colours import INK, PAPER, Colour, text_colour
from .drawing import Drawing, Place, Rect, rect_at
from .labels import Placement, place_tags
from .sheets import fit_canvas, resize
from .text import put_text, shorten, text_size

# Class names of a large vocabulary can be sentences: a tag is at most this many font sizes wide.
_WIDEST_TAG = 16
# Pixels from the picture's corner at which a box is cut: no dashes without end.
_FAR = 10000


@dataclass(frozen=True)
class Mark:
    """What is drawn for one box.

    Attributes:
        box: Shape (4,), ``x1, y1, x2, y2`` in picture pixels.
        colour: BGR.
        text: The label; empty for a box without one.
        heat: Shape (H, W), in [0, 1]: the box's map, which the label stays off. It is not drawn.
        mask: Shape (H, W), bool: an instance mask, whose outline is drawn.
        polygon: Shape (4, 2): corners ``x, y`` of a rotated box, drawn instead of ``box``, which lies around it.
        beside: Shape (4,): a second box that belongs to the first, drawn dashed.
    """

    box: np.ndarray
    colour: Colour
    text: str = ''
    heat: Optional[np.ndarray] = None
    mask: Optional[np.ndarray] = None
    polygon: Optional[np.ndarray] = None
    beside: Optional[np.ndarray] = None


def draw_marks(picture: np.ndarray, marks: Sequence[Mark], font: Optional[int] = None) -> np.ndarray:
    """Draw boxes and their labels; see :func:`drawing_of_marks`.

    Returns:
        A new uint8 BGR picture, at least as large as ``picture``.
    """
    return drawing_of_marks(picture, marks, font).image


def drawing_of_marks(
    picture: np.ndarray, marks: Sequence[Mark], font: Optional[int] = None, own: bool = False
) -> Drawing:
    """Draw boxes and their labels.

    Lines have a dark halo, labels stand outside their box (see :func:`~.labels.place_tags`); where
    the picture has no room for a label, the canvas grows by a white strip.

    Args:
        picture: Shape (H, W, 3), uint8, BGR.
        marks: What to draw; the first one ends up on top.
        font: Height of the letters in pixels. Defaults to one that suits the picture's size.
        own: Whether the picture may be drawn on, as nobody else has it. Defaults to ``False``: it is copied.

    Returns:
        The picture, perhaps on a larger canvas, with its place and those of the labels.
    """
    height, width = picture.shape[:2]
    line = line_width(picture)
    font = font or font_size(picture, len(marks))
    numbers = [n for n, mark in enumerate(marks) if mark.text]
    labelled = [marks[n] for n in numbers]
    texts = [shorten(mark.text, font, _WIDEST_TAG * font) for mark in labelled]
    placement = place_tags(
        (width, height),
        np.array([mark.box for mark in labelled], np.float64).reshape(-1, 4),
        [_tag_size(text, font) for text in texts],
        gap=line // 2 + halo_width(line) + 1,
        maps=[mark.heat for mark in labelled],
    )
    canvas = _grown(picture, placement, own)
    x, y = placement.picture
    inside = canvas[y : y + height, x : x + width]
    for mark in reversed(marks):
        _draw_outline(inside, mark, line)
    for mark in reversed(marks):
        _draw_dashed(inside, mark, line)
    for mark in reversed(marks):
        _draw_box(inside, mark, line)
    rects: List[Rect] = [tuple(rect) for rect in placement.tags.tolist()]
    for mark, rect in zip(labelled, rects):
        _draw_leader(canvas, mark, (x, y), rect, line)
    for mark, rect, text in zip(labelled, rects, texts):
        _draw_tag(canvas, rect, text, font, mark.colour)
    labels = [Place('label', rect, n) for n, rect in zip(numbers, rects)]
    return Drawing(canvas, (Place('overlay', rect_at(x, y, picture)), *labels))


def draw_within(picture: np.ndarray, marks: Sequence[Mark]) -> np.ndarray:
    """Like :func:`draw_marks`, at the size of the picture, which shrinks if labels need a strip above or below it.

    Args:
        picture: Shape (H, W, 3), uint8, BGR.
        marks: What to draw; their maps are ignored.

    Returns:
        A new uint8 BGR picture of the same size.
    """
    height, width = picture.shape[:2]
    for share in (1.0, 0.95, 0.9, 0.85, 0.8):
        small = resize(picture, (max(1, round(width * share)), max(1, round(height * share))))
        drawn = draw_marks(small, [_scaled(mark, picture, small) for mark in marks])
        if drawn.shape[0] <= height and drawn.shape[1] <= width:
            break
    return fit_canvas(drawn, (width, height), enlarge=False)


def _scaled(mark: Mark, picture: np.ndarray, to: np.ndarray) -> Mark:
    """The mark on a picture of another size, without its map."""
    scale = np.array([to.shape[1] / picture.shape[1], to.shape[0] / picture.shape[0]] * 2)
    mask = None if mark.mask is None else resize(np.asarray(mark.mask, np.uint8), to.shape[1::-1]) > 0
    polygon = None if mark.polygon is None else np.asarray(mark.polygon) * scale[:2]
    beside = None if mark.beside is None else np.asarray(mark.beside) * scale
    return replace(mark, box=np.asarray(mark.box) * scale, heat=None, mask=mask, polygon=polygon, beside=beside)


def font_size(picture: np.ndarray, count: int = 1) -> int:
    """Height of letters, in pixels, that suits a picture and a number of labels on it."""
    height, width = picture.shape[:2]
    size = 7 + 0.0135 * float(np.sqrt(height * width))
    return max(9, round(size * (0.85 if count > 10 else 1)))


def line_width(picture: np.ndarray) -> int:
    """Width of lines, in pixels, that suits a picture."""
    short_side = min(picture.shape[:2])
    return 1 if short_side < 180 else max(2, round(short_side / 280))


def halo_width(line: int) -> int:
    """How far the dark halo stands out on each side of a coloured line."""
    return max(1, round(line / 3))


def _tag_size(text: str, font: int) -> Tuple[int, int]:
    width, height = text_size(text, font)
    return width + font // 2 + 2, height + 2


def _grown(picture: np.ndarray, placement: Placement, own: bool) -> np.ndarray:
    """A copy of the picture on the canvas of the placement; an own picture itself, if it need not grow."""
    width, height = placement.canvas
    if (height, width) == picture.shape[:2]:
        return picture if own else picture.copy()
    x, y = placement.picture
    canvas = np.full((height, width, 3), PAPER, np.uint8)
    canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return canvas


def _draw_box(picture: np.ndarray, mark: Mark, line: int) -> None:
    if mark.polygon is not None:
        corners = np.rint(mark.polygon).astype(np.int32)[None]
        for colour, thickness in ((INK, line + 2 * halo_width(line)), (mark.colour, line)):
            cv2.polylines(picture, corners, True, colour, thickness, cv2.LINE_AA)
        return
    height, width = picture.shape[:2]
    halo = halo_width(line)
    # Where a box reaches the picture's edge, its line stays wholly visible.
    inset = line // 2 + halo
    x1, y1, x2, y2 = (round(float(edge)) for edge in mark.box)
    x1, x2 = (min(max(x, inset), max(inset, width - 1 - inset)) for x in (x1, x2))
    y1, y2 = (min(max(y, inset), max(inset, height - 1 - inset)) for y in (y1, y2))
    if line == 1:
        # A halo on both sides would hide too much of a small picture.
        cv2.rectangle(picture, (x1 - 1, y1 - 1), (x2 + 1, y2 + 1), INK, 1, cv2.LINE_8)
    else:
        cv2.rectangle(picture, (x1, y1), (x2, y2), INK, line + 2 * halo, cv2.LINE_8)
    cv2.rectangle(picture, (x1, y1), (x2, y2), mark.colour, line, cv2.LINE_8)


def _draw_dashed(picture: np.ndarray, mark: Mark, line: int) -> None:
    """Draw the second box: dashes of the mark's colour, each with a dark halo; what lies outside is not drawn."""
    if mark.beside is None:
        return
    x1, y1, x2, y2 = np.rint(np.asarray(mark.beside, np.float64)).clip(-_FAR, _FAR)
    dash = 4 * line + 4
    for begin, end in (((x1, y1), (x2, y1)), ((x2, y1), (x2, y2)), ((x2, y2), (x1, y2)), ((x1, y2), (x1, y1))):
        length = float(np.hypot(end[0] - begin[0], end[1] - begin[1]))
        starts = np.arange(0, length, 2 * dash)
        shares = np.stack([starts, np.minimum(starts + dash, length)], 1) / max(length, 1)
        ends = np.array(begin) + shares[..., None] * (np.array(end) - begin)
        for tint, thickness in ((INK, line + 2 * halo_width(line)), (mark.colour, line)):
            for one, other in np.rint(ends).astype(int).tolist():
                cv2.line(picture, tuple(one), tuple(other), tint, thickness, cv2.LINE_8)


def _draw_outline(picture: np.ndarray, mark: Mark, line: int) -> None:
    if mark.mask is None:
        return
    outlines, _ = cv2.findContours(np.asarray(mark.mask, np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for colour, thickness in ((INK, line + 2 * halo_width(line)), (mark.colour, line)):
        cv2.drawContours(picture, outlines, -1, colour, thickness, cv2.LINE_AA)


def _draw_leader(canvas: np.ndarray, mark: Mark, origin: Tuple[int, int], tag: Rect, line: int) -> None:
    """Join a tag that stands away from its box to the box; the picture begins at ``origin`` on the canvas."""
    if mark.polygon is not None:
        (x1, y1), (x2, y2) = _nearest_of_polygon(np.asarray(mark.polygon) + origin, tag)
    else:
        box = np.asarray(mark.box) + [*origin, *origin]
        (x1, x2), (y1, y2) = _nearest(box[0], box[2], tag[0], tag[2]), _nearest(box[1], box[3], tag[1], tag[3])
    if np.hypot(x2 - x1, y2 - y1) <= (tag[3] - tag[1]) / 2:
        return
    for tint, thickness in ((INK, line + 2), (mark.colour, line)):
        cv2.line(canvas, (x1, y1), (x2, y2), tint, thickness, cv2.LINE_AA)


def _nearest(low: float, high: float, tag_low: int, tag_high: int) -> Tuple[int, int]:
    """Along one axis: where the leader leaves the box and where it reaches the tag."""
    if tag_high < low:
        return round(low), tag_high - 1
    if tag_low > high:
        return round(high), tag_low
    middle = round((max(low, tag_low) + min(high, tag_high - 1)) / 2)
    return middle, middle


def _nearest_of_polygon(corners: np.ndarray, tag: Rect) -> Tuple[Tuple[int, int], Tuple[int, int]]:
    """Where the leader leaves a polygon (N, 2), and where it reaches the tag."""
    shares = np.linspace(0, 1, 33)[:, None, None]
    outline = (corners * (1 - shares) + np.roll(corners, -1, axis=0) * shares).reshape(-1, 2)
    ends = np.clip(outline, tag[:2], np.subtract(tag[2:], 1))
    n = int(np.hypot(*(outline - ends).T).argmin())
    (x1, y1), (x2, y2) = np.rint([outline[n], ends[n]]).astype(int).tolist()
    return (x1, y1), (x2, y2)


def _draw_tag(canvas: np.ndarray, rect: Rect, text: str, font: int, colour: Colour) -> None:
    x1, y1, x2, y2 = rect
    canvas[y1:y2, x1:x2] = INK
    canvas[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1] = colour
    put_text(canvas, text, (x1 + 1 + font // 4, y1 + 1), font, text_colour(colour))
