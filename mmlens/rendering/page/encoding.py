"""Pictures and maps as the few bytes that a page carries."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

import cv2
import numpy as np

from ...errors import MmlensError
from ..colours import colormap_table
from ..look import Look, finite, fourth_root

# What a page offers besides the results' own.
COLORMAPS = ('plasma', 'viridis', 'inferno', 'magma', 'cividis', 'turbo', 'jet')

# Bytes: of all pictures of a page together, and the least and most of each; the same of maps, of one box a picture.
_PICTURES, _MAPS = (7_300_000, 24_000, 300_000), (640_000, 1_500, 60_000)
_COARSEST = 32  # cells on the longer side of a map, however many bytes they take

# Side and quality, the best first, and about how many bytes a pixel takes, as a share of that of the first.
_QUALITIES = (
    (1600, 85, 1.0),
    (1280, 82, 0.9),
    (960, 80, 0.83),
    (800, 76, 0.72),
    (640, 72, 0.65),
    (640, 55, 0.5),
    (480, 55, 0.5),
    (400, 45, 0.44),
    (320, 40, 0.41),
)
_SURE = 1.2  # a size that is guessed is not off by more


@dataclass(frozen=True)
class Budget:
    """How many bytes a picture may take, and how fine its maps are.

    Attributes:
        picture: Bytes.
        map: Bytes.
        side: The longer side of a map in cells, if it takes no more bytes.
    """

    picture: int = _PICTURES[2]
    map: int = _MAPS[2]
    side: int = 320

    @classmethod
    def of(cls, number: Optional[int]) -> Budget:
        """That of a page of so many pictures, ``None`` for who knows: 200 with 1000 boxes stay below 15 MB."""
        many = 200 if number is None else max(number, 1)
        side = 320 if many <= 25 else 224 if many <= 100 else 160
        picture, each = (min(max(whole // many, least), most) for whole, least, most in (_PICTURES, _MAPS))
        return cls(picture, each, side)


@dataclass(frozen=True)
class EncodedMap:
    """A map as a page carries it.

    Attributes:
        data: A WebP without loss, grey: the map on a grid of its own, or its fourth root, in steps of 1/255.
        rooted: Whether it is the root.
    """

    data: bytes
    rooted: bool


def encode_picture(picture: np.ndarray, budget: Budget) -> bytes:
    """A picture as a WebP, as large and as good as the budget allows.

    Args:
        picture: Shape (H, W, 3), uint8, BGR.
        budget: The budget.
    """
    data, guess = b'', 0.0
    for side, quality, share in _QUALITIES:
        small = _shrunk(picture, side)
        weight = small.size * share
        if guess * weight > _SURE * budget.picture and side != _QUALITIES[-1][0]:
            continue
        data = _webp(np.ascontiguousarray(small[..., ::-1]), quality=quality)
        if len(data) <= budget.picture:
            break
        guess = len(data) / weight
    return data


def encode_map(values: np.ndarray, budget: Budget, rooted: bool = False) -> EncodedMap:
    """A map in [0, 1] as a small grey picture; what is not a number counts as 0.

    Args:
        values: Shape (H, W).
        budget: Says how fine.
        rooted: Whether to keep the fourth root, in which low values are told apart better; decoded, values are within
            2/255, otherwise within 0.5/255.
    """
    data, side, values = b'', budget.side, finite(values)
    while not data or (len(data) > budget.map and side > _COARSEST):
        if data:  # bytes grow with the area, or a little less
            side = max(min(int(side * (budget.map / len(data)) ** 0.5), int(0.9 * side)), _COARSEST)
        cells = np.clip(_shrunk(values, side), 0, 1)
        grey = np.rint(255 * (fourth_root(cells) if rooted else cells)).astype(np.uint8)
        data = _webp(grey, lossless=True, quality=60)
    return EncodedMap(data, rooted)


def range_of(raw: np.ndarray, values: np.ndarray) -> Tuple[float, float]:
    """The raw values that 0 and 1 of a normalised map stand for.

    Args:
        raw: Shape (H, W).
        values: Shape (H, W): normalised, whole or within a box.
    """
    raw, values = finite(raw), finite(values)
    top = np.unravel_index(int(values.argmax()), values.shape) if values.size else None
    if top is None or not values[top] > 0:
        return 0.0, 0.0
    peak = float(raw[top])
    # A map that was stretched has another low end; a point in the middle tells.
    middle = np.unravel_index(int(np.abs(values - 0.5 * values[top]).argmin()), values.shape)
    share = float(values[middle] / values[top])
    if not 0.05 < share < 0.95:
        return 0.0, peak
    low = (float(raw[middle]) - share * peak) / (1 - share)
    return (low if abs(low) > 0.01 * abs(peak) else 0.0), peak


def colour_tables(looks: Any) -> Dict[str, np.ndarray]:
    """The colour maps that a page offers, by name: shape (256, 3), uint8, RGB. Those of ``looks`` come first."""
    names = dict.fromkeys([*(look.colormap for look in looks), *COLORMAPS, Look.of('', None, None, True).colormap])
    return {name: colormap_table(name)[:, ::-1] for name in names}


def _shrunk(values: np.ndarray, side: int) -> np.ndarray:
    height, width = values.shape[:2]
    scale = side / max(height, width, 1)
    if scale >= 1:
        return values
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA)


def _webp(pixels: np.ndarray, **options: Any) -> bytes:
    from PIL import Image

    held = io.BytesIO()
    try:
        Image.fromarray(pixels).save(held, 'WEBP', method=4, **options)
    except (KeyError, OSError) as error:
        raise MmlensError('This Pillow cannot write WebP, which pages hold: pip install --upgrade pillow.') from error
    return held.getvalue()
