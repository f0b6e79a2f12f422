"""Puts what is annotated in a picture next to a drawing of what a model makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Sequence, Tuple

import cv2
import numpy as np

from .colours import PAPER, label_colours
from .drawing import Drawing, moved
from .marks import Mark, draw_within, drawing_of_marks
from .panels import Panel
from .sheets import MARGIN, compose, fit_canvas, resize


def put_truth_beside(
    drawing: Drawing, picture: np.ndarray, boxes: np.ndarray, labels: Sequence[int], class_names: Sequence[str]
) -> Drawing:
    """Draw the annotations of a picture to the left of a drawing, as large as the drawing shows the picture.

    Args:
        drawing: A sheet, or an overlay, which gets a title like that of the annotations.
        picture: Shape (H, W, 3), uint8, BGR, as it was read.
        boxes: Shape (N, 4), ``x1, y1, x2, y2`` in picture pixels; none where only the picture has a label.
        labels: One per box, or those of the picture.
        class_names: One per label.

    Returns:
        A new drawing; the annotated picture is its place of kind ``'truth'``.
    """
    title = 'ground truth' if len(boxes) else f'ground truth: {", ".join(class_names) or "none"}'
    size = drawing.main.size
    plain = _at_size(picture, size)
    scale = np.array([size[0] / picture.shape[1], size[1] / picture.shape[0]] * 2)
    colours = label_colours(list(labels))
    marks = [Mark(box * scale, colour, name) for box, colour, name in zip(boxes, colours, class_names)]
    if drawing.of_kind('title'):
        return _left_of_sheet(drawing, Panel(draw_within(plain, marks), title, kind='truth'))
    return _left_of_overlay(drawing, drawing_of_marks(plain, marks), title)


def _left_of_sheet(sheet: Drawing, panel: Panel) -> Drawing:
    left = compose([panel])
    image = left.image[:, : left.image.shape[1] - MARGIN]  # the sheet brings a margin of its own
    height = max(len(image), len(sheet.image))
    whole = np.hstack([_with_rows(each, 0, height - len(each)) for each in (image, sheet.image)])
    return Drawing(whole, (*left.places, *moved(sheet.places, image.shape[1], 0)))


def _left_of_overlay(overlay: Drawing, truth: Drawing, title: str) -> Drawing:
    """Both below a title; strips of labels above do not put the pictures out of line."""
    truth = replace(truth, places=tuple(replace(p, kind='truth') if p.kind == 'overlay' else p for p in truth.places))
    tops = [truth.of_kind('truth')[0].rect[1], overlay.main.rect[1]]
    panels: List[Panel] = []
    for part, top, words in zip((truth, overlay), tops, (title, 'prediction')):
        rows = max(tops) - top
        panels.append(Panel(_with_rows(part.image, rows, 0), words, places=moved(part.places, 0, rows)))
    return compose(panels, columns=2)


def _at_size(picture: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
    """The picture at a size; on white where it has another shape, as the network's input may have."""
    scale = min(size[0] / picture.shape[1], size[1] / picture.shape[0])
    same_shape = all(abs(length * scale - wanted) <= 1 for length, wanted in zip(picture.shape[1::-1], size))
    return resize(picture, size) if same_shape else fit_canvas(picture, size)


def _with_rows(image: np.ndarray, above: int, below: int) -> np.ndarray:
    return cv2.copyMakeBorder(image, above, below, 0, 0, cv2.BORDER_CONSTANT, value=PAPER)
