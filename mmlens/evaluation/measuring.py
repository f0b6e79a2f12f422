"""One picture, all boxes, all rows: maps, altered pictures, figures."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch

from ..attribution.restore import evaluating
from ..explain.box_scores import BoxScores
from ..explain.boxes import explain_boxes
from ..metrics import ALTERATIONS, SHARES, iou, match_truths, order_of
from ..metrics.perturbation import altered_in_order, ends_of
from ..metrics.tide import FOREGROUND
from ..models.detector import Detector
from ..models.inputs import Picture
from ..models.predictions import Predictions
from .cases import Case, Truth
from .figures import MISSED, Box, figures_of
from .rows import Row
from .sanity import SAME_IOU, SLACK, sanity_of

INNER = len(SHARES) - 2  # altered pictures that depend on the map
_MORE = 2

# K pictures (H, W, 3), uint8 -> scores (K, N).
Scores = Callable[[Iterable[np.ndarray]], np.ndarray]


@dataclass
class Maps:
    """The maps of one row for the boxes of a picture, in their order.

    Attributes:
        maps: One per box, shape (H, W); ``None`` where the method's own pass did not find the box.
        seconds: How long they took.
        passes: How many altered passes.
    """

    maps: List[Optional[np.ndarray]]
    seconds: float = 0.0
    passes: int = 0


@dataclass
class Measured:
    """What was measured on a picture.

    Attributes:
        name: The picture.
        boxes: The boxes.
        figures: Row -> the figures of each box.
        curves: Row -> relative scores of each box at each share, by alteration.
        passes: Row -> altered passes of its method.
        seconds: Row -> seconds of its method.
        plain: Seconds of one plain inference.
        altered: How many altered pictures the network saw.
    """

    name: str
    boxes: List[Box] = field(default_factory=list)
    figures: Dict[str, List[Dict[str, float]]] = field(default_factory=dict)
    curves: Dict[str, List[Dict[str, List[float]]]] = field(default_factory=dict)
    passes: Dict[str, int] = field(default_factory=dict)
    seconds: Dict[str, float] = field(default_factory=dict)
    plain: float = 0.0
    altered: int = 0


def measure(
    detector: Detector,
    case: Case,
    rows: Sequence[Row],
    score_thr: float,
    batch_size: Optional[int] = None,
    maps_only: bool = False,
    max_boxes: int = -1,
    sanity: bool = False,
) -> Measured:
    """Measure the maps of all rows on one picture.

    Args:
        detector: The detector.
        case: The picture.
        rows: What is compared.
        score_thr: Detections below are left out.
        batch_size: See :class:`~mmlens.explain.box_scores.BoxScores`.
        maps_only: Leave out deletion, insertion and OA, which take altered passes.
        max_boxes: How many boxes at most, best first; -1 takes all.
        sanity: Whether to compare each map with that of a network drawn anew.

    Raises:
        MmlensError: If the picture cannot be read, or a method cannot be used.
    """
    picture, truth = case.read()
    found, picture, plain = detect(detector, picture)
    boxes = boxes_of(detector, found, truth, score_thr, max_boxes)
    done = Measured(case.name, boxes, plain=plain)
    if not boxes:
        return done
    known: Dict[Any, Maps] = {}
    for row in rows:
        key = row.options if row.draw is None else row.name
        if key not in known:
            known[key] = maps_of(detector, row, case.name, picture, boxes, score_thr)
        done.passes[row.name], done.seconds[row.name] = known[key].passes, known[key].seconds
    of_rows = {row.name: known[row.options if row.draw is None else row.name].maps for row in rows}
    if not maps_only:
        scores = scores_of(detector, boxes, batch_size)
        done.curves = curves_of(scores, picture, of_rows, _missed(boxes))
        done.altered = scores.passes
    sane = sanity_of(detector, rows, picture, boxes, score_thr) if sanity else {}
    finish(done, of_rows, sane)
    return done


def finish(done: Measured, of_rows: Dict[str, List[Optional[np.ndarray]]], sane: Dict[str, List[float]]) -> None:
    """Compute the figures from the maps of each row, the curves that are there, and what :func:`sanity_of` returned."""
    for name, maps in of_rows.items():
        curves = done.curves.setdefault(name, [{} for _ in maps])
        unknown = [math.nan] * len(maps)
        done.figures[name] = [figures_of(*each) for each in zip(maps, done.boxes, curves, sane.get(name, unknown))]


def scores_of(detector: Detector, boxes: Sequence[Box], batch_size: Optional[int]) -> BoxScores:
    """Scores the boxes, and after them the objects that they missed: the largest confidence with an IoU over 0.5."""
    missed = [box for box in boxes if box.missed is not None]
    edges = [box.box for box in boxes] + [box.missed for box in missed if box.missed is not None]
    labels = [box.label for box in boxes] + [box.missed_label for box in missed]
    overlaps = [None] * len(boxes) + [FOREGROUND] * len(missed)
    return BoxScores(detector, edges, labels, batch_size=batch_size, least_overlap=overlaps)


def _missed(boxes: Sequence[Box]) -> Dict[int, int]:
    """Boxes that missed an object -> the column of its scores."""
    missing = [number for number, box in enumerate(boxes) if box.missed is not None]
    return {number: len(boxes) + place for place, number in enumerate(missing)}


def detect(detector: Detector, picture: Picture) -> Tuple[Predictions, np.ndarray, float]:
    """Run the detector once.

    Returns:
        What it found, the picture (H, W, 3), and the seconds that the network took.
    """
    prepared = detector.prepare(picture)
    with evaluating(detector.model), torch.no_grad():
        begin = time.perf_counter()
        found = detector.predict(prepared)
        return found, prepared.picture, time.perf_counter() - begin


def boxes_of(
    detector: Detector, found: Predictions, truth: Optional[Truth], score_thr: float, most: int = -1
) -> List[Box]:
    """The detections over a threshold, with what is known of each; boxes without an area are left out."""
    edges = found.boxes.cpu().numpy().astype(np.float64)
    scores, labels = found.scores.cpu().numpy(), [int(label) for label in found.labels.tolist()]
    wanted = [n for n in range(len(scores)) if scores[n] >= score_thr and (edges[n, 2:] > edges[n, :2]).all()]
    wanted = wanted if most == -1 else wanted[:most]
    boxes = [
        Box(edges[n], labels[n], detector.class_name(labels[n]), float(scores[n]), edges[n], _mask(found, n))
        for n in wanted
    ]
    if truth is None:
        for number, box in enumerate(boxes):
            box.others = np.delete(edges[wanted], number, 0)
        return boxes
    matches = match_truths(edges[wanted], [labels[n] for n in wanted], truth.boxes, truth.labels.tolist())
    for box, match in zip(boxes, matches):
        box.truth, box.error, box.others = match.truth, match.error, truth.boxes
        if match.truth is not None:
            box.others = np.delete(truth.boxes, match.truth, 0)
        if match.truth is not None and match.error in ('', 'duplicate'):
            box.region, box.mark = truth.boxes[match.truth], truth.mark(match.truth)
            box.mask = box.mask if truth.mask(match.truth) is None else truth.mask(match.truth)
    _note_missed(boxes, truth)
    return boxes


def _note_missed(boxes: Sequence[Box], truth: Truth) -> None:
    """Note the objects that wrong detections lie on, and that no right one found."""
    found = {box.truth for box in boxes if box.error == ''}
    for box in boxes:
        if box.truth is not None and box.truth not in found and truth.labels[box.truth] >= 0:
            box.missed, box.missed_label = truth.boxes[box.truth], int(truth.labels[box.truth])


def _mask(found: Predictions, number: int) -> Optional[np.ndarray]:
    if found.masks is None:
        return None
    mask = found.masks[number].cpu().numpy().astype(bool)
    return mask if mask.any() else None


def maps_of(
    detector: Detector, row: Row, name: str, picture: np.ndarray, boxes: Sequence[Box], score_thr: float
) -> Maps:
    """The maps of one row."""
    begin = time.perf_counter()
    if row.draw is not None:
        drawn = row.draw(picture, np.stack([box.box for box in boxes]), name)
        return Maps(list(drawn), time.perf_counter() - begin)
    # The best boxes, and a few more that may stand before them in this pass.
    most = len(boxes) + _MORE
    found = explain_boxes(detector, picture, score_thr=max(score_thr - SLACK, 0.0), topk=most, **row.settings)
    seconds = time.perf_counter() - begin
    of_method = np.array([each.box for each in found], np.float64).reshape(-1, 4)
    same = np.array([each.label for each in found])
    maps: List[Optional[np.ndarray]] = []
    for box in boxes:
        alike = iou(box.box, of_method) * (same == box.label) if len(found) else np.zeros(1)
        maps.append(found[int(alike.argmax())].raw if alike.max() >= SAME_IOU else None)
    return Maps(maps, seconds, found.passes)


def curves_of(
    scores: Scores,
    picture: np.ndarray,
    of_rows: Dict[str, List[Optional[np.ndarray]]],
    missed: Optional[Dict[int, int]] = None,
) -> Dict[str, List[Dict[str, List[float]]]]:
    """Relative scores of each box at each share, by row, box and alteration.

    Args:
        scores: Returns scores (K, N) of K pictures; those of box n stand in column n.
        picture: Shape (H, W, 3), uint8 BGR.
        of_rows: Row -> a map a box.
        missed: Boxes that missed an object -> the column of its scores, which are not relative.

    Whole, grey and blurred picture are scored once for all, and an order of pixels that boxes or rows share once for
    all of them.
    """
    known = {id(values): _key(values) for values in {id(v): v for maps in of_rows.values() for v in maps}.values()}
    keys = {row: [known[id(values)] for values in maps] for row, maps in of_rows.items()}
    different = {
        key: values for row, maps in of_rows.items() for key, values in zip(keys[row], maps) if values is not None
    }
    found = scores(_chained(picture, list(different.values())))
    whole, grey, blurred = found[:3]
    whole = np.where(whole > 0, whole, np.nan)  # a detector that does not repeat its results
    inner = dict(zip(different, found[3:].reshape(-1, len(ALTERATIONS), INNER, found.shape[1])))

    def curve(key: bytes, number: int) -> Dict[str, List[float]]:
        if not key:
            return {}
        between = inner[key][:, :, number]
        absolute = dict(
            deletion=[whole[number], *between[0], grey[number]],
            insertion=[blurred[number], *between[1], whole[number]],
        )
        curves = {name: [float(score / whole[number]) for score in scores] for name, scores in absolute.items()}
        if missed and number in missed:
            column = missed[number]
            curves[MISSED] = [found[2, column], *inner[key][1][:, column], found[0, column]]
        return curves

    return {row: [curve(key, number) for number, key in enumerate(of_boxes)] for row, of_boxes in keys.items()}


def _key(values: Optional[np.ndarray]) -> bytes:
    """Tells maps apart by the order of their pixels, which is all that altered pictures depend on."""
    return b'' if values is None else hashlib.blake2b(order_of(values).data, digest_size=16).digest()


def _chained(picture: np.ndarray, maps: List[np.ndarray]) -> Iterator[np.ndarray]:
    """Whole, grey and blurred picture, then those that depend on a map, one by one: they would not fit into memory."""
    ends = [ends_of(picture, name) for name in ALTERATIONS]
    yield from (picture, ends[0][1], ends[1][0])
    for values in maps:
        order = order_of(values)
        for start, end in ends:
            yield from islice(altered_in_order(start, end, order), 1, INNER + 1)
