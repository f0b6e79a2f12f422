"""Loads a network, or takes one that is loaded."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Dict, Optional, Union

from torch import nn

from .. import compat
from ..errors import MmlensError
from ..models.classifier import Classifier
from ..models.detector import Detector
from ..models.loading import ConfigLike, load_model, read_config

DetectorLike = Union[ConfigLike, nn.Module, Detector]
ClassifierLike = Union[ConfigLike, nn.Module, Classifier]


def load_detector(
    config: ConfigLike,
    checkpoint: Optional[Union[str, Path]] = None,
    *,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    resize_only: bool = False,
) -> Detector:
    """Load a detector once, to explain many pictures.

    Args:
        config: Config file, name inside an installed package (``mmdet::...``), or Config.
        checkpoint: File or URL of the weights. Defaults to the config's ``load_from``; random
            weights if there is neither.
        device: Such as ``'cuda:0'``. Defaults to CUDA if there is any.
        cfg_options: Values of the config to override, by dotted keys.
        resize_only: Stretch pictures to the input size instead of padding them; see
            :func:`mmlens.pipelines.resize_only`.

    Raises:
        MmlensError: With one sentence on what is wrong (config, checkpoint, device).
    """
    cfg = read_config(config, cfg_options)
    if resize_only:
        from ..pipelines import resize_only as patch

        cfg = patch(cfg)
    weights = checkpoint or cfg.get('load_from')
    return Detector(load_model(cfg, str(weights) if weights else None, device))


def load_classifier(
    config: ConfigLike,
    checkpoint: Optional[Union[str, Path]] = None,
    *,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
) -> Classifier:
    """Load a classifier once, to explain many pictures.

    Args:
        config: Config file, name inside an installed package (``mmpretrain::...``), or Config.
        checkpoint: File or URL of the weights. Defaults to the config's ``load_from``; random
            weights if there is neither.
        device: Such as ``'cuda:0'``. Defaults to CUDA if there is any.
        cfg_options: Values of the config to override, by dotted keys.

    Raises:
        MmlensError: With one sentence on what is wrong (config, checkpoint, device).
    """
    return Classifier(_load(config, checkpoint, device, cfg_options))


def load_classifier_or_detector(
    config: ConfigLike,
    checkpoint: Optional[Union[str, Path]] = None,
    *,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
) -> Union[Classifier, Detector]:
    """Load what a config describes, be it a classifier or not; see :func:`load_classifier`."""
    model = _load(config, checkpoint, device, cfg_options)
    return Classifier(model) if Classifier.runs(model) else Detector(model)


def _load(
    config: ConfigLike,
    checkpoint: Optional[Union[str, Path]],
    device: Optional[str],
    cfg_options: Optional[Dict[str, Any]],
) -> nn.Module:
    cfg = read_config(config, cfg_options)
    weights = checkpoint or cfg.get('load_from')
    return load_model(cfg, str(weights) if weights else None, device)


def as_detector(
    model: DetectorLike,
    checkpoint: Optional[Union[str, Path]],
    device: Optional[str],
    cfg_options: Optional[Dict[str, Any]],
    resize_only: bool,
) -> Detector:
    """The detector that the front door was given, loaded if it is a config.

    Raises:
        MmlensError: If what goes with a config comes with a loaded model.
    """
    if not isinstance(model, (Detector, nn.Module)):
        return load_detector(model, checkpoint, device=device, cfg_options=cfg_options, resize_only=resize_only)
    if checkpoint or device or cfg_options or resize_only:
        raise MmlensError('checkpoint, device, cfg_options and resize_only go with a config, not with a loaded model.')
    return model if isinstance(model, Detector) else Detector(model)


def as_classifier(
    model: ClassifierLike,
    checkpoint: Optional[Union[str, Path]],
    device: Optional[str],
    cfg_options: Optional[Dict[str, Any]],
) -> Classifier:
    """The classifier that the front door was given, loaded if it is a config; see :func:`as_detector`."""
    if not isinstance(model, (Classifier, nn.Module)):
        return load_classifier(model, checkpoint, device=device, cfg_options=cfg_options)
    if checkpoint or device or cfg_options:
        raise MmlensError('checkpoint, device and cfg_options go with a config, not with a loaded model.')
    return model if isinstance(model, Classifier) else Classifier(model)


@functools.lru_cache(maxsize=None)  # asking the installed packages takes as long as a small model
def installed_versions() -> Dict[str, str]:
    """Versions of the packages that make maps, by import name."""
    return compat.versions()
