"""What a transform left, ready to draw: pictures, with annotations in each picture's own pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..results.samples import View
from .pictures import Colours, to_picture
from .states import Item, State

_KEPT = (
    'annotations loaded after the resize keep the coordinates of the file, as metrics expect; '
    'here they are drawn where they belong in this picture'
)
_LOST = 'annotations are loaded after the picture was moved, so their position in it is unknown: they are not drawn'
_WRONG = (
    'annotations are loaded after the picture was resized: they keep the coordinates of the file, and training would '
    'use them as they are; load them first'
)


@dataclass(frozen=True)
class Frame:
    """Where annotations lie if they were loaded after the picture had been resized.

    Test pipelines do this on purpose: metrics compare in the coordinates of the file.

    Attributes:
        original: Whether the dataset is in test mode, where this is intended.
        since: Index of the step that loaded the annotations late; -1 if none did.
        matrix: Shape (2, 3): annotation to picture; ``None`` if they agree or the mapping is unknown.
        known: Whether annotations can be drawn.
    """

    original: bool = False
    since: int = -1
    matrix: Optional[np.ndarray] = None
    known: bool = True

    def after(self, state: State, before: Sequence[State]) -> Frame:
        """The frame after one more step."""
        loaded = state.items[0].annotated and not (before and before[-1].items[0].annotated)
        if self.since >= 0 or not loaded or not before or not _moved(before):
            return self
        if not self.original:
            return replace(self, since=len(before))
        matrix = _matrix(before)
        return replace(self, since=len(before), matrix=None if matrix is None else matrix[:2], known=matrix is not None)

    def notes_of(self, number: int) -> Tuple[str, ...]:
        """Notes to show at a step."""
        if number != self.since:
            return ()
        return (_WRONG if not self.original else _KEPT if self.known else _LOST,)


def views_of(state: State, colours: Colours, frame: Frame) -> Tuple[View, ...]:
    """The pictures of a state, each with its annotations."""
    return tuple(_view(item, colours, frame) for item in state.items)


def _view(item: Item, colours: Colours, frame: Frame) -> View:
    picture, notes = to_picture(item.image, item.channels_first, colours)
    view = View(
        picture=picture,
        shape=item.image.shape,
        dtype=str(item.image.dtype),
        hidden=item.hidden,
        classes=item.classes,
        notes=notes,
    )
    if not frame.known:
        return view
    if item.boxes is not None and item.boxes.shape[1] == 4:
        view = _with_boxes(view, item, frame)
    elif item.boxes is not None:
        view = replace(view, notes=(*view.notes, f'boxes of {item.boxes.shape[1]} numbers are not drawn'))
    if item.seg_map is not None:
        seg_map = _fitted(item.seg_map[None], picture.shape[:2], frame, outside=255)[0]
        view = replace(view, seg_map=seg_map.astype(np.int64))
    return view


def _with_boxes(view: View, item: Item, frame: Frame) -> View:
    boxes = np.asarray(item.boxes)
    if frame.matrix is not None:
        corners = boxes.reshape(-1, 2, 2) @ frame.matrix[:, :2].T + frame.matrix[:, 2]
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    masks = None
    if item.masks is not None and len(item.masks) == len(boxes) and len(boxes):
        masks = _fitted(item.masks.to_ndarray(), view.picture.shape[:2], frame, outside=0).astype(bool)
    return replace(
        view,
        boxes=boxes.astype(np.float32),
        labels=_of_each(item.labels, len(boxes), -1, np.int64),
        ignored=_of_each(item.ignored, len(boxes), False, bool),
        masks=masks,
    )


def _of_each(values: Optional[np.ndarray], number: int, missing: Any, kind: type) -> np.ndarray:
    """One value per box, even mid-pipeline, where lengths may disagree."""
    if values is None or len(values) != number:
        return np.full(number, missing, kind)
    return values.astype(kind)


def _fitted(maps: np.ndarray, size: Tuple[int, ...], frame: Frame, outside: int) -> np.ndarray:
    """Maps (N, h, w) on the picture's grid: moved if the frame says so, else cropped or padded."""
    height, width = size
    matrix = frame.matrix
    if matrix is not None:
        # Cells are squares: it is their centres that move.
        shift = matrix[:, :2] @ [0.5, 0.5] + matrix[:, 2] - 0.5
        moved = np.column_stack([matrix[:, :2], shift])
        kind = maps.dtype if maps.dtype in (np.uint8, np.int16) else np.dtype(np.int16)
        return np.stack(
            [
                cv2.warpAffine(each.astype(kind), moved, (width, height), flags=cv2.INTER_NEAREST, borderValue=outside)
                for each in maps
            ]
        )
    if maps.shape[1:] == (height, width):
        return maps
    fitted = np.full((len(maps), height, width), outside, maps.dtype)
    shown = maps[:, :height, :width]
    fitted[:, : shown.shape[1], : shown.shape[2]] = shown
    return fitted


def _moved(states: Sequence[State]) -> bool:
    """Whether pixels have moved since the file was read."""
    first, last = states[0], states[-1]
    scale, padding = last.meta.get('scale_factor'), last.meta.get('pad_param')
    return (
        first.items[0].size != last.items[0].size
        or bool(last.meta.get('flip'))
        or (scale is not None and not np.allclose(scale, 1))
        or (padding is not None and bool(np.any(padding)))
    )


def _matrix(states: Sequence[State]) -> Optional[np.ndarray]:
    """Map positions in the file to positions in the picture, from what Resize, LetterResize and RandomFlip note."""
    last = states[-1]
    if not last.meta.get('flip'):
        return None if last.meta.get('scale_factor') is None else _scaled_and_padded(last)
    at_flip = next(state for state in states if state.meta.get('flip'))
    height, width = at_flip.items[0].size
    direction = last.meta.get('flip_direction')
    flip = np.eye(3)
    if direction in ('horizontal', 'diagonal'):
        flip[0] = [-1, 0, width]
    if direction in ('vertical', 'diagonal'):
        flip[1] = [0, -1, height]
    before, after = _scaled_and_padded(at_flip), _scaled_and_padded(last)
    if at_flip.meta.get('pad_param') is None:  # what was scaled and padded afterwards was the flipped picture
        since = after @ np.linalg.inv(before)
    elif np.array_equal(after, before):
        since = np.eye(3)
    else:
        return None
    return since @ flip @ before


def _scaled_and_padded(state: State) -> np.ndarray:
    """Shape (3, 3): from the file to a picture that was not flipped."""
    scale, padding = state.meta.get('scale_factor'), state.meta.get('pad_param')
    top, left = (0.0, 0.0) if padding is None else (float(padding[0]), float(padding[2]))
    x, y = (1.0, 1.0) if scale is None else (float(scale[0]), float(scale[1]))
    return np.array([[x, 0, left], [0, y, top], [0, 0, 1]])
