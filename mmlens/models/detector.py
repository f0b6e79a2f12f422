"""A detector and its test pipeline, as one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ModelError
from .geometry import Geometry, apply, scaling, translation
from .network import Network, Prepared


@dataclass
class Predictions:
    """What the detector found, highest score first, in picture pixels; tensors carry their graph.

    Attributes:
        boxes: Shape (N, 4), ``x1, y1, x2, y2``.
        scores: Shape (N,).
        labels: Shape (N,), int64.
        masks: Shape (N, H, W), bool, where the detector predicts them.
        positions: Shape (N,), int64: where they stand in what the model itself returned.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Optional[Tensor] = None
    positions: Optional[Tensor] = None

    def __len__(self) -> int:
        return len(self.scores)

    def at(self, ranks: Sequence[int]) -> Predictions:
        """Some of them, without graph and masks."""
        index = torch.as_tensor(list(ranks), dtype=torch.int64, device=self.scores.device)
        parts = (self.boxes, self.scores, self.labels)
        boxes, scores, labels = (part.detach()[index] for part in parts)
        return Predictions(boxes, scores, labels, None, None if self.positions is None else self.positions[index])

    def ranks_of(self, others: Predictions) -> List[int]:
        """Find detections that another pass made.

        Args:
            others: N detections.

        Returns:
            N ranks among these detections: that of the same class, edges within 0.1 pixels and the nearest score; -1
            for what is not among them.
        """
        if not len(self):
            return [-1] * len(others)
        apart = (self.boxes.detach() - others.boxes[:, None]).abs().amax(2)
        is_other = (apart > 0.1) | (self.labels != others.labels[:, None])
        least, ranks = (self.scores.detach() - others.scores[:, None]).abs().masked_fill(is_other, math.inf).min(1)
        return ranks.masked_fill(least.isinf(), -1).tolist()


class Detector(Network):
    """A model of mmdet or mmyolo with the test pipeline of its config.

    Args:
        model: As mmdet's ``init_detector`` builds it: with ``cfg``, and ``dataset_meta`` if the
            class names are known.
        cfg, dataset_meta: See :class:`~mmlens.models.network.Network`.

    Raises:
        ModelError: If the model carries no config, or is no detector.
    """

    kind = 'a detector of mmdet or mmyolo; explain a classifier with mmlens cam'
    builder = "mmdet's init_detector"

    @property
    def default_layers(self) -> Tuple[str, ...]:
        """The neck where there is one, else the backbone."""
        return ('neck',) if getattr(self.model, 'neck', None) is not None else ('backbone',)

    @property
    def num_classes(self) -> Optional[int]:
        """How many classes the last head tells apart; ``None`` where there may be more or fewer names than that.

        Words say what is looked for, or surfaces such as sky have names too.
        """
        if hasattr(self.model, 'language_model') or hasattr(self.model, 'semantic_head'):
            return None
        owner = getattr(self.model, 'roi_head', None) or self.model
        head = getattr(owner, 'bbox_head', None)
        head = head[-1] if isinstance(head, nn.ModuleList) and len(head) else head  # a head a stage
        number = getattr(head, 'num_classes', None)
        return number if isinstance(number, int) else None

    def run(self, prepared: Prepared) -> Predictions:
        """The same as :meth:`predict`."""
        return self.predict(prepared)

    def predict(self, prepared: Prepared) -> Predictions:
        """Run the whole detector, post-processing included, in the current grad mode.

        Raises:
            ModelError: If the model returns no boxes.
        """
        (sample,) = self.samples(prepared)
        return self.in_picture(prepared, sample)

    def samples(self, prepared: Prepared, copies: int = 1, inputs: Optional[Tensor] = None) -> List[Any]:
        """What the model itself returns for copies of a picture: a data sample each.

        Args:
            prepared: The picture.
            copies: How many.
            inputs: Shape (copies, 3, H, W): other inputs of the same picture. Defaults to its own.

        Raises:
            ModelError: If the model returns no boxes.
        """
        (asked,) = prepared.batch['data_samples']
        inputs = prepared.batch['inputs'].expand(copies, -1, -1, -1) if inputs is None else inputs
        # Models write what they find into the samples.
        batch = {**prepared.batch, 'inputs': inputs, 'data_samples': [asked.new() for _ in range(copies)]}
        samples = self.model._run_forward(batch, mode='predict')
        for sample in samples:
            found = getattr(sample, 'pred_instances', None)
            if found is None or 'bboxes' not in found or 'scores' not in found:
                raise ModelError(
                    f'{type(self.model).__name__} returns no boxes with scores: box maps need a box detector.'
                )
            if found.bboxes.shape[-1] != 4:
                raise ModelError(f'{type(self.model).__name__} returns rotated boxes: box maps need upright ones.')
        return samples

    def in_picture(self, prepared: Prepared, sample: Any, positions: Optional[Tensor] = None) -> Predictions:
        """Put what the model returned into picture coordinates.

        Args:
            prepared: The picture.
            sample: One of :meth:`samples`.
            positions: Which detections, in which order. Defaults to all whose numbers are finite, by falling score.
        """
        found = sample.pred_instances
        boxes = getattr(found.bboxes, 'tensor', found.bboxes)
        order = _by_score(boxes, found.scores) if positions is None else positions
        masks = found.masks[order] if isinstance(found.get('masks'), Tensor) else None
        boxes = _boxes_of_masks(boxes[order], masks)
        rest = _rest_of_the_way(prepared.geometry, sample.metainfo)
        if rest is not None:
            boxes = _move_boxes(boxes, rest)
            masks = None if masks is None else _move_masks(masks, rest)
        return Predictions(boxes, found.scores[order], found.labels[order], masks, order)


