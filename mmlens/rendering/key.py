"""A key: which class each colour stands for."""

from __future__ import annotations

from typing import List, Sequence, Tuple

import numpy as np

from .colours import INK, PAPER, Colour
from .text import put_text, shorten, text_size

KeyEntry = Tuple[str, Colour]

_LETTERS, _CHIP, _GAP = 13, 12, 6
_BETWEEN = 16


def key_strip(entries: Sequence[KeyEntry], width: int, margin: int = 0) -> np.ndarray:
    """Draw a strip with a chip and a name for each colour, in as many lines as they need.

    Args:
        entries: Names and BGR colours.
        width: Width of the strip in pixels.
        margin: Pixels that stay free left and right.

    Returns:
        Shape (:func:`key_height`, ``width``, 3), uint8, BGR.
    """
    texts, places = _placed(entries, width, margin)
    strip = np.full((key_height(entries, width, margin), width, 3), PAPER, np.uint8)
    for (x, y), text, (_, colour) in zip(places, texts, entries):
        strip[y + 2 : y + 2 + _CHIP, x : x + _CHIP] = INK
        strip[y + 3 : y + 1 + _CHIP, x + 1 : x + _CHIP - 1] = colour
        put_text(strip, text, (x + _CHIP + _GAP, y), _LETTERS)
    return strip


def key_height(entries: Sequence[KeyEntry], width: int, margin: int = 0) -> int:
    """Height in pixels of the strip that holds a key."""
    _, places = _placed(entries, width, margin)
    return max((y for _, y in places), default=0) + text_size('', _LETTERS)[1]


def _placed(entries: Sequence[KeyEntry], width: int, margin: int) -> Tuple[List[str], List[Tuple[int, int]]]:
    """The names, shortened where they are wider than the strip, and where each chip begins."""
    texts = [shorten(text, _LETTERS, width - 2 * margin - 2 * _CHIP) for text, _ in entries]
    height = text_size('', _LETTERS)[1]
    x, y, places = margin, 0, []
    for text in texts:
        step = _CHIP + _GAP + text_size(text, _LETTERS)[0]
        if x > margin and x + step > width - margin:
            x, y = margin, y + height + 4
        places.append((x, y))
        x += step + _BETWEEN
    return texts, places
