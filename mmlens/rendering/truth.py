"""What is annotated in a picture, beside what a model makes of it."""

from __future__ import annotations

from typing import Sequence

import cv2
import numpy as np

from .colours import PAPER, label_colours
from .marks import Mark, draw_within
from .sheets import Panel, compose, panel_size, resize


def draw_beside_truth(
    picture: np.ndarray,
    boxes: np.ndarray,
    labels: Sequence[int],
    class_names: Sequence[str],
    drawn: np.ndarray,
    is_sheet: bool,
) -> np.ndarray:
    """Draw the annotations of a picture, and put them to the left of what was drawn of it.

    Args:
        picture: Shape (H, W, 3), uint8, BGR, as it was read.
        boxes: Shape (N, 4), ``x1, y1, x2, y2`` in picture pixels; none where only the picture has a label.
        labels: One a box, or those of the picture.
        class_names: One a label.
        drawn: uint8 BGR.
        is_sheet: Whether ``drawn`` is a sheet of panels with words of their own, or one picture of the same pixels.

    Returns:
        A new uint8 BGR picture.
    """
    colours = label_colours(list(labels))
    marks = [Mark(box, colour, name) for box, colour, name in zip(boxes, colours, class_names)]
    height, width = picture.shape[:2]
    size = panel_size(picture, 2) if is_sheet else (width, height)
    scale = np.array([size[0] / width, size[1] / height] * 2)
    plain = resize(picture, size)
    scaled = [Mark(mark.box * scale, mark.colour, mark.text) for mark in marks]
    title = 'ground truth' if len(boxes) else f'ground truth: {", ".join(class_names) or "none"}'
    left = compose([Panel(draw_within(plain, scaled), title)])
    right = drawn if is_sheet else compose([Panel(drawn, 'prediction')])
    height = max(left.shape[0], right.shape[0])
    return np.hstack([_lengthened(left, height), _lengthened(right, height)])


def _lengthened(sheet: np.ndarray, height: int) -> np.ndarray:
    return cv2.copyMakeBorder(sheet, 0, height - sheet.shape[0], 0, 0, cv2.BORDER_CONSTANT, value=PAPER)