def _by_score(boxes: Tensor, scores: Tensor) -> Tensor:
    """Positions by falling score, without what overflowed: a box at infinity lies on no picture."""
    boxes, scores = boxes.detach(), scores.detach()
    order = torch.argsort(scores, descending=True, stable=True)
    return order[(torch.isfinite(boxes).all(1) & torch.isfinite(scores))[order]]


def _boxes_of_masks(boxes: Tensor, masks: Optional[Tensor]) -> Tensor:
    """The boxes (N, 4) around the masks, for detectors that leave all boxes empty (SOLO); no graph leads to them."""
    if masks is None or bool((boxes[:, 2:] > boxes[:, :2]).any()):
        return boxes
    from mmdet.structures.mask import mask2bbox

    return mask2bbox(masks).to(boxes)


def _rest_of_the_way(geometry: Geometry, meta: Dict[str, Any]) -> Optional[np.ndarray]:
    """What the model's own way back from the input leaves to do: (3, 3); ``None`` if nothing.

    Models of mmdet and mmyolo undo scaling and padding in their boxes; flips and crops they do not.
    """
    scale = np.asarray(meta.get('scale_factor', (1.0, 1.0)), float)[:2]
    top, _, left, _ = meta.get('pad_param', meta.get('border', (0, 0, 0, 0)))
    undone = scaling(1 / scale[0], 1 / scale[1]) @ translation(-left, -top)
    # Where the input's corners come out, and where they are: half-pixel paddings are no matter.
    rest = np.linalg.inv(undone @ geometry.matrix)
    height, width = geometry.picture_size
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], float)
    off = np.abs(apply(rest, corners) - corners).max(0) * scale
    return rest if (off > 1).any() else None


def _move_boxes(boxes: Tensor, matrix: np.ndarray) -> Tensor:
    """The upright boxes (N, 4) around boxes that were moved; keeps the graph."""
    moved = torch.as_tensor(matrix, dtype=boxes.dtype, device=boxes.device)
    corners = boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2) @ moved[:2, :2].T + moved[:2, 2]
    return torch.cat([corners.amin(1), corners.amax(1)], 1)


def _move_masks(masks: Tensor, matrix: np.ndarray) -> Tensor:
    """Masks (N, H, W) that were moved, on the same grid."""
    to_samples = translation(-0.5, -0.5) @ matrix @ translation(0.5, 0.5)
    height, width = masks.shape[1:]
    moved = [
        cv2.warpAffine(mask.astype(np.uint8), to_samples[:2], (width, height), flags=cv2.INTER_NEAREST)
        for mask in masks.detach().cpu().numpy()
    ]
    return torch.as_tensor(np.array(moved, bool).reshape(masks.shape), device=masks.device)
