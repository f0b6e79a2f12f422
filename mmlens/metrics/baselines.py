"""Maps that know nothing of the network: what a method has to beat."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np

from .regions import Box, sides_of


def random_map(size: Tuple[int, int], seed: int = 0) -> np.ndarray:
    """Independent uniform noise in [0, 1), shape (H, W), float64.

    Args:
        size: ``(H, W)``.
        seed: The same noise for the same seed.
    """
    return np.random.default_rng(seed).random(size)


def sobel_map(picture: np.ndarray) -> np.ndarray:
    """The edges of a picture: the length of the Sobel gradient of its grey values, shape (H, W), float64.

    Args:
        picture: Shape (H, W, 3), uint8, BGR.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.hypot(cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1))


def gaussian_map(size: Tuple[int, int], box: Box) -> np.ndarray:
    """A Gaussian at a box's centre, whose standard deviations are a third of its sides, shape (H, W), float64.

    ``exp(-((x - cx) / (w / 3))^2 / 2 - ((y - cy) / (h / 3))^2 / 2)`` at the centres of the pixels.

    Args:
        size: ``(H, W)``.
        box: Shape (4,); it must have an area.

    Raises:
        MmlensError: If the box has no area.
    """
    width, height = sides_of(box)
    across = (np.arange(size[1]) + 0.5 - (float(box[0]) + width / 2)) / (width / 3)
    down = (np.arange(size[0]) + 0.5 - (float(box[1]) + height / 2)) / (height / 3)
    return np.exp(-(down**2) / 2)[:, None] * np.exp(-(across**2) / 2)
