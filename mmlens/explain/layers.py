"""The layers of a network, by the names that users write."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Optional, Sequence, Tuple

from torch import nn

from ..attribution import layers as layer_names
from ..attribution.layer_sets import last_of_strides
from ..attribution.layers import LayerInfo
from ..attribution.restore import unchanged
from ..errors import MmlensError, noted
from ..models.inputs import Picture
from ..models.network import Network
from ..models.prepared import Prepared
from ..models.words import Text
from .networks import NetworkLike, open_network


@noted
def list_layers(
    model: NetworkLike,
    picture: Optional[Picture] = None,
    *,
    family: Optional[str] = None,
    text: Optional[Text] = None,
    custom_entities: Optional[bool] = None,
) -> List[LayerInfo]:
    """List the layers that can be named; of a picture also their output shapes, and which are those of ``auto``.

    Args:
        model: A model of any family, a config (the weights are random), or what :func:`open_network` returned.
        picture: See :func:`mmlens.explain_boxes`.
        family: See :func:`open_network`.
        text, custom_entities: See :func:`mmlens.explain_boxes`.

    Raises:
        MmlensError: With one sentence on what is wrong.

    Example:
        >>> from mmlens import list_layers
        >>> [(layer.name, layer.shapes) for layer in list_layers(model, 'dog.jpg') if layer.name == 'neck']
        [('neck', [(1, 64, 52, 52), (1, 64, 26, 26), (1, 64, 13, 13)])]
    """
    if picture is None and isinstance(model, nn.Module):
        return layer_names.list_layers(model)
    network = open_network(model, family=family)
    if picture is None:
        return layer_names.list_layers(network.model)

    extra_tokens = network.extra_tokens if network.family == 'classifier' else None
    with unchanged(network.model):  # the pipeline may draw random numbers
        prepared = network.prepare(picture, text=text, custom_entities=custom_entities)
        auto = auto_layers(network, prepared, extra_tokens)
        listed = layer_names.list_layers(network.model, lambda: network.run(prepared))
    return [replace(layer, auto=layer.name in auto) for layer in listed]


def auto_layers(network: Network, prepared: Prepared, extra_tokens: Optional[int] = None) -> Tuple[str, ...]:
    """The layers that ``auto`` stands for, found once a network in one traced pass.

    They are the last layer of every stride of the backbone, from the finest on, and then what the head reads: the neck,
    and the encoder of a DETR. The backbone's coarsest stride is left out where a neck follows, which has its features.

    Args:
        network: The network.
        prepared: A picture.
        extra_tokens: See :meth:`~mmlens.attribution.tap.Tap.levels`.
    """
    if network.auto_layers is None:
        network.auto_layers = _find_auto_layers(network, prepared, extra_tokens)
    return network.auto_layers


def _find_auto_layers(network: Network, prepared: Prepared, extra_tokens: Optional[int]) -> Tuple[str, ...]:
    model = network.model
    reads = [name for name in ('neck', 'encoder') if isinstance(getattr(model, name, None), nn.Module)]
    if getattr(model, 'backbone', None) is None:
        return network.default_layers
    found = last_of_strides(model, 'backbone', lambda: network.run(prepared), prepared.input_size, extra_tokens)
    names = [layer.name for layer in (found[:-1] if reads and len(found) > 1 else found)]
    return (*names, *reads)


def named_layers(layers: Sequence[str]) -> Tuple[str, ...]:
    """Names of layers, each once.

    Raises:
        MmlensError: If there is none.
    """
    names = (layers,) if isinstance(layers, str) else tuple(layers)
    if not names:
        raise MmlensError('`layers` names no layer: give at least one.')
    return tuple(dict.fromkeys(names))
