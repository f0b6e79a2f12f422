"""Text with umlauts. OpenCV draws ASCII only, so the letters are Pillow's, in the font that matplotlib ships."""

from __future__ import annotations

import importlib.util
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any, List, Optional, Tuple

import numpy as np

from ..errors import MmlensError
from .colours import INK, Colour

# Tried by file name in the system's font folders for what DejaVu Sans lacks: Chinese, Japanese, Korean.
_FALLBACK_FONTS = (
    'NotoSansCJK-Regular.ttc',
    'wqy-microhei.ttc',
    'wqy-zenhei.ttc',
    'DroidSansFallbackFull.ttf',
    'msyh.ttc',
    'simhei.ttf',
    'PingFang.ttc',
    'STHeiti Medium.ttc',
    'Arial Unicode.ttf',
)
_UNASSIGNED = '\U0010ffff'


def text_size(text: str, size: int, bold: bool = False) -> Tuple[int, int]:
    """Width and height in pixels that a line of text takes.

    Args:
        text: One line.
        size: Height of the font in pixels.
        bold: Whether the line is bold.

    Returns:
        ``(width, height)``. The height depends on the size alone, so that lines align.
    """
    height, width = _letters(text, size, bold).shape
    return width, height


def put_text(
    canvas: np.ndarray, text: str, corner: Tuple[int, int], size: int, colour: Colour = INK, bold: bool = False
) -> None:
    """Write one line on a canvas, in place; what lies outside the canvas is cut off.

    Args:
        canvas: Shape (H, W, 3), uint8, BGR.
        text: One line.
        corner: ``(x, y)`` of the line's upper left corner.
        size: Height of the font in pixels.
        colour: BGR.
        bold: Whether the line is bold.
    """
    letters = _letters(text, size, bold)
    x, y = corner
    left, top = max(0, -x), max(0, -y)
    region = canvas[y + top : max(0, y + letters.shape[0]), x + left : max(0, x + letters.shape[1])]
    cover = letters[top : top + region.shape[0], left : left + region.shape[1], None]
    region[:] = np.rint(region + (np.array(colour, np.float32) - region) * cover)


def shorten(text: str, size: int, width: int, bold: bool = False) -> str:
    """The text, or as much of it as fits ``width`` pixels and an ellipsis."""
    if text_size(text, size, bold)[0] <= width:
        return text
    for end in range(len(text) - 1, 0, -1):
        candidate = text[:end].rstrip() + '…'
        if text_size(candidate, size, bold)[0] <= width:
            return candidate
    return ''


def wrap(text: str, size: int, width: int) -> List[str]:
    """Break a text into lines of at most ``width`` pixels: between words, or within one that is too wide."""
    lines: List[str] = []
    for word in text.split():
        joined = f'{lines[-1]} {word}' if lines else word
        if lines and text_size(joined, size)[0] <= width:
            lines[-1] = joined
            continue
        lines.append('')
        for letter in word:
            if lines[-1] and text_size(lines[-1] + letter, size)[0] > width:
                lines.append('')
            lines[-1] += letter
    return lines


@lru_cache(maxsize=4096)
def _letters(text: str, size: int, bold: bool) -> np.ndarray:
    """Coverage (h, w) in [0, 1] of a line; read-only, since it is shared."""
    from PIL import Image, ImageDraw

    text = ' '.join(unicodedata.normalize('NFC', text).split())
    font, text = _font_for(text, size, bold)
    ascent, descent = font.getmetrics()
    # The letters may begin left of the pen and end right of its advance.
    left, _, right, _ = (int(edge) for edge in font.getbbox(text))
    width = max(right, int(np.ceil(font.getlength(text)))) - min(left, 0)
    image = Image.new('L', (max(width, 1), ascent + descent))
    ImageDraw.Draw(image).text((-min(left, 0), 0), text, fill=255, font=font)
    letters = np.asarray(image, np.float32) / 255
    letters.flags.writeable = False
    return letters


def font_for(text: str) -> Tuple[Optional[str], str]:
    """Find a font for matplotlib to write a text with.

    Returns:
        The file of the font that has all its characters, ``None`` if matplotlib's default has; and the text, with
        ``?`` for what no font has.
    """
    font, text = _font_for(text, 16, False)
    return (None if font.path == _default_font(False) else str(font.path)), text


def _font_for(text: str, size: int, bold: bool) -> Tuple[Any, str]:
    """A font that has every character of the text; failing that, the default one and the text with ``?``."""
    default = _default_font(bold)
    for path in (default, *_FALLBACK_FONTS):
        if _font(path, size) is not None and not _undrawable(text, path):
            return _font(path, size), text
    lacking = _undrawable(text, default)
    return _font(default, size), ''.join('?' if letter in lacking else letter for letter in text)


def _default_font(bold: bool) -> str:
    found = importlib.util.find_spec('matplotlib')
    if found is None or not found.submodule_search_locations:
        raise MmlensError(
            'Labels are written in the font of matplotlib, which is missing: run `pip install matplotlib`.'
        )
    folder = Path(found.submodule_search_locations[0]) / 'mpl-data' / 'fonts' / 'ttf'
    return str(folder / ('DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'))


@lru_cache(maxsize=256)
def _font(path: str, size: int) -> Any:
    """The font, or None where the machine does not have it."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype(path, size)
    except OSError:
        return None


def _undrawable(text: str, path: str) -> str:
    """The characters of the text that the font lacks."""
    return ''.join(letter for letter in text if not letter.isspace() and not _has_glyph(letter, path))


@lru_cache(maxsize=4096)
def _has_glyph(letter: str, path: str) -> bool:
    # Pillow does not say which characters a font has, but all that are missing look the same.
    font = _font(path, 16)
    drawn, lacking = font.getmask(letter), font.getmask(_UNASSIGNED)
    return drawn.size != lacking.size or bytes(drawn) != bytes(lacking)
