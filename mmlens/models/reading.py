"""Read what any OpenMMLab model predicts from the data sample that it returns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Optional, Protocol, Tuple

import torch
from torch import Tensor

from .instances import instances_in_picture
from .placement import place_segments
from .predictions import Predictions
from .prepared import Prepared

# In mmdet's panoptic maps a pixel holds its class, plus this times the number of its object.
_INSTANCE_OFFSET = 1000
_READ = ('pred_instances', 'pred_panoptic_seg', 'pred_sem_seg', 'pred_score', 'pred_label')


class Speaker(Protocol):
    """What is asked of a network (:class:`~mmlens.models.network.Network`)."""

    class_names: List[str]

    @property
    def name(self) -> str:
        """The model's class, as sentences name it."""

    @property
    def pixel_classes(self) -> Optional[int]:
        """How many classes a pixel may have; ``None`` if unknown."""

    @property
    def skeleton(self) -> List[Tuple[int, int]]:
        """Pairs of keypoints that a line joins."""

    def class_name(self, label: int) -> str:
        """Name of a class."""


def read_predictions(network: Speaker, prepared: Prepared, returned: Any) -> Predictions:
    """What a model predicts, as far as it can be read, in picture coordinates.

    Args:
        network: The network that the model is in.
        prepared: The picture.
        returned: What the model returned for it in predict mode: a data sample, or anything else.

    Returns:
        Predictions, with a note for whatever in the sample could not be read.
    """
    if not hasattr(returned, 'metainfo') or not hasattr(returned, 'keys'):
        kind = type(returned).__name__
        return Predictions.without_instances([f'{network.name} returns a {kind}, of which nothing can be drawn.'])
    notes: List[str] = []
    found = _instances(network, prepared, returned, notes)
    seg_map = _segments(network, prepared, returned, notes)
    unread = sorted(key for key in set(returned.keys()) if key.startswith('pred_') and key not in _READ)
    if unread:
        notes.append(f'{network.name} also returns {", ".join(unread)}, which cannot be drawn.')
    return replace(
        found,
        skeleton=network.skeleton if found.keypoints is not None else [],
        seg_map=seg_map,
        seg_names=[] if seg_map is None else _names(network, seg_map),
        classes=_classes(network, returned, notes),
        notes=notes,
    )


def _instances(network: Speaker, prepared: Prepared, sample: Any, notes: List[str]) -> Predictions:
    if sample.get('pred_instances') is None:
        return Predictions.without_instances()
    found = instances_in_picture(prepared, sample)
    if found is None:
        what = ', '.join(sorted(sample.pred_instances.keys())) or 'nothing'
        notes.append(f'{network.name} describes the objects it finds by {what}, of which nothing can be drawn.')
        return Predictions.without_instances()
    return found


def _segments(network: Speaker, prepared: Prepared, sample: Any, notes: List[str]) -> Optional[Tensor]:
    """Shape (H, W), int64: the class of each pixel; ``None`` if the sample holds none."""
    labels, flips_undone = _segments_as_returned(network, sample)
    if labels is None:
        return None
    placed = place_segments(labels, prepared.geometry, sample.metainfo, flips_undone)
    if placed is None:
        height, width = labels.shape
        notes.append(
            f'{network.name} returns segments of {width} x {height} pixels, the size of neither the picture nor '
            'the input: they are left out.'
        )
    return placed


def _segments_as_returned(network: Speaker, sample: Any) -> Tuple[Optional[Tensor], bool]:
    """A class for each pixel (h, w), and whether the model has undone flips, as mmseg's do."""
    panoptic, semantic = sample.get('pred_panoptic_seg'), sample.get('pred_sem_seg')
    for data, field in ((panoptic, 'sem_seg'), (semantic, 'sem_seg'), (semantic, 'data')):
        labels = None if data is None else data.get(field)
        if isinstance(labels, Tensor):
            labels = labels.detach().reshape(labels.shape[-2:]).long()
            if data is panoptic:
                labels = labels % _INSTANCE_OFFSET
            if network.pixel_classes is not None:  # mmdet numbers "none of them" after the last class
                labels = torch.where(labels < max(network.pixel_classes, 2), labels, torch.full_like(labels, -1))
            return labels, field == 'data'
    return None, False


def _names(network: Speaker, seg_map: Tensor) -> List[str]:
    count = max(int(seg_map.max()) + 1 if seg_map.numel() else 0, len(network.class_names))
    return [network.class_name(label) for label in range(count)]


def _classes(network: Speaker, sample: Any, notes: List[str]) -> Optional[Tensor]:
    scores = sample.get('pred_score')
    if scores is None:
        return None
    if isinstance(scores, Tensor) and scores.ndim == 1:
        return scores
    notes.append(f'{network.name} returns scores that are not one number per class: they are left out.')
    return None
