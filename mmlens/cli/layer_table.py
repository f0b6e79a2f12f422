"""The table of layers: ``mmlens layers``, and every command with ``--preview-model``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Sequence

from .guard import DONE
from .sources import Source
from .verbosity import answering
from .video import VideoReader

if TYPE_CHECKING:
    from ..attribution.layers import LayerInfo
    from ..models.network import Network


def format_layers(layers: Sequence[LayerInfo], depth: Optional[int] = None) -> str:
    """Format layers as a table: name, class, and output shapes if known; a star marks the layers of ``auto``.

    Args:
        layers: In the order to list them.
        depth: List only names of at most this many steps; ``backbone.stage1[0]`` has 3. Defaults to all.
    """
    layers = [layer for layer in layers if not depth or steps(layer.name) <= depth]
    rows = [(layer.name + (' *' if layer.auto else ''), layer.kind, _shapes(layer)) for layer in layers]
    widths = [max(map(len, column), default=0) for column in zip(*rows)]
    return '\n'.join('  '.join(f'{text:<{width}}' for text, width in zip(row, widths)).rstrip() for row in rows)


def steps(name: str) -> int:
    """Number of steps from the model to a layer, by its name."""
    return name.count('.') + name.count('[') + (0 if name.startswith('[') else 1)


def print_layers(network: Network, source: Optional[Source] = None, depth: Optional[int] = None, **words: Any) -> int:
    """Print the layers of a model, with output shapes if there is a picture, or a video whose first frame is used.

    Args:
        network: The network.
        source: The picture or video.
        depth: See :func:`format_layers`.
        **words: What an open-vocabulary network should look for.

    Returns:
        The exit status.
    """
    from ..explain.layers import list_layers

    picture = None
    if source:
        picture = next(iter(VideoReader(source.path))) if source.is_video else source.path
    layers = list_layers(network, picture, **words)
    with answering():
        print(format_layers(layers, depth))
        if any(layer.auto for layer in layers):
            print('* a layer of auto, the last one of every stride')
    return DONE


def _shapes(layer: LayerInfo) -> str:
    if layer.shapes is None:
        return ''
    return ', '.join('x'.join(map(str, shape)) for shape in layer.shapes) or 'not run'
