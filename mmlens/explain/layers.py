"""The layers of a network, by the names that users write."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple, Union

from torch import nn

from ..attribution import layers as layer_names
from ..attribution.layers import LayerInfo
from ..attribution.methods import PassMethod
from ..errors import LayerError, MmlensError
from ..models.detector import Detector
from ..models.inputs import Picture
from ..models.network import Network


def list_layers(model: Union[nn.Module, Network], picture: Optional[Picture] = None) -> List[LayerInfo]:
    """List the layers that can be named, with their output shapes if a picture is given.

    Args:
        model: A model, or what :func:`load_detector` or :func:`load_classifier` returned (needed for
            the shapes of anything but a detector).
        picture: File name, or (H, W, 3) uint8 BGR.
    """
    if picture is None:
        return layer_names.list_layers(model.model if isinstance(model, Network) else model)
    network = model if isinstance(model, Network) else Detector(model)
    return layer_names.list_layers(network.model, lambda: network.run(network.prepare(picture)))


def check_black_box(method: PassMethod, layers: Optional[Sequence[str]]) -> None:
    """Check that no layers were named for a method that looks at none.

    Raises:
        LayerError: If some were.
    """
    if layers is not None:
        raise LayerError(f"Method '{method.name}' takes the network as a black box and looks at no layer: name none.")


def named_layers(layers: Sequence[str]) -> Tuple[str, ...]:
    """Names of layers, each once.

    Raises:
        MmlensError: If there is none.
    """
    names = (layers,) if isinstance(layers, str) else tuple(layers)
    if not names:
        raise MmlensError('No layer was named: give at least one.')
    return tuple(dict.fromkeys(names))
