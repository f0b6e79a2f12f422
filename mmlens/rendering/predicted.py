"""Draws what a network predicted for a picture, whatever its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..errors import count
from .colours import INK, Colour, label_colours, segment_colours
from .key import KeyEntry
from .marks import Mark, draw_within, halo_width, line_width
from .panels import Panel

if TYPE_CHECKING:
    from ..results.predicted import Predicted

NOTHING_FOUND = 'no detection above the score threshold'
VOID = 255  # no class, in segmentation maps
_TINT = 0.45  # opacity of masks
_SEGMENT = 0.5  # opacity of segmentation maps
_VISIBLE = 0.3  # keypoints below this score are not drawn
_MOST_CLASSES = 5  # of a whole picture
_MOST_KEYS = 40


def panel_of_predicted(predicted: Optional[Predicted], plain: np.ndarray, size: Tuple[int, int]) -> Panel:
    """Make the panel that shows the picture with what the network predicted for it.

    Boxes have their class and score, masks are tinted and outlined, segments are translucent with a key below the
    picture, keypoints are joined by limbs; classes of the whole picture are named in words.

    Args:
        predicted: In picture pixels; ``None`` shows the picture alone.
        plain: Shape (h, w, 3), uint8, BGR: the picture at the size of the panel.
        size: Width and height of the picture itself.
    """
    detail = f'{size[0]} × {size[1]}'
    if predicted is None:
        return Panel(plain, 'picture', detail=detail, kind='picture')
    scale = np.array([plain.shape[1] / size[0], plain.shape[0] / size[1]])
    segments = _segments_of(predicted)
    colours = _colours_of(predicted, segments)
    by_class = dict(zip(segments, segment_colours([*segments, *predicted.labels.tolist()])))
    drawn = plain if predicted.seg_map is None else _with_segments(plain, predicted.seg_map, by_class)
    drawn = _with_masks(drawn, predicted, colours)
    drawn = _with_keypoints(drawn, predicted, colours, scale)
    key = [(predicted.seg_names.get(label, str(label)), by_class[label]) for label in segments]
    return Panel(
        draw_within(drawn, _marks(predicted, colours, scale, plain)),
        _title(predicted, len(segments)),
        detail=detail,
        key=key[:_MOST_KEYS],
        note=_note(predicted, key[_MOST_KEYS:]),
        kind='picture',
    )


def _title(predicted: Predicted, segments: int) -> str:
    parts = [named(*predicted.classes[0])] if predicted.classes else []
    if predicted.boxes is not None:
        parts.append(count(len(predicted.boxes), 'detection'))
    elif predicted.keypoints is not None:
        parts.append(count(len(predicted.keypoints), 'pose'))
    elif predicted.seg_map is not None:
        parts.append(count(segments, 'segmented class'))
    return ' · '.join(parts) or 'picture'


def named(name: str, score: float) -> str:
    """A class with its score: ``tabby 0.86``."""
    return f'{first_name(name)} {score:.2f}'


def first_name(name: str) -> str:
    """The first of a class's names: ImageNet's are lists of synonyms."""
    return name.split(', ')[0]


def _note(predicted: Predicted, without_key: Sequence[KeyEntry]) -> str:
    notes = []
    if predicted.boxes is not None and not len(predicted.boxes) and predicted.seg_map is None:
        notes.append(NOTHING_FOUND)
    others = predicted.classes[1:_MOST_CLASSES]
    notes += [f'then {", ".join(named(*each) for each in others)}'] if others else []
    notes += [f'and {count(len(without_key), "smaller class")}'] if without_key else []
    return '; '.join([*notes, *predicted.notes])


# ---------------------------------------------------------------- objects


def _colours_of(predicted: Predicted, segments: Sequence[int]) -> List[Colour]:
    """A colour for each object: that of its class, or its own where there are poses, which are all of one class."""
    if predicted.keypoints is not None:
        return label_colours(range(len(predicted.keypoints)))
    labels = predicted.labels.tolist()
    if not segments:
        return label_colours(labels)
    return segment_colours([*segments, *labels])[len(segments) :]


def _marks(predicted: Predicted, colours: Sequence[Colour], scale: np.ndarray, plain: np.ndarray) -> List[Mark]:
    if predicted.boxes is None:
        return []
    texts = [f'{name} {score:.2f}' for name, score in zip(predicted.class_names, predicted.scores)]
    boxes = np.reshape(predicted.boxes, (-1, 4)) * np.tile(scale, 2)
    return [
        Mark(
            box,
            colours[n],
            texts[n],
            mask=None if predicted.masks is None else _at_size(predicted.masks[n], plain),
            polygon=None if predicted.polygons is None else predicted.polygons[n] * scale,
        )
        for n, box in enumerate(boxes)
    ]


def _with_masks(picture: np.ndarray, predicted: Predicted, colours: Sequence[Colour]) -> np.ndarray:
    if predicted.masks is None:
        return picture
    drawn = picture.copy()
    for mask, colour in reversed(list(zip(predicted.masks, colours))):  # the best ends up on top
        where = _at_size(mask, picture)
        drawn[where] = _mixed(picture[where], colour, _TINT)
    return drawn


def _with_keypoints(
    picture: np.ndarray, predicted: Predicted, colours: Sequence[Colour], scale: np.ndarray
) -> np.ndarray:
    if predicted.keypoints is None:
        return picture
    drawn = picture.copy()
    line = line_width(picture)
    for n in reversed(range(len(predicted.keypoints))):
        points = np.asarray(predicted.keypoints[n], np.float64) * scale
        seen = np.isfinite(points).all(axis=1)
        if predicted.keypoint_scores is not None:
            seen &= np.asarray(predicted.keypoint_scores[n]) >= _VISIBLE
        whole = np.rint(np.where(seen[:, None], points, 0)).astype(int).tolist()
        limbs = [(whole[a], whole[b]) for a, b in predicted.skeleton if seen[a] and seen[b]]
        for colour, more in ((INK, 2 * halo_width(line)), (colours[n], 0)):
            for start, end in limbs:
                cv2.line(drawn, tuple(start), tuple(end), colour, line + more, cv2.LINE_AA)
            for place in np.flatnonzero(seen):
                cv2.circle(drawn, tuple(whole[place]), line + 1 + more // 2, colour, cv2.FILLED, cv2.LINE_AA)
    return drawn


# ---------------------------------------------------------------- segments


def _segments_of(predicted: Predicted) -> List[int]:
    """The classes in the segmentation map, the largest first."""
    if predicted.seg_map is None:
        return []
    labels, counts = np.unique(predicted.seg_map, return_counts=True)
    ordered = labels[np.argsort(-counts, kind='stable')].tolist()
    return [label for label in ordered if label >= 0 and (label != VOID or label in predicted.seg_names)]


def _with_segments(picture: np.ndarray, seg_map: np.ndarray, colours: Dict[int, Colour]) -> np.ndarray:
    """The picture with each segment in its class's colour, and dark lines between segments."""
    labels = _at_size(seg_map, picture)
    drawn = picture.copy()
    for label, colour in colours.items():
        where = labels == label
        drawn[where] = _mixed(picture[where], colour, _SEGMENT)
    edges = np.zeros(labels.shape, bool)
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edges[1:] |= labels[1:] != labels[:-1]
    drawn[edges] = INK
    return drawn


def _mixed(pixels: np.ndarray, colour: Colour, opacity: float) -> np.ndarray:
    return np.rint((1 - opacity) * pixels + opacity * np.array(colour)).astype(np.uint8)


def _at_size(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Labels or a mask (H, W) at the size of a picture: each pixel is that of the cell its centre lies in."""
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(like.shape[:2], array.shape))
    return array[rows[:, None], columns]
