"""The front door for feature maps: what layers return for a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Union

import numpy as np
import torch
from torch import nn

from ..attribution.layers import resolve_layers
from ..attribution.tap import Level, Tap
from ..errors import MmlensError
from ..models.detector import Predictions
from ..models.inputs import Picture
from ..models.network import Network, Prepared
from ..results.features import FeatureMap, FeatureMaps
from ..results.predicted import Predicted
from .boxes import select_detections
from .layers import named_layers
from .networks import DetectorLike, as_detector, installed_versions

REDUCTIONS = ('squeeze_mean', 'select_max')


def feature_maps(
    model: DetectorLike,
    picture: Picture,
    *,
    checkpoint: Optional[Union[str, Path]] = None,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    resize_only: bool = False,
    layers: Sequence[str] = ('backbone',),
    reduction: Optional[str] = 'select_max',
    topk: int = 4,
    score_thr: float = 0.3,
) -> FeatureMaps:
    """Show what layers of a detector return for a picture, laid over the picture.

    Args:
        model, picture, checkpoint, device, cfg_options, resize_only: See :func:`mmlens.explain_boxes`. What
            :func:`~mmlens.load_classifier` returned is taken too.
        layers: Names of the layers; each of their levels becomes one entry.
        reduction: ``'squeeze_mean'`` (mean over channels), ``'select_max'`` (the channel with the
            largest sum) or ``None`` (channels one by one).
        topk: Without reduction: the channels with the largest sums. -1 takes all, and the layer
            must have 1 or 3.
        score_thr: Detections below are left out.

    Returns:
        Maps on the picture's grid, and what a detector found.

    Raises:
        MmlensError: With one sentence on what is wrong.

    Example:
        >>> maps = feature_maps('config.py', 'dog.jpg', checkpoint='weights.pth', layers=['neck'])
        >>> [(m.name, m.shape) for m in maps]
        [('neck[0]', (64, 52, 52)), ('neck[1]', (64, 26, 26)), ('neck[2]', (64, 13, 13))]
    """
    if reduction is not None and reduction not in REDUCTIONS:
        raise MmlensError(f"Unknown channel reduction '{reduction}': choose {', '.join(REDUCTIONS)} or None.")
    if reduction is None and (topk == 0 or topk < -1):
        raise MmlensError(f'topk must be -1 or at least 1, not {topk}.')
    network: Network = (
        model if isinstance(model, Network) else as_detector(model, checkpoint, device, cfg_options, resize_only)
    )
    tapped = resolve_layers(network.model, named_layers(layers))
    with Tap(network.model, tapped) as tap, torch.no_grad():
        prepared = network.prepare(picture)
        found = network.predictions(prepared)
        levels = tap.levels(prepared.input_size, network.extra_tokens)
        counts = {name: sum(level.layer == name for level in levels) for name in tapped}
        maps = [_feature_map(level, counts[level.layer], prepared, reduction, topk) for level in levels]
    predicted = None
    if found.instances:
        predicted = _predicted(network, found, select_detections(found, score_thr, None, None, -1))
    return FeatureMaps(prepared.picture, maps, predicted, reduction, versions=dict(installed_versions()))


def _feature_map(level: Level, levels: int, prepared: Prepared, reduction: Optional[str], topk: int) -> FeatureMap:
    activation = level.activation[0].float()
    channels = activation.shape[0]
    shown = torch.empty(0, dtype=torch.int64)
    if reduction == 'squeeze_mean':
        maps = activation.mean(0, keepdim=True)
    elif reduction is None and topk == -1:
        if channels not in (1, 3):
            raise MmlensError(
                f"Layer '{level.layer}' has {channels} channels, which do not make a picture: set a channel reduction "
                '(squeeze_mean or select_max) or a topk of at least 1.'
            )
        maps, shown = activation, torch.arange(channels)
    else:
        count = 1 if reduction else min(topk, channels)
        shown = activation.sum((1, 2)).topk(count).indices
        maps = activation[shown]
    maps = nn.functional.interpolate(maps[None], prepared.input_size, mode='bilinear', align_corners=False)[0]
    laid = np.stack([prepared.geometry.map_to_picture(one) for one in maps.cpu().numpy()])
    shape = (channels, activation.shape[1], activation.shape[2])
    return FeatureMap(level.layer, level.index, levels, shape, shown.cpu().numpy(), laid)


def _predicted(network: Network, found: Predictions, ranks: Sequence[int]) -> Predicted:
    index = torch.as_tensor(list(ranks), dtype=torch.int64, device=found.scores.device)
    labels = found.labels[index].cpu().numpy()
    return Predicted(
        boxes=found.boxes[index].detach().float().cpu().numpy(),
        labels=labels,
        scores=found.scores[index].detach().float().cpu().numpy(),
        class_names=[network.class_name(int(label)) for label in labels],
    )
