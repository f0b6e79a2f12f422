"""Raw maps -> normalised maps."""

from __future__ import annotations

from typing import Optional, Sequence, Union

import numpy as np
import torch
from torch import Tensor

from ..attribution.attribute import is_flat
from ..metrics.regions import pixels_in


def stretch(raw: Tensor) -> Tensor:
    """Scale a map so that its minimum is 0 and its maximum 1, as published for classes; a flat map becomes zero."""
    low, high = raw.min(), raw.max()
    return (raw - low) / (high - low) if bool(high > low) and not is_flat(raw) else torch.zeros_like(raw)


def normalise(raw: np.ndarray, out: Optional[np.ndarray] = None) -> np.ndarray:
    """Scale a map >= 0 so that its maximum is 1; an all-zero map stays zero.

    Args:
        raw: Shape (H, W).
        out: Where the result goes, such as ``raw`` itself. Defaults to a new array.
    """
    peak = float(raw.max()) if raw.size else 0.0
    if peak > 0:
        return np.divide(raw, peak, out=out).astype(np.float32, copy=False)
    return np.zeros_like(raw, dtype=np.float32)


def normalise_in_box(raw: np.ndarray, box: Union[np.ndarray, Sequence[float]]) -> np.ndarray:
    """Rescale a map to [0, 1] within a box; zero outside (MMYOLO's ``norm_in_bbox``).

    Args:
        raw: Shape (H, W), >= 0.
        box: ``x1, y1, x2, y2`` in the map's pixels; clipped to the map. A pixel lies within it if its
            centre does; in a box narrower than a pixel, if it is touched.
    """
    pixels = pixels_in(np.nan_to_num(box), raw.shape)  # a broken box has no inside
    result = np.zeros_like(raw, dtype=np.float32)
    inside = raw[pixels]
    if inside.size and inside.max() > 0:
        low = inside.min() if inside.min() < inside.max() else 0.0
        result[pixels] = (inside - low) / (inside.max() - low)
    return result
