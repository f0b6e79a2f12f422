"""Options for how pictures are read: which of their values are seen, and how large they may be."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any, Dict, Union

if TYPE_CHECKING:
    from .arguments import Parser


def add_reading(parser: Parser) -> None:
    """Add ``--window`` and ``--max-pixels``; :func:`reading` reads them."""
    group = parser.group('model')
    group.add_argument(
        '--window',
        nargs=2,
        type=bound,
        metavar=('LOW', 'HIGH'),
        help='values of pictures of more than 8 bits that are drawn black and white, or percentiles such as 1%% 99%% '
        '(default: the range of the picture); what the network sees is up to its config',
    )
    group.add_argument(
        '--max-pixels', type=_pixels, metavar='N', help='refuse larger pictures, which take gigabytes (default: 50e6)'
    )


def reading(args: argparse.Namespace) -> Dict[str, Any]:
    """The values of these options, by parameter of :func:`mmlens.open_network`."""
    return dict(window=tuple(args.window) if args.window else None, max_pixels=args.max_pixels)


def bound(text: str) -> Union[float, str]:
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
