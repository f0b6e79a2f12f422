"""A map over a picture."""

from __future__ import annotations

import cv2
import numpy as np

from ..errors import MmlensError
from .colours import colormap_table


def check_alpha(alpha: float) -> float:
    """Check an opacity.

    Returns:
        It as a float.

    Raises:
        MmlensError: If it is not a number from 0 to 1.
    """
    try:
        value = float(alpha)
    except (TypeError, ValueError):
        value = np.nan
    if not 0 <= value <= 1:
        raise MmlensError(f'`alpha` must be a number from 0 (picture only) to 1 (map only), not {alpha!r}.')
    return value


def blend_map(picture: np.ndarray, heat: np.ndarray, colormap: str, alpha: float) -> np.ndarray:
    """Lay a normalised map over a picture so that the picture stays readable where the map is empty.

    The opacity rises from 0 where the map is 0 to ``alpha`` where it is 1, as ``sin(map * pi / 2)``:
    middle values show, and the empty rest of the picture is not tinted with the colour of zero.

    Args:
        picture: Shape (H, W, 3), uint8, BGR.
        heat: Shape (H, W), in [0, 1]; NaN counts as 0.
        colormap: See :func:`~mmlens.rendering.colours.colormap_table`.
        alpha: Opacity in [0, 1] where the map is 1.

    Returns:
        A new uint8 BGR picture of the same size.
    """
    levels = np.rint(np.clip(np.nan_to_num(heat, nan=0.0), 0, 1) * 255).astype(np.uint8)
    return _blended(picture, levels, levels, colormap, alpha)


def blend_signed(picture: np.ndarray, values: np.ndarray, colormap: str, alpha: float) -> np.ndarray:
    """Lay a map with both signs over a picture, in the two halves of a colour map.

    Args:
        picture: Shape (H, W, 3), uint8, BGR.
        values: Shape (H, W), in [-1, 1]; NaN counts as 0. Where it is 0 the picture stays as it is.
        colormap: See :func:`blend_map`; -1 has its first colour and 1 its last.
        alpha: Opacity in [0, 1] where the map is -1 or 1; see :func:`blend_map`.

    Returns:
        A new uint8 BGR picture of the same size.
    """
    clipped = np.clip(np.nan_to_num(values, nan=0.0), -1, 1)
    levels = np.rint((clipped + 1) / 2 * 255).astype(np.uint8)
    return _blended(picture, levels, np.rint(np.abs(clipped) * 255).astype(np.uint8), colormap, alpha)


def _blended(picture: np.ndarray, levels: np.ndarray, strengths: np.ndarray, colormap: str, alpha: float) -> np.ndarray:
    """Colours by levels and opacity by strengths (H, W), both uint8."""
    colours = cv2.applyColorMap(levels, colormap_table(colormap)[:, None])
    opacity = np.float32(alpha) * np.sin(np.linspace(0, np.pi / 2, 256, dtype=np.float32))[strengths]
    # blendLinear divides by the sum of the weights, which is 1.
    return cv2.blendLinear(picture, colours, 1 - opacity, opacity)
