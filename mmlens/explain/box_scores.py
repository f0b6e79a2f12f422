"""The scores of boxes on altered pictures: what deletion and insertion watch."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Union

import numpy as np
import torch

from ..attribution.passes.memory import is_out_of_memory
from ..attribution.restore import evaluating
from ..errors import MmlensError
from ..metrics import box_score
from ..models.detector import Detector
from ..models.prepared import Prepared
from .post_processing import lowered_thresholds
from .quick_passes import quick_passes

LOW_SCORE = 0.01
_ON_CPU, _ON_GPU = 8, 32


class BoxScores:
    """Scores boxes on altered pictures; the detector is a black box, which may find them by any candidate.

    The score of a box on a picture is :func:`mmlens.metrics.box_score` among all detections that score at least
    :data:`LOW_SCORE`: all boxes are scored by the same pass, and pictures of one size run in batches. The detector is
    given back as it was.

    Attributes:
        passes: How many pictures the network has seen so far.

    Args:
        detector: What :func:`mmlens.load_detector` returned.
        boxes: Shape (N, 4), in picture pixels.
        labels: Shape (N,): their classes.
        batch_size: How many pictures to run at a time. Defaults to 8 on a CPU, and 32 on a GPU.
        least_overlap: See :func:`mmlens.metrics.box_score`; one for all boxes, or a list of one each.
        **words: ``text`` and ``custom_entities``; see :func:`mmlens.explain_boxes`.

    Example:
        >>> from mmlens import BoxScores, metrics
        >>> found = explain_boxes(detector, 'dog.jpg')
        >>> scores = BoxScores(detector, [box.box for box in found], [box.label for box in found])
        >>> metrics.deletion(found[0].raw, found.picture, scores.of(0))
    """

    def __init__(
        self,
        detector: Detector,
        boxes: Sequence[np.ndarray],
        labels: Sequence[int],
        *,
        batch_size: Optional[int] = None,
        least_overlap: Optional[Union[float, Sequence[Optional[float]]]] = None,
        **words: Any,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise MmlensError(f'`batch_size` must be at least 1, not {batch_size}.')
        self.passes = 0
        self._detector = detector
        self._boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        self._labels = list(labels)
        on_gpu = next(detector.model.parameters()).device.type == 'cuda'
        self._batch_size = batch_size or (_ON_GPU if on_gpu else _ON_CPU)
        self._overlaps: List[Optional[float]]
        if least_overlap is None or isinstance(least_overlap, (int, float)):
            self._overlaps = [least_overlap] * len(self._labels)
        else:
            self._overlaps = list(least_overlap)
        self._words = words

    def __call__(self, pictures: Iterable[np.ndarray]) -> np.ndarray:
        """Score all boxes.

        Args:
            pictures: K pictures (H, W, 3), uint8 BGR; taken one batch at a time.

        Returns:
            Shape (K, N), float64.
        """
        rows: List[np.ndarray] = []
        model = self._detector.model
        with evaluating(model), torch.no_grad(), lowered_thresholds(model, LOW_SCORE), quick_passes(model):
            for batch in self._batches(pictures):
                rows += self._scored(batch)
        return np.stack(rows) if rows else np.zeros((0, len(self._boxes)))

    def of(self, number: int) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
        """The scores (K,) of one box, as :func:`mmlens.metrics.deletion` asks for them."""
        return lambda pictures: self(pictures)[:, number]

    def _batches(self, pictures: Iterable[np.ndarray]) -> Iterator[List[Prepared]]:
        """Pictures that follow each other and have one size, as many as run at a time."""
        for _, alike in groupby(pictures, lambda picture: picture.shape):
            batch: List[Prepared] = []
            for picture in alike:
                batch.append(self._detector.prepare(picture, **self._words))
                if len(batch) == self._batch_size:
                    yield batch
                    batch = []
            if batch:
                yield batch

    def _scored(self, batch: List[Prepared]) -> List[np.ndarray]:
        self.passes += len(batch)
        return [self._row(prepared, sample) for prepared, sample in zip(batch, self._samples(batch))]

    def _samples(self, batch: List[Prepared]) -> List[Any]:
        """What the detector returns for pictures of one size: a data sample each."""
        if len(batch) > 1:
            inputs = torch.cat([prepared.batch['inputs'] for prepared in batch])
            if not inputs.is_cuda:  # convolutions and pooling of several pictures are faster so, and copy less
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            try:
                return self._detector.samples(batch[0], len(batch), inputs)
            except (RuntimeError, IndexError, ValueError, AssertionError) as error:
                if is_out_of_memory(error):
                    raise
                self._batch_size = 1  # it takes one picture at a time
        return [sample for prepared in batch for sample in self._detector.samples(prepared)]

    def _row(self, prepared: Prepared, sample: Any) -> np.ndarray:
        found = self._detector.in_picture(prepared, sample)
        boxes, labels, scores = (part.cpu().numpy() for part in (found.boxes, found.labels, found.scores))
        row = [
            box_score(box, label, boxes, labels, scores, overlap)
            for box, label, overlap in zip(self._boxes, self._labels, self._overlaps)
        ]
        return np.array(row, np.float64)
