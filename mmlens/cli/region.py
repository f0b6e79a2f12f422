"""``--region``: the pixels over which a mask is explained, read from a picture."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Optional

from ..errors import MmlensError
from ..files import check_is_file

if TYPE_CHECKING:
    import numpy as np

    from .arguments import Parser


def add_region(parser: Parser) -> None:
    """Add ``--region``; :func:`region_of` reads it."""
    parser.group('what to look at').add_argument(
        '--region',
        metavar='FILE',
        help='with --target mask: a picture of the same size that is black where the mask does not count (default: all '
        'of the predicted mask counts)',
    )


def region_of(args: argparse.Namespace) -> Optional[np.ndarray]:
    """The region (H, W), bool, that ``--region`` names.

    Raises:
        MmlensError: If no mask is explained, or the file is no picture or black everywhere.
    """
    if args.region is None:
        return None
    if args.target != 'mask':
        raise MmlensError('--region is where a mask is explained: it needs --target mask.')
    check_is_file(args.region, 'picture')
    import cv2
    import numpy as np

    try:
        data = np.fromfile(args.region, np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    except (OSError, cv2.error):
        picture = None
    if picture is None:
        raise MmlensError(f'--region {args.region} cannot be read as a picture: give a PNG.')
    colours = picture if picture.ndim == 2 else picture[..., : 1 if picture.shape[2] == 2 else 3].max(2)
    if not colours.any():
        raise MmlensError(f'--region {args.region} is black everywhere: leave the pixels that count white.')
    return colours > 0
