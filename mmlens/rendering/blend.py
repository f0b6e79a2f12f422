"""A map over a picture."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from ..errors import MmlensError
from .colours import colormap_table

# Rows that are blended at a time.
_BAND = 64


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
    result, look = picture.copy(), (colormap_table(colormap), _opacities(alpha))
    for top in range(0, len(heat), _BAND):
        levels = _bytes(_known(heat[top : top + _BAND]))
        _blend(result[top : top + _BAND], levels, levels, *look)
    return result


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
    result, look = picture.copy(), (colormap_table(colormap), _opacities(alpha))
    for top in range(0, len(values), _BAND):
        clipped = np.clip(_known(values[top : top + _BAND]), -1, 1)
        _blend(result[top : top + _BAND], _bytes((clipped + 1) / 2), _bytes(np.abs(clipped)), *look)
    return result


def _known(values: np.ndarray) -> np.ndarray:
    """Values as float32, 0 where they are not a number."""
    values = np.asarray(values, np.float32)
    return values if np.isfinite(values.sum()) else np.nan_to_num(values, nan=0.0)


def _bytes(values: np.ndarray) -> np.ndarray:
    """Values, cut to [0, 1], in 255 steps: uint8."""
    return cv2.multiply(values, 255.0, dtype=cv2.CV_8U)  # type: ignore[call-overload]


@lru_cache(maxsize=8)
def _opacities(alpha: float) -> np.ndarray:
    """The opacity of each of 256 strengths."""
    return np.float32(alpha) * np.sin(np.linspace(0, np.pi / 2, 256, dtype=np.float32))


def _blend(
    picture: np.ndarray, levels: np.ndarray, strengths: np.ndarray, table: np.ndarray, opacities: np.ndarray
) -> None:
    """Lay colours by levels and opacities by strengths (H, W), both uint8, over a part of a picture, in place."""
    left, top, width, height = cv2.boundingRect(strengths)  # of what is not 0
    if not width:
        return
    seen = (slice(top, top + height), slice(left, left + width))
    colours = cv2.applyColorMap(levels[seen], table[:, None])
    weights = cv2.LUT(strengths[seen], 1 - opacities), cv2.LUT(strengths[seen], opacities)
    picture[seen] = cv2.blendLinear(picture[seen], colours, *weights)  # divides by the sum of the weights, which is 1
