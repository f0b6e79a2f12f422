"""Where labels go: never over their own box or its map, never over each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from .drawing import Rect

# A tag may lie where its own box's map is below this: the map is all but invisible there.
FAINT = 0.2
# How far a tag may stand from its box within the picture, in heights of the tag.
REACH = 3
# Maps have at most this many cells on a side where only labels look at them.
_FINEST = 512


@dataclass(frozen=True)
class Placement:
    """Places of the tags on a canvas that may be larger than the picture.

    Attributes:
        tags: Shape (N, 4), int64 ``x1, y1, x2, y2`` in canvas pixels, right and lower edges excluded.
        picture: ``x, y`` of the picture's upper left corner on the canvas.
        canvas: Width and height of the canvas; those of the picture if every tag fits into it.
    """

    tags: np.ndarray
    picture: Tuple[int, int]
    canvas: Tuple[int, int]


def place_tags(
    size: Tuple[int, int],
    boxes: np.ndarray,
    tags: Sequence[Tuple[int, int]],
    gap: int = 0,
    maps: Optional[Sequence[Optional[np.ndarray]]] = None,
) -> Placement:
    """Find a place for the tag of every box.

    A tag lies outside its own box and the visible part of its own map, touches no other tag, and
    covers as little of other boxes and their maps as possible. Places next to the box come first, then
    places up to three tags away. If there is none, the tag moves to a strip above or below the picture.

    Args:
        size: Width and height of the picture.
        boxes: Shape (N, 4), ``x1, y1, x2, y2`` in picture pixels; may extend beyond the picture.
        tags: Width and height of each of the N tags.
        gap: Pixels kept free around a box, for its line.
        maps: For each box its map, in [0, 1], or ``None``: shape (H, W), or all of one that is :func:`coarser`.

    Returns:
        A :class:`Placement`. The picture is never scaled, nor moved relative to the boxes.
    """
    solid = _whole_pixels(boxes, size, gap)
    maps = [None] * len(solid) if maps is None else maps
    heat = _strongest(maps)
    placed: List[Optional[Rect]] = [None] * len(solid)
    # Large boxes first: they leave their own tag the fewest places.
    for n in np.argsort(-_areas(solid), kind='stable'):
        placed[n] = _place_inside(size, solid, int(n), tags[n], _known(placed), maps[n], heat)
    strips = _Strips(size, max((height for _, height in tags), default=0))
    for n in sorted(range(len(solid)), key=lambda n: float(solid[n][0])):
        if placed[n] is None:
            placed[n] = strips.add(solid[n], tags[n])
    return _on_canvas(_known(placed), size)


def _place_inside(
    size: Tuple[int, int],
    boxes: np.ndarray,
    own: int,
    tag: Tuple[int, int],
    placed: List[Rect],
    own_map: Optional[np.ndarray],
    heat: Optional[np.ndarray],
) -> Optional[Rect]:
    """The cheapest free place in the picture, or None."""
    others = np.delete(boxes, own, axis=0)
    rects, far = _candidates(boxes[own], others, tag, size)
    taken = np.concatenate([boxes[own][None], np.reshape(placed, (-1, 4))]).astype(np.int64)
    free = np.sum(_overlaps(rects, taken), axis=1) == 0
    covered = np.minimum(1, _overlaps(rects, others).sum(axis=1) / (tag[0] * tag[1]))
    costs = covered + 0.4 * far + 0.01 * np.minimum(np.arange(len(rects)), 20)
    best, lowest = None, np.inf
    for n in np.argsort(costs, kind='stable'):
        # Covering something only adds to the cost, so no later candidate can win.
        if costs[n] >= lowest:
            break
        rect = tuple(rects[n].tolist())
        if not free[n] or (own_map is not None and _under(own_map, rect, size).max() >= FAINT):
            continue
        cost = costs[n] + (0.0 if heat is None else 2 * float(_under(heat, rect, size).mean()))
        if cost < lowest:
            best, lowest = rect, cost
    return best


def _candidates(
    box: np.ndarray, others: np.ndarray, tag: Tuple[int, int], size: Tuple[int, int]
) -> Tuple[np.ndarray, np.ndarray]:
    """Places around a box within the picture (M, 4), the most usual first, and how many tags away from it (M,)."""
    (x1, y1, x2, y2), (width, height), (room_x, room_y) = box.tolist(), tag, (size[0] - tag[0], size[1] - tag[1])
    across = _slides(x1, x2, width, room_x, others[:, 0], others[:, 2])
    along = _slides(y1, y2, height, room_y, others[:, 1], others[:, 3])
    places = []
    for far in range(REACH + 1):
        step = far * (height + 2)
        places += [(x, y, far) for y in (y1 - height - step, y2 + step) for x in across]
        places += [(x, y, far) for y in along for x in (x2 + step, x1 - width - step)]
    fitting = [(x, y, x + width, y + height, far) for x, y, far in places if 0 <= x <= room_x and 0 <= y <= room_y]
    found = np.array(fitting, np.int64).reshape(-1, 5)
    return found[:, :4], found[:, 4]


def _slides(low: int, high: int, length: int, room: int, starts: np.ndarray, ends: np.ndarray) -> List[int]:
    """Where a tag may begin along a side: flush with its ends, in the middle, and right next to other boxes."""
    if room < 0:
        return []
    beside = [x for x in (*ends.tolist(), *(starts - length).tolist()) if low - length // 2 <= x <= high - length // 2]
    return list(dict.fromkeys(min(max(x, 0), room) for x in (low, high - length, (low + high - length) // 2, *beside)))


class _Strips:
    """Rows of tags above (negative y) and below the picture."""

    def __init__(self, size: Tuple[int, int], row: int):
        self.size, self.row = size, row + 2
        self.rows: Dict[int, List[Tuple[int, int]]] = {}

    def add(self, box: np.ndarray, tag: Tuple[int, int]) -> Rect:
        """Put a tag into the row where it comes closest to its box; a new row counts as a detour."""
        width, height = tag
        level = max((abs(row) for row in self.rows), default=0) + 1
        best, lowest = None, np.inf
        for row in (sign * n for n in range(1, level + 1) for sign in (-1, 1)):
            x = self._free_x(row, int(box[0]), width)
            if x is None:
                continue
            aside = max(0, x - int(box[2]), int(box[0]) - x - width)
            way = aside + abs(x - int(box[0])) / 10 + (int(box[1]) if row < 0 else self.size[1] - int(box[3]))
            cost = way + self.row * (abs(row) + (0 if row in self.rows else 4))
            if cost < lowest:
                best, lowest = (row, x), cost
        assert best is not None  # the rows of the last level are empty
        row, x = best
        self.rows.setdefault(row, []).append((x, x + width))
        y = row * self.row if row < 0 else self.size[1] + (row - 1) * self.row + 2
        return (x, y + (self.row - 2 - height if row < 0 else 0), x + width, y + (self.row - 2 if row < 0 else height))

    def _free_x(self, row: int, wish: int, width: int) -> Optional[int]:
        """The free x in a row that is nearest to the wanted one; None if the row is full."""
        taken = self.rows.get(row, [])
        end = max(self.size[0] - width, 0)
        wishes = [wish, *(right + 2 for _, right in taken), *(left - 2 - width for left, _ in taken)]
        free = [
            x
            for x in (min(max(x, 0), end) for x in wishes)
            if all(x + width <= left or x >= right for left, right in taken)
        ]
        return min(free, key=lambda x: abs(x - wish), default=None)


def _on_canvas(tags: List[Rect], size: Tuple[int, int]) -> Placement:
    """Grow the canvas until it holds the picture and every tag."""
    rects = np.array(tags, np.int64).reshape(-1, 4)
    edges = np.concatenate([rects, [[0, 0, *size]]])
    left, top = edges[:, :2].min(axis=0).tolist()
    right, bottom = edges[:, 2:].max(axis=0).tolist()
    return Placement(rects - [left, top, left, top], (-left, -top), (right - left, bottom - top))


def _whole_pixels(boxes: np.ndarray, size: Tuple[int, int], gap: int) -> np.ndarray:
    """The pixels that each box and its line touch, within the picture; (N, 4) int64."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    solid = np.concatenate([np.floor(boxes[:, :2]) - gap, np.ceil(boxes[:, 2:]) + gap], axis=1)
    return np.clip(solid, 0, [*size, *size]).astype(np.int64)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _overlaps(rects: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Pixels that each of (M, 4) rectangles shares with each of (N, 4) others; (M, N)."""
    starts = np.maximum(rects[:, None, :2], boxes[None, :, :2])
    ends = np.minimum(rects[:, None, 2:], boxes[None, :, 2:])
    return np.prod(np.maximum(ends - starts, 0), axis=2)


def coarser(heat: np.ndarray, corner: Tuple[int, int] = (0, 0), size: Optional[Tuple[int, ...]] = None) -> np.ndarray:
    """A map as fine as labels need it: of large pictures, the values in the middle of cells of several pixels.

    Args:
        heat: The map, or the part of it that is not 0.
        corner: Upper row and left column of that part. Defaults to those of the whole.
        size: Height and width of the whole. Defaults to those of ``heat``.
    """
    size = heat.shape if size is None else size
    block = max(1, -(-max(size) // _FINEST))
    result = np.zeros([len(range(min(block // 2, side - 1), side, block)) for side in size], np.float32)
    from_, to = [], []
    for side, begin, length in zip(size, corner, heat.shape):
        first = min(block // 2, side - 1)
        n = -(-max(begin - first, 0) // block)  # the first of the cells whose middle lies in the part
        from_.append(slice(first + n * block - begin, None, block))
        to.append(slice(n, n + len(range(first + n * block - begin, length, block))))
    result[tuple(to)] = heat[tuple(from_)]
    return result


def _under(heat: np.ndarray, rect: Rect, size: Tuple[int, int]) -> np.ndarray:
    """The part of a map that lies under a rectangle of the picture, whose width and height are ``size``."""
    (height, width), (x1, y1, x2, y2) = heat.shape, rect
    rows = slice(y1 * height // size[1], -(-y2 * height // size[1]))
    return heat[rows, x1 * width // size[0] : -(-x2 * width // size[0])]


def _strongest(maps: Sequence[Optional[np.ndarray]]) -> Optional[np.ndarray]:
    """The maximum of the maps at every pixel."""
    strongest: Optional[np.ndarray] = None
    for heat in maps:
        if heat is not None:
            strongest = heat if strongest is None else np.maximum(strongest, heat)
    return strongest


def _known(placed: Sequence[Optional[Rect]]) -> List[Rect]:
    return [rect for rect in placed if rect is not None]
