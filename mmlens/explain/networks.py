"""Opens networks: the one place that every front door, hook and command comes through."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Dict, Optional, Union, cast

from torch import nn

from .. import compat
from ..errors import MmlensError
from ..model_names import find_model, is_name
from ..models.classifier import Classifier
from ..models.detector import Detector
from ..models.families import as_network
from ..models.loading import ConfigLike, load_model, read_config
from ..models.network import Network
from ..models.pixels import Window
from ..models.weights import check_given
from ..pipelines import resize_only as with_resize_only

NetworkLike = Union[ConfigLike, nn.Module, Network]


def open_network(
    model: NetworkLike,
    checkpoint: Optional[Union[str, Path]] = None,
    *,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    resize_only: bool = False,
    family: Optional[str] = None,
    random_weights: Optional[bool] = None,
    window: Optional[Window] = None,
    max_pixels: Optional[int] = None,
) -> Network:
    """Open a network of any family: load what a config describes, or take what is loaded.

    Args:
        model: Config file, name of a model of an installed package (``rtmdet_tiny_8xb32-300e_coco``), path inside one
            (``mmdet::...``), or Config; a model that its library's own function built; or what this function returned.
        checkpoint: File or URL of the weights, for a config. Defaults to those that the package names for a model that
            was given by its name, which are downloaded once; else to the config's ``load_from``; random weights if
            there is neither. Weights that lie in an entry like ``'model'``, or whose names begin with a
            prefix, are loaded where they fit entirely, with a note.
        device: Such as ``'cuda:0'``, for a config. Defaults to CUDA if there is any.
        cfg_options: Values of the config to override, by dotted keys.
        resize_only: Stretch pictures to the input size instead of padding them; see
            :func:`mmlens.pipelines.resize_only`.
        family: ``'detector'``, ``'classifier'``, ``'segmentor'``, ``'pose'`` or ``'network'`` (anything else).
            Defaults to what the model is and says of itself.
        random_weights: Whether weights that no checkpoint gives may be random: ``True`` lets a checkpoint lack a
            head, with a note, and ``False`` asks for a checkpoint. Defaults to all weights or, without a checkpoint,
            none.
        window: The values of a picture of more than 8 bits that are drawn black and white, or percentiles such as
            ``('1%', '99%')``. Defaults to the range of the picture. The network sees what its config makes of it.
        max_pixels: Larger pictures are refused: they take gigabytes. Defaults to 50 million.

    Returns:
        The network, to explain many pictures.

    Raises:
        MmlensError: With one sentence on what is wrong (config, checkpoint, device, family); NaN and infinite weights
            are wrong too, of a checkpoint and of a model alike.

    Example:
        >>> from mmlens import feature_maps, open_network
        >>> network = open_network('mmdet::yolox/yolox_nano_8xb8-300e_coco.py', 'yolox_nano.pth')
        >>> network.family
        'detector'
        >>> feature_maps(network, 'dog.jpg', layers=['neck']).draw()
    """
    if not isinstance(model, (Network, nn.Module)):
        cfg = read_config(model, cfg_options)
        cfg = with_resize_only(cfg) if resize_only else cfg
        weights = checkpoint or _weights_of_name(model, random_weights) or cfg.get('load_from')
        loaded = load_model(cfg, str(weights) if weights else None, device, random_weights)
        network = as_network(loaded, family=family)
        network.pipeline.window = window
        network.pipeline.max_pixels = max_pixels or network.pipeline.max_pixels
        return network
    if checkpoint or device or cfg_options or resize_only or window or max_pixels or random_weights is not None:
        raise MmlensError(
            '`checkpoint`, `device`, `cfg_options`, `resize_only`, `random_weights`, `window` and `max_pixels` go with '
            'a config, not with a loaded model.'
        )
    network = _given(model, family)
    check_given(network.model)
    return network


def _given(model: Union[nn.Module, Network], family: Optional[str]) -> Network:
    if not isinstance(model, Network):
        return as_network(model, family=family)
    if family in (None, model.family):
        return model
    return as_network(model.model, cfg=model.cfg, dataset_meta=model.dataset_meta, family=family)


def _weights_of_name(model: Any, random_weights: Optional[bool]) -> Optional[str]:
    named = isinstance(model, str) and not random_weights and is_name(model)
    return find_model(model).weights if named else None


def open_detector(model: NetworkLike, checkpoint: Optional[Union[str, Path]] = None, **options: Any) -> Detector:
    """Open a network that must be a detector; see :func:`open_network`.

    Raises:
        ModelError: If it is not; the sentence says what it is, and which function takes it.
    """
    network = open_network(model, checkpoint, **options)
    network.require('boxes')
    return cast(Detector, network)


def open_classifier(model: NetworkLike, checkpoint: Optional[Union[str, Path]] = None, **options: Any) -> Classifier:
    """Open a network that must be a classifier; see :func:`open_network`.

    Raises:
        ModelError: If it is not; the sentence says what it is, and which function takes it.
    """
    network = open_network(model, checkpoint, **options)
    network.require('classes')
    return cast(Classifier, network)


def load_detector(
    config: ConfigLike,
    checkpoint: Optional[Union[str, Path]] = None,
    *,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    resize_only: bool = False,
    random_weights: Optional[bool] = None,
) -> Detector:
    """Load a detector once, to explain many pictures; for the arguments see :func:`open_network`.

    Raises:
        MmlensError: With one sentence on what is wrong (config, checkpoint, device), or if it is no detector.
    """
    return open_detector(
        config,
        checkpoint,
        device=device,
        cfg_options=cfg_options,
        resize_only=resize_only,
        random_weights=random_weights,
    )


def load_classifier(
    config: ConfigLike,
    checkpoint: Optional[Union[str, Path]] = None,
    *,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    random_weights: Optional[bool] = None,
) -> Classifier:
    """Load a classifier once, to explain many pictures; for the arguments see :func:`open_network`.

    Raises:
        MmlensError: With one sentence on what is wrong (config, checkpoint, device), or if it is no classifier.
    """
    return open_classifier(config, checkpoint, device=device, cfg_options=cfg_options, random_weights=random_weights)


@functools.lru_cache(maxsize=None)  # asking the installed packages takes as long as a small model
def installed_versions() -> Dict[str, str]:
    """Versions of the packages that make maps, by import name."""
    return compat.versions()
