"""Options for how pictures are read: which of their values are seen, and how large they may be."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any, Dict, Optional

from ..errors import MmlensError

if TYPE_CHECKING:
    from ..models.pixels import Bound, Window
    from .arguments import Parser


def add_reading(parser: Parser) -> None:
    """Add ``--window`` and ``--max-pixels``; :func:`reading` reads them."""
    group = parser.group('model')
    add_window(group, 'what the network sees is up to its config')
    group.add_argument(
        '--max-pixels', type=_pixels, metavar='N', help='refuse larger pictures, which take gigabytes (default: 50e6)'
    )


def add_window(group: argparse._ActionsContainer, unchanged: str) -> None:
    """Add ``--window``, whose help ends with what it leaves ``unchanged``; :func:`window_of` reads it."""
    group.add_argument(
        '--window',
        nargs=2,
        type=bound,
        metavar=('LOW', 'HIGH'),
        help='values of pictures of more than 8 bits that are drawn black and white, or percentiles such as 1%% 99%% '
        f'(default: the range of the picture); {unchanged}',
    )


def window_of(args: argparse.Namespace) -> Optional[Window]:
    """The value of ``--window``.

    Raises:
        MmlensError: If it ends where it begins, or before.
    """
    if not args.window:
        return None
    low, high = args.window
    if type(low) is type(high) and not _number(low) < _number(high):
        raise MmlensError(f'--window must begin below its end, not at {_told(low)} and {_told(high)}.')
    return low, high


def _told(bound: Bound) -> str:
    return bound if isinstance(bound, str) else f'{bound:g}'


def _number(bound: Bound) -> float:
    return float(bound.rstrip('%')) if isinstance(bound, str) else bound


def reading(args: argparse.Namespace) -> Dict[str, Any]:
    """The values of these options, by parameter of :func:`mmlens.open_network`."""
    return dict(window=window_of(args), max_pixels=args.max_pixels)


def bound(text: str) -> Bound:
    """Read a value, or a percentile from 0% to 100%."""
    try:
        value = float(text[:-1] if text.endswith('%') else text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (text.endswith('%') and not 0 <= value <= 100):
        raise argparse.ArgumentTypeError(f'{text!r} is neither a value nor a percentile from 0% to 100%')
    return text if text.endswith('%') else value


def _pixels(text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 1e12:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of pixels, such as 50e6')
    return int(value)
