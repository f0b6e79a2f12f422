"""Colours: one for every class, and colour maps to draw maps with."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import Dict, List, Sequence, Tuple

import cv2
import numpy as np

from ..errors import MmlensError

Colour = Tuple[int, int, int]

PAPER: Colour = (255, 255, 255)
INK: Colour = (38, 34, 32)
GREY: Colour = (118, 110, 106)
FRAME: Colour = (214, 210, 208)

BLUE_RED = 'blue-red'  # the colour map for values of both signs
# The colour map for all other values. It gets lighter all the way, and so do maps in it over a picture, from the middle
# on: 1 never looks darker than 0.5, as it does in turbo and jet, whose red ends are dark.
SEQUENTIAL = 'plasma'

# Okabe and Ito's colours for colour-blind readers, without black, which is the halo here, and three more that
# remain distinct from them, also in simulated red- and green-blindness.
_PALETTE_RGB = (
    (230, 159, 0),
    (86, 180, 233),
    (204, 121, 167),
    (0, 158, 115),
    (213, 94, 0),
    (0, 114, 178),
    (240, 228, 66),
    (255, 255, 255),
    (128, 0, 128),
    (170, 255, 195),
)
_SHADES = (1.0, 0.62, 0.36)
PALETTE: Tuple[Colour, ...] = tuple((b, g, r) for r, g, b in _PALETTE_RGB)


def label_colours(labels: Sequence[int]) -> List[Colour]:
    """One colour per class, the same class in the same colour.

    A class keeps its colour from picture to picture (its index picks it), unless another class of the
    same picture has taken that colour already: then it gets the next free one.

    Args:
        labels: N class indexes.

    Returns:
        N BGR colours. Two classes share a colour only if there are more classes than colours.
    """
    known = sorted({int(label) for label in labels})
    chosen: Dict[int, int] = {}
    for label in known:
        if label % len(PALETTE) not in chosen.values():
            chosen[label] = label % len(PALETTE)
    for label in known:
        wishes = [(label + step) % len(PALETTE) for step in range(len(PALETTE))]
        chosen.setdefault(label, next((wish for wish in wishes if wish not in chosen.values()), wishes[0]))
    return [PALETTE[chosen[int(label)]] for label in labels]


def segment_colours(labels: Sequence[int]) -> List[Colour]:
    """One colour per class, for more classes than :func:`label_colours` has colours.

    Args:
        labels: N class indexes.

    Returns:
        N BGR colours: those of :func:`label_colours`, and darker shades for classes whose colour is taken.
    """
    chosen: Dict[int, Colour] = {}
    times: Dict[Colour, int] = {}
    known = list(dict.fromkeys(labels))
    for label, colour in zip(known, label_colours(known)):
        shade = _SHADES[times.get(colour, 0) % len(_SHADES)]
        times[colour] = times.get(colour, 0) + 1
        blue, green, red = (round(shade * channel) for channel in colour)
        chosen[label] = (blue, green, red)
    return [chosen[label] for label in labels]


def text_colour(background: Colour) -> Colour:
    """Dark ink or white, whichever has the higher contrast (WCAG's ratio) on a BGR background."""
    light = _luminance(background)
    on_white = (1.0 + 0.05) / (light + 0.05)
    on_ink = (light + 0.05) / (_luminance(INK) + 0.05)
    return INK if on_ink >= on_white else PAPER


def _luminance(colour: Colour) -> float:
    """Relative luminance of a BGR colour in [0, 1]."""
    channels = np.array(colour[::-1], np.float64) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@lru_cache(maxsize=None)
def colormap_table(name: str) -> np.ndarray:
    """A colour map as a table.

    Args:
        name: Any colour map of OpenCV (``'plasma'``, ``'turbo'``, ``'jet'``, ...; case-insensitive) or of
            matplotlib (``'magma_r'``, ``'coolwarm'``, ...), or ``'blue-red'``, with white in the middle.

    Returns:
        Shape (256, 3), uint8, BGR, read-only: from the colour of 0 to that of 1.

    Raises:
        MmlensError: If there is no colour map of that name.
    """
    # matplotlib last: it takes a quarter of a second to import.
    code = _opencv_colormaps().get(str(name).lower())
    if code is not None:
        table = cv2.applyColorMap(np.arange(256, dtype=np.uint8), code)[:, 0]
    elif str(name).lower() == BLUE_RED:
        table = _blue_red()
    else:
        table = _matplotlib_table(str(name))
    table.flags.writeable = False
    return table


def _blue_red() -> np.ndarray:
    """Clear colours near the middle already, since the middle is drawn with little opacity."""
    rgb = np.array([(28, 38, 190), (38, 110, 250), (255, 255, 255), (255, 84, 40), (190, 0, 28)], np.float64)
    places = np.linspace(0, 1, len(rgb))
    channels = [np.interp(np.linspace(0, 1, 256), places, channel) for channel in rgb.T[::-1]]
    return np.rint(np.stack(channels, 1)).astype(np.uint8)


def _opencv_colormaps() -> Dict[str, int]:
    prefix = 'COLORMAP_'
    return {name[len(prefix) :].lower(): getattr(cv2, name) for name in dir(cv2) if name.startswith(prefix)}


def _matplotlib_table(name: str) -> np.ndarray:
    import matplotlib

    known = {known.lower(): known for known in matplotlib.colormaps}
    if name.lower() not in known:
        names = sorted({*known, *_opencv_colormaps(), BLUE_RED})
        near = difflib.get_close_matches(name.lower(), names, n=3) or [SEQUENTIAL, 'turbo', 'jet']
        raise MmlensError(f"Unknown colour map '{name}': did you mean {' or '.join(near)}?")
    rgba = matplotlib.colormaps[known[name.lower()]](np.linspace(0, 1, 256))
    return np.ascontiguousarray(np.rint(rgba[:, 2::-1] * 255).astype(np.uint8))
