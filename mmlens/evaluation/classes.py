"""One picture, some of its classes, all rows: what is measured of a classifier."""

from __future__ import annotations

import math
import time
from itertools import groupby
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence

import numpy as np
import torch
from torch import Tensor

from ..attribution.restore import evaluating
from ..explain.classes import explain_classes
from ..models.classifier import Classifier
from ..models.prepared import Prepared
from .cases import Case
from .figures import Box
from .measuring import Maps, Measured, curves_of, finish
from .rows import Row
from .sanity import sanity_of

# What has a meaning without a box.
CLASS_FIGURES = ('deletion', 'insertion', 'oa', 'sanity', 'blank')
_ON_CPU, _ON_GPU = 8, 32


def measure_classes(
    classifier: Classifier,
    case: Case,
    rows: Sequence[Row],
    batch_size: Optional[int] = None,
    maps_only: bool = False,
    sanity: bool = False,
) -> Measured:
    """Measure the maps of all rows for the class that a classifier predicts on one picture.

    The score of the class on an altered picture is its probability, relative to the whole picture's.

    Args:
        classifier: The classifier; given back as it was.
        case: The picture.
        rows: What is compared; see :func:`~mmlens.evaluation.class_baselines`.
        batch_size: How many altered pictures run at a time. Defaults to 8 on a CPU, and 32 on a GPU.
        maps_only, sanity: See :func:`~mmlens.evaluation.measuring.measure`.

    Returns:
        As of a detector; the class's box is what the classifier sees of the picture. Figures that compare a map with
        an object are NaN.

    Raises:
        MmlensError: If the picture cannot be read, or a method cannot be used.
    """
    picture, _ = case.read()
    prepared = classifier.prepare(picture)
    with evaluating(classifier.model), torch.no_grad():
        begin = time.perf_counter()
        logits = classifier.logits(prepared)[0]
        plain = time.perf_counter() - begin
    boxes = boxes_of_classes(classifier, prepared, classifier.categories(None, logits), classifier.scores(logits))
    done = Measured(case.name, boxes, plain=plain)
    known: Dict[Any, Maps] = {}
    for row in rows:
        key = row.options if row.draw is None else row.name
        if key not in known:
            known[key] = _maps_of(classifier, row, case.name, prepared.picture, boxes)
        done.passes[row.name], done.seconds[row.name] = known[key].passes, known[key].seconds
    of_rows = {row.name: known[row.options if row.draw is None else row.name].maps for row in rows}
    if not maps_only:
        scores = Probabilities(classifier, [box.label for box in boxes], batch_size)
        done.curves = curves_of(scores, prepared.picture, of_rows)
        done.altered = scores.passes
    finish(done, of_rows, sanity_of(classifier, rows, prepared.picture, boxes) if sanity else {})
    for of_boxes in done.figures.values():
        for figures in of_boxes:
            figures.update({name: math.nan for name in figures if name not in CLASS_FIGURES})
    return done


def boxes_of_classes(
    classifier: Classifier, prepared: Prepared, categories: Sequence[int], scores: Optional[Tensor] = None
) -> List[Box]:
    """What a classifier sees of the picture, as a box, once for each class."""
    rows, columns = np.nonzero(prepared.geometry.covered())
    seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64)
    known = np.zeros(max(categories) + 1) if scores is None else scores.detach().float().cpu().numpy()
    return [Box(seen, label, classifier.class_name(label), float(known[label]), seen) for label in categories]


def _maps_of(classifier: Classifier, row: Row, name: str, picture: np.ndarray, boxes: Sequence[Box]) -> Maps:
    begin = time.perf_counter()
    if row.draw is not None:
        drawn = row.draw(picture, np.stack([box.box for box in boxes]), name)
        return Maps(list(drawn), time.perf_counter() - begin)
    found = explain_classes(classifier, picture, classes=[box.label for box in boxes], **row.settings)
    return Maps([each.raw for each in found], time.perf_counter() - begin, getattr(found, 'passes', 0))


class Probabilities:
    """The probabilities of some classes on altered pictures.

    Attributes:
        passes: How many pictures the network has seen so far.

    Args:
        classifier: The classifier.
        categories: Indexes of the N classes.
        batch_size: How many pictures run at a time. Defaults to 8 on a CPU, and 32 on a GPU.
    """

    def __init__(self, classifier: Classifier, categories: Sequence[int], batch_size: Optional[int] = None) -> None:
        self.passes = 0
        self._classifier, self._categories = classifier, list(categories)
        on_gpu = next(classifier.model.parameters()).device.type == 'cuda'
        self._batch_size = batch_size or (_ON_GPU if on_gpu else _ON_CPU)

    def __call__(self, pictures: Iterable[np.ndarray]) -> np.ndarray:
        """Probabilities (K, N), float64, of K pictures (H, W, 3), uint8 BGR, taken one batch at a time."""
        found = [np.zeros((0, len(self._categories)))]
        with evaluating(self._classifier.model), torch.no_grad():
            for batch in self._batches(pictures):
                scores = self._classifier.scores(self._classifier.logits_of(batch))
                found.append(scores[:, self._categories].double().cpu().numpy())
                self.passes += len(batch)
        return np.concatenate(found)

    def _batches(self, pictures: Iterable[np.ndarray]) -> Iterator[Tensor]:
        """Inputs of one size that follow each other, as many as run at a time."""
        inputs = (self._classifier.prepare(picture).batch['inputs'] for picture in pictures)
        for _, alike in groupby(inputs, lambda each: each.shape):
            batch: List[Tensor] = []
            for each in alike:
                batch.append(each)
                if len(batch) == self._batch_size:
                    yield torch.cat(batch)
                    batch = []
            if batch:
                yield torch.cat(batch)
