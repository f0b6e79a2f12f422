"""A detector and its test pipeline, as one."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any, List, MutableMapping, Optional, Tuple

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ModelError
from .geometry import Geometry
from .inputs import Picture, TestPipeline


@dataclass
class Prepared:
    """One picture as the network sees it.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR.
        batch: What the data preprocessor returned: a batch of one.
        geometry: Where the input lies in the picture.
    """

    picture: np.ndarray
    batch: Any
    geometry: Geometry

    @property
    def input_size(self) -> Tuple[int, int]:
        """``(height, width)`` of the input."""
        return self.geometry.input_size


@dataclass
class Predictions:
    """What the detector found, highest score first, in picture pixels; tensors carry their graph.

    Attributes:
        boxes: Shape (N, 4), ``x1, y1, x2, y2``.
        scores: Shape (N,).
        labels: Shape (N,), int64.
        masks: Shape (N, H, W), bool, where the detector predicts them.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Optional[Tensor] = None

    def __len__(self) -> int:
        return len(self.scores)


class Detector:
    """A model of mmdet or mmyolo with the test pipeline of its config.

    Args:
        model: As mmdet's ``init_detector`` builds it: with ``cfg``, and ``dataset_meta`` if the
            class names are known.

    Raises:
        ModelError: If the model carries no config, or is no detector.
    """

    def __init__(self, model: nn.Module) -> None:
        model = getattr(model, 'module', model)  # DataParallel and its kin
        if not hasattr(model, 'cfg'):
            raise ModelError("The model carries no config: build it with mmdet's init_detector, or set model.cfg.")
        if not hasattr(model, 'data_preprocessor') or not hasattr(model, '_run_forward'):
            raise ModelError(f'{type(model).__name__} is not a detector of mmdet or mmyolo.')
        self.model: Any = model
        self.pipeline = _pipeline_of(model)
        self.class_names: List[str] = list((getattr(model, 'dataset_meta', None) or {}).get('classes') or [])

    @property
    def default_layers(self) -> Tuple[str, ...]:
        """The neck where there is one, else the backbone."""
        return ('neck',) if getattr(self.model, 'neck', None) is not None else ('backbone',)

    def class_name(self, label: int) -> str:
        """Name of a class, or its index as text."""
        return str(self.class_names[label]) if 0 <= label < len(self.class_names) else str(label)

    def prepare(self, picture: Picture, **extra: Any) -> Prepared:
        """Put a picture through the test pipeline and the data preprocessor.

        Args:
            picture: File name, or (H, W, 3) uint8 BGR.
            **extra: More keys for the pipeline, such as ``batch_shape``.

        Raises:
            PictureError: If it cannot be read.
        """
        sample = self.pipeline(picture, **extra)
        packed = {key: [value] for key, value in sample.packed.items()}
        with torch.no_grad():
            batch = self.model.data_preprocessor(packed, False)
        height, width = batch['inputs'].shape[-2:]
        return Prepared(sample.picture, batch, sample.geometry((height, width)))

    def predict(self, prepared: Prepared) -> Predictions:
        """Run the whole detector, post-processing included, in the current grad mode.

        Raises:
            ModelError: If the model returns no boxes.
        """
        sample = self.model._run_forward(prepared.batch, mode='predict')[0]
        found = getattr(sample, 'pred_instances', None)
        if found is None or 'bboxes' not in found or 'scores' not in found:
            raise ModelError(f'{type(self.model).__name__} returns no boxes with scores: box maps need a box detector.')
        boxes = getattr(found.bboxes, 'tensor', found.bboxes)
        order = _by_score(boxes, found.scores)
        masks = found.masks[order] if isinstance(found.get('masks'), Tensor) else None
        return Predictions(boxes[order], found.scores[order], found.labels[order], masks)


# Building a pipeline takes longer than running a small model; it goes when its model goes.
_PIPELINES: MutableMapping[nn.Module, TestPipeline] = weakref.WeakKeyDictionary()


def _pipeline_of(model: nn.Module) -> TestPipeline:
    pipeline = _PIPELINES.get(model)
    if pipeline is None or pipeline.cfg is not model.cfg:
        pipeline = _PIPELINES[model] = TestPipeline(model.cfg)
    return pipeline


def _by_score(boxes: Tensor, scores: Tensor) -> Tensor:
    """Positions by falling score, without what overflowed: a box at infinity lies on no picture."""
    boxes, scores = boxes.detach(), scores.detach()
    order = torch.argsort(scores, descending=True, stable=True)
    return order[(torch.isfinite(boxes).all(1) & torch.isfinite(scores))[order]]
