"""Values of any type and range -> pixels that can be seen; and what a file says of itself before it is read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple, Optional, Tuple, Union

import cv2
import numpy as np
from PIL import Image

from ..errors import MmlensError, PictureError

# Lowest and highest value, or percentiles such as '1%'.
Bound = Union[float, str]
Window = Tuple[Bound, Bound]

MAX_PIXELS = 50_000_000
"""A larger picture is refused unless it is asked for: maps of one take gigabytes and minutes."""

# A float picture whose values stay below this has been scaled or normalised: 0..255 reaches further.
_DARK = 16.0
# Brightness and contrast carry 8 bits up to here; what reaches further had more.
_MORE_THAN_BYTES = 512.0
# Files of one of these formats may hold several pictures, of which one is read. (Phones put previews into MPO.)
_OF_SEVERAL = ('TIFF', 'GIF', 'WEBP', 'PNG')


def as_bytes(image: np.ndarray, window: Optional[Window] = None, loaded: bool = False) -> Tuple[np.ndarray, str]:
    """A picture as uint8, and what was done to its values.

    Args:
        image: Shape (H, W, C), of any number type.
        window: The values that become black and white. Defaults to 0 and 255 for what may be 8 bits, to the whole range
            of 16 bits for what uses it, and else to the picture's own lowest and highest value.
        loaded: Whether it comes from a file as it is: then whole numbers are not a scaled picture, however small.

    Raises:
        MmlensError: If the window is of two values and has no width.
    """
    if window is not None:
        return _stretched(image, *_bounds(image, window))
    if image.dtype == np.uint8:
        return image, ''
    if image.dtype == bool:
        return image.astype(np.uint8) * 255, ''
    values = np.nan_to_num(image.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if image.dtype == np.uint16 and high > np.iinfo(np.int16).max:
        return (image // 257).astype(np.uint8), ''
    if high > _MORE_THAN_BYTES or low < -_MORE_THAN_BYTES:
        return _stretched(image, low, high)
    whole = image.dtype.kind != 'f' or (loaded and bool((values == np.rint(values)).all()))
    if whole or high > _DARK:
        outside = low < -0.5 or high > 255.5
        return _rounded(values), f'values {round(low)} to {round(high)}, clipped here' if outside else ''
    if low >= -1e-3 and high <= 1 + 1e-3:
        return _rounded(values * 255), ''
    return _stretched(image, low, high)


def _bounds(image: np.ndarray, window: Window) -> Tuple[float, float]:
    def value(bound: Bound) -> float:
        if not isinstance(bound, str):
            return float(bound)
        return float(np.percentile(finite, float(bound.rstrip('%')))) if finite.size else 0.0

    finite = image[np.isfinite(image)]
    low, high = value(window[0]), value(window[1])
    # Percentiles of a picture of one value are the same: it is drawn as flat as it is.
    if not low < high and not any(isinstance(bound, str) for bound in window):
        raise MmlensError(f'`window` must begin below its end, not at {low:g} and {high:g}.')
    return low, max(low, high)


def _stretched(image: np.ndarray, low: float, high: float) -> Tuple[np.ndarray, str]:
    values = np.nan_to_num(image.astype(np.float32), posinf=high, neginf=low)
    told = f'{low:.2f} to {high:.2f}' if image.dtype.kind == 'f' and high < _MORE_THAN_BYTES else f'{low:g} to {high:g}'
    return _rounded((values - low) * (255 / max(high - low, 1e-6))), f'values {told}, stretched here'


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def visible(img: np.ndarray, window: Optional[Window] = None) -> Tuple[np.ndarray, str]:
    """A copy (H, W, 3), uint8 BGR, of whatever a loading step returned, and what it took to make it visible.

    Args:
        img: Shape (H, W) or (H, W, C), of any number type and number of channels: the first three are drawn, and of two
            the first.
        window: See :func:`as_bytes`.
    """
    image, note = as_bytes(img[..., None] if img.ndim == 2 else img, window, loaded=True)
    channels = image.shape[2]
    if channels == 2 or channels > 4:
        drawn = f'{1 if channels == 2 else 3} of {channels} channels drawn'
        note = f'{note}; {drawn}' if note else drawn
    if channels < 3:
        return cv2.cvtColor(np.ascontiguousarray(image[..., 0]), cv2.COLOR_GRAY2BGR), note
    return np.array(image[..., :3], order='C'), note


class Header(NamedTuple):
    """What a picture's file says of itself.

    Attributes:
        width, height: Pixels; 0 where the file does not tell.
        pictures: How many pictures it holds: pages or frames.
    """

    width: int = 0
    height: int = 0
    pictures: int = 1


def header_of(file: Union[str, Path]) -> Header:
    """What a picture's file says of itself, without its pixels being read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of many pixels, which are counted here
            with Image.open(file) as image:
                several = image.format in _OF_SEVERAL
                return Header(image.width, image.height, getattr(image, 'n_frames', 1) if several else 1)
    except Image.DecompressionBombError:
        return Header(2 * int(Image.MAX_IMAGE_PIXELS or 0), 1)
    except Exception:  # a file that only the config's own loader can read
        return Header()


def check_size(width: int, height: int, name: str, most: int = MAX_PIXELS) -> None:
    """Check that a picture is not too large to be explained in a minute or two.

    Raises:
        PictureError: If it is.
    """
    if width * height > most:
        raise PictureError(
            f'{name} has {width * height / 1e6:.3g} million pixels, more than the {most / 1e6:.3g} million that are '
            'taken: explaining it could take many gigabytes and minutes; scale it down, or set `max_pixels` higher.'
        )
