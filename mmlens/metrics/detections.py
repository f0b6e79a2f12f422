"""Boxes against boxes: their overlap, and the score of a box among detections."""

from __future__ import annotations

from typing import Optional

import numpy as np

from .regions import Box


def iou(box: Box, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box (4,) with others (N, 4): shape (N,), float64; 0 for two without area."""
    box, boxes = np.asarray(box, np.float64), np.asarray(boxes, np.float64).reshape(-1, 4)
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = np.clip(high - low, 0, None).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return shared / np.maximum(areas - shared, 1e-9)


def box_score(
    box: Box,
    label: int,
    boxes: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    least_overlap: Optional[float] = None,
) -> float:
    """The score of a box among a picture's detections: the largest ``IoU * p`` within its class; 0 if there is none.

    Source: the similarity of D-RISE without its vectors of class probabilities; Petsiuk et al. 2021, eq. 4,
    https://arxiv.org/abs/2006.03204.

    Args:
        box: Shape (4,).
        label: The class of the box.
        boxes: Shape (N, 4): the detections.
        labels: Shape (N,).
        scores: Shape (N,).
        least_overlap: Take the largest ``p * [IoU > least_overlap]`` instead.
    """
    same = np.asarray(labels) == label
    if not same.any():
        return 0.0
    overlap = iou(box, np.asarray(boxes)[same])
    weight = overlap if least_overlap is None else overlap > least_overlap
    return float((weight * np.asarray(scores, np.float64)[same]).max())
