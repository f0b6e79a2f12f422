"""The families of networks, and which of them a model belongs to."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Type

from mmengine.config import Config
from torch import nn

from ..errors import ModelError
from .classifier import Classifier
from .detector import Detector
from .network import Network
from .pose import PoseEstimator
from .segmentor import Segmentor
from .wrappers import predicting_part

FAMILIES: List[Type[Network]] = [Segmentor, PoseEstimator, Detector, Classifier, Network]
"""The most specific first; the last one takes any model."""


def family_of(model: nn.Module, family: Optional[str] = None) -> Type[Network]:
    """Which class runs a model.

    Args:
        model: A model; of a wrapper, the part that predicts counts.
        family: Name of a family, to overrule what the model says of itself.

    Raises:
        ModelError: If there is no such family, or the model is not one of OpenMMLab's.
    """
    by_name = {each.family: each for each in FAMILIES}
    if family is not None and family not in by_name:
        raise ModelError(f"There is no family '{family}': choose {', '.join(by_name)}.")
    if family is not None:
        return by_name[family]
    part = predicting_part(model).model
    found = next((each for each in FAMILIES if each.runs(part)), None)
    if found is None:
        raise ModelError(f'{type(part).__name__} is not {Network.kind}.')
    return found


def as_network(
    model: nn.Module,
    cfg: Optional[Config] = None,
    dataset_meta: Optional[Dict[str, Any]] = None,
    family: Optional[str] = None,
) -> Network:
    """Take a loaded model with its test pipeline, as the class of its family.

    Args:
        model: With ``cfg``, and ``dataset_meta`` if the class names are known; wrappers are explained through the part
            that predicts.
        cfg, dataset_meta: See :class:`~mmlens.models.network.Network`.
        family: See :func:`family_of`.

    Raises:
        ModelError: If the model carries no config, or is not one of OpenMMLab's.
    """
    return family_of(model, family)(model, cfg=cfg, dataset_meta=dataset_meta)
