"""``mmlens layers``: lists the layers of a model by the names that ``--target-layers`` takes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import List, Optional

from ..arguments import Parser, add_model, parse, positive, words
from ..guard import guarded
from ..job import load
from ..layer_table import print_layers
from ..sources import find_sources

EXAMPLES = (
    ('mmlens layers rtmdet_tiny_8xb32-300e_coco --depth 2', 'down to the stages; random weights will do'),
    ('mmlens layers config.py --img dog.jpg', 'with the shapes of what each layer puts out'),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens layers``."""
    parser = Parser(
        prog='mmlens layers',
        parameters={'picture': 'img'},
        description='List the layers of a model by the names that --target-layers takes; with a picture, also their '
        'output shapes. Without a checkpoint the weights are random.',
        examples=EXAMPLES,
    )
    add_model(parser)
    group = parser.group('what is listed')
    group.add_argument('--img', metavar='PIC', help='picture to run the model on, to get output shapes')
    group.add_argument(
        '--depth', type=positive, metavar='N', help='depth to which nested modules are listed (default: all)'
    )
    parser.set_defaults(preview_model=True)  # weights may be random
    return parser


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens layers``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    with tempfile.TemporaryDirectory(prefix='mmlens-') as downloads:
        source = find_sources(args.img, Path(downloads))[0] if args.img else None
        return print_layers(load(args), source, args.depth, **words(args))
