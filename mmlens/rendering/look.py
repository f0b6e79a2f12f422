"""How the values of maps become colours: for what speaks for something, and for what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, List, Optional, Tuple

import numpy as np

from ..errors import MmlensError
from .blend import blend_map, blend_signed, check_alpha
from .colours import BLUE_RED, SEQUENTIAL, colormap_table
from .key import KeyEntry
from .panels import ColourBar

# A product of maps falls off so steeply that most of what it shows would be too faint to be seen.
_STEEP = ('product',)
_ALPHA, _ALPHA_IF_STEEP = 0.5, 0.75

NOTHING_AGAINST = 'nothing at these layers does'


@dataclass(frozen=True)
class Look:
    """How the maps of one explanation are drawn.

    Attributes:
        colormap: See :func:`~mmlens.rendering.colours.colormap_table`.
        alpha: Opacity in [0, 1] where a map is 1.
        rooted: Whether colours and opacity follow the fourth root of a map, as its colour bar then says.
        signed: Whether maps have values in [-1, 1], with what speaks against something below 0.
    """

    colormap: str
    alpha: float
    rooted: bool = False
    signed: bool = False

    @classmethod
    def of(cls, fusion: str, colormap: Optional[str], alpha: Optional[float], signed: bool = False) -> Look:
        """The look of maps that were made by a fusion.

        Args:
            fusion: Its name; empty for maps that were not fused.
            colormap: Name of a colour map; ``None`` for the one that suits the values.
            alpha: Opacity; ``None`` for 0.5, or 0.75 for maps that show in few places only.
            signed: See the class.

        Raises:
            MmlensError: If the colour map is unknown, or the opacity out of range.
        """
        steep, name = fusion in _STEEP, colormap or (BLUE_RED if signed else SEQUENTIAL)
        opacity = (_ALPHA_IF_STEEP if steep else _ALPHA) if alpha is None else check_alpha(alpha)
        colormap_table(name)
        return cls(name, opacity, steep, signed)

    def values(self, each: Any) -> np.ndarray:
        """What is drawn of the map of a box or class, shape (H, W): the map, or what speaks for it minus against it."""
        values = finite(each.normalised)
        return values - finite(each.counter) if self.signed and each.counter is not None else values

    def part(self, each: Any) -> Tuple[np.ndarray, Tuple[int, int]]:
        """The part of a box's :meth:`values` that is not 0, as far as that is known, its upper row and left column."""
        if self.signed:
            return self.values(each), (0, 0)
        values, corner = each.part()
        return finite(values), corner

    def shown(self, values: np.ndarray) -> np.ndarray:
        """What colours and opacity follow: the map (H, W), or the fourth root of its values with their signs."""
        return fourth_root(values) if self.rooted else values

    def lay(self, picture: np.ndarray, values: np.ndarray) -> np.ndarray:
        """A new picture with a map (H, W) laid over it."""
        lay = blend_signed if self.signed else blend_map
        return lay(picture, self.shown(values), self.colormap, self.alpha)

    @property
    def bar(self) -> ColourBar:
        """The key to the colours."""
        half = '0.0625' if self.rooted else '0.5'  # the root of 0.0625 lies halfway
        ticks: Tuple[str, ...] = ('0', half, '1')
        return ColourBar(self.colormap, ('-1', f'-{half}', *ticks) if self.signed else ticks)

    def ends(self, name: str, against: str) -> List[KeyEntry]:
        """What the two ends of the bar of a signed map stand for.

        Args:
            name: The class that is explained.
            against: What it was contrasted with; empty if it was not.
        """
        table = colormap_table(self.colormap)
        texts = (f'for {against}' if against else f'against {name}', f'for {name}')
        return [(text, tuple(colour.tolist())) for text, colour in zip(texts, (table[0], table[-1]))]


def fourth_root(values: np.ndarray) -> np.ndarray:
    """The fourth root of values, with their signs."""
    return np.copysign(np.sqrt(np.sqrt(np.abs(values))), values)


def finite(values: np.ndarray) -> np.ndarray:
    """A map as float32, 0 where it is not a number."""
    values = np.asarray(values, np.float32)
    # A sum takes a tenth of the time of looking at each value.
    return values if np.isfinite(values.sum()) else np.nan_to_num(values, nan=0.0)


def contrasted_name(name: str, against: str) -> str:
    """A class with what it was contrasted with: ``zebra 0.97, not giraffe``."""
    return f'{name}, not {against}' if against else name


def counter_title(name: str, against: str) -> str:
    """What a map of the other direction shows."""
    return contrasted_name(against, name) if against else f'what speaks against {name}'


def check_counters(maps: Iterable[Any], explain: str) -> None:
    """Check that it is known what speaks against some box or class.

    Args:
        maps: Maps of boxes or classes.
        explain: The function that made them.

    Raises:
        MmlensError: If it is not.
    """
    if all(each.counter is None for each in maps):
        raise MmlensError(
            f'It is not known what speaks against what was explained: ask `{explain}()` for `signed`, with a method of '
            'gradients.'
        )
