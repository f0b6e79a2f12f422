"""The front door for feature maps: what layers return for a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Generator, Optional, Sequence, Tuple, Union, overload

import numpy as np
import torch
from torch import Tensor, nn

from ..attribution.layers import resolve_layers
from ..attribution.tap import Level, Tap
from ..choices import REDUCTIONS
from ..errors import MmlensError, noted
from ..models.inputs import Picture
from ..models.network import Network
from ..models.predictions import Predictions
from ..models.prepared import Prepared
from ..models.words import Text
from ..results.features import FeatureMap, FeatureMaps
from ..results.predicted import Predicted
from .box_targets import select_detections
from .layers import named_layers
from .many import Pictures, one_or_each
from .networks import NetworkLike, installed_versions, open_network


@overload
def feature_maps(model: NetworkLike, picture: Picture, **options: Any) -> FeatureMaps: ...


@overload
def feature_maps(model: NetworkLike, picture: Pictures, **options: Any) -> Generator[FeatureMaps, None, None]: ...


@noted  # type: ignore[misc]  # the names of options are here alone
def feature_maps(
    model: NetworkLike,
    picture: Union[Picture, Pictures],
    *,
    checkpoint: Optional[Union[str, Path]] = None,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    resize_only: bool = False,
    family: Optional[str] = None,
    layers: Sequence[str] = ('backbone',),
    reduction: Optional[str] = 'select_max',
    topk: int = 4,
    score_thr: float = 0.3,
    text: Optional[Text] = None,
    custom_entities: Optional[bool] = None,
) -> Any:
    """Show what layers of a network return for a picture, laid over the picture.

    Args:
        model, checkpoint, device, cfg_options, resize_only, family: See :func:`mmlens.open_network`: a network
            of any family.
        picture: See :func:`mmlens.explain_boxes`. Or several.
        layers: Names of the layers; each of their levels becomes one entry.
        reduction: ``'squeeze_mean'`` (mean over channels), ``'select_max'`` (the channel with the
            largest sum) or ``None`` (channels one by one).
        topk: Without reduction: the channels with the largest sums. -1 takes all, and the layer
            must have 1 or 3.
        score_thr: Detections below are left out.
        text, custom_entities: See :func:`mmlens.explain_boxes`.

    Returns:
        Maps on the picture's grid, and what a detector found.
        For several pictures a generator of these; see :func:`mmlens.explain_boxes`.

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
        raise MmlensError(f'`topk` must be -1 or at least 1, not {topk}.')
    network = open_network(
        model, checkpoint, device=device, cfg_options=cfg_options, resize_only=resize_only, family=family
    )
    tapped = resolve_layers(network.model, [network.own_layer(name) for name in named_layers(layers)])

    def explain(picture: Picture) -> FeatureMaps:
        with Tap(network.model, tapped) as tap, torch.no_grad():
            prepared = network.prepare(picture, text=text, custom_entities=custom_entities)
            found = network.predictions(prepared)
            levels = tap.levels(prepared.input_size, network.extra_tokens)
            counts = {name: sum(level.layer == name for level in levels) for name in tapped}
            maps = [_feature_map(level, counts[level.layer], prepared, reduction, topk) for level in levels]
        predicted = _predicted(network, prepared, found, score_thr)
        return FeatureMaps(
            prepared.picture,
            maps,
            predicted,
            reduction,
            notes=[*network.notes, *prepared.notes, *found.notes],
            versions=dict(installed_versions()),
        )

    return one_or_each(network, picture, explain)


def _feature_map(level: Level, levels: int, prepared: Prepared, reduction: Optional[str], topk: int) -> FeatureMap:
    activation = level.activation[0].float()
    channels = activation.shape[0]
    shown = torch.empty(0, dtype=torch.int64)
    if reduction == 'squeeze_mean':
        maps = activation.mean(0, keepdim=True)
    elif reduction is None and topk == -1:
        if channels not in (1, 3):
            raise MmlensError(
                f"Layer '{level.layer}' has {channels} channels, which do not make a picture: set `reduction` "
                '(squeeze_mean or select_max), or a `topk` of at least 1.'
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


def _predicted(network: Network, prepared: Prepared, found: Predictions, score_thr: float) -> Predicted:
    """What the network predicts, as plain arrays: objects over the threshold, pixels, classes of the picture."""
    ranks = select_detections(found, score_thr, None, None, -1)
    names = network.names_of(prepared, found)

    def chosen(values: Optional[Tensor]) -> Any:
        return None if values is None else values.detach()[ranks].cpu().numpy()

    return Predicted(
        boxes=chosen(found.boxes.float()) if found.instances else None,
        labels=chosen(found.labels),
        scores=chosen(found.scores.float()),
        class_names=[names[rank] for rank in ranks],
        polygons=chosen(found.polygons),
        masks=chosen(found.masks),
        seg_map=None if found.seg_map is None else found.seg_map.cpu().numpy(),
        seg_names=dict(enumerate(found.seg_names)),
        keypoints=chosen(found.keypoints),
        keypoint_scores=chosen(found.keypoint_scores),
        skeleton=tuple(found.skeleton),
        classes=_best_classes(network, found.classes),
        notes=list(found.notes),
    )


def _best_classes(network: Network, scores: Optional[Tensor], most: int = 5) -> Tuple[Tuple[str, float], ...]:
    if scores is None:
        return ()
    best = scores.detach().float().topk(min(most, len(scores)))
    return tuple((network.class_name(int(index)), float(score)) for score, index in zip(best.values, best.indices))
