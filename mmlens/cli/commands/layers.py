"""``mmlens layers``: lists the layers of a model by the names that ``--target-layers`` takes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Sequence

from ..arguments import Parser, add_model, parse, positive
from ..guard import DONE, guarded
from ..job import load
from ..sources import Source, find_sources
from ..video import VideoReader

if TYPE_CHECKING:
    from ...attribution.layers import LayerInfo
    from ...models.network import Network


def build_parser() -> Parser:
    """Build the parser of ``mmlens layers``."""
    parser = Parser(
        prog='mmlens layers',
        description='List the layers of a model by the names that --target-layers takes; with a picture, their '
        'output shapes too. Without a checkpoint the weights are random.',
    )
    add_model(parser)
    parser.add_argument('--img', metavar='PIC', help='picture to run the model on, for output shapes')
    parser.add_argument('--depth', type=positive, metavar='N', help='list at most N levels of modules (default: all)')
    return parser


def format_layers(layers: Sequence[LayerInfo], depth: Optional[int] = None) -> str:
    """Set layers as a table: name, class, and output shapes if they are known.

    Args:
        layers: In the order they are listed in.
        depth: List names of at most this many steps: ``backbone.stage1[0]`` has 3. Defaults to all.
    """
    layers = [layer for layer in layers if not depth or steps(layer.name) <= depth]
    rows = [(layer.name, layer.kind, _shapes(layer)) for layer in layers]
    widths = [max(map(len, column), default=0) for column in zip(*rows)]
    return '\n'.join('  '.join(f'{text:<{width}}' for text, width in zip(row, widths)).rstrip() for row in rows)


def steps(name: str) -> int:
    """Count the steps of a layer's name from the model to the layer."""
    return name.count('.') + name.count('[') + (0 if name.startswith('[') else 1)


def print_layers(network: Network, source: Optional[Source] = None, depth: Optional[int] = None) -> int:
    """Print the layers of a model, with output shapes if there is a picture or a video's first frame.

    Returns:
        The exit status.
    """
    from ...explain.layers import list_layers

    picture = None
    if source:
        picture = next(iter(VideoReader(source.path))) if source.is_video else source.path
    print(format_layers(list_layers(network, picture), depth))
    return DONE


def _shapes(layer: LayerInfo) -> str:
    if layer.shapes is None:
        return ''
    return ', '.join('x'.join(map(str, shape)) for shape in layer.shapes) or 'not run'


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens layers``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    with tempfile.TemporaryDirectory(prefix='mmlens-') as downloads:
        source = find_sources(args.img, Path(downloads))[0] if args.img else None
        return print_layers(load(args), source, args.depth)
