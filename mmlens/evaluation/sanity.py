"""Do the maps of a picture change when the network forgets what it has learnt? One figure a box and row."""

from __future__ import annotations

import functools
import math
from typing import Dict, List, Sequence, Tuple, Union

import numpy as np
import torch

from ..attribution.methods import OnePassMethod, get_method
from ..attribution.redraw import Part, draw_anew, measure_statistics, parts_of, weights_kept
from ..attribution.restore import evaluating
from ..explain.box_targets import select_detections
from ..explain.job import Job
from ..explain.sanity import correlation_after, raw_maps
from ..explain.sanity_targets import CandidateTargets, SameClassTargets
from ..metrics import iou
from ..models.classifier import Classifier
from ..models.detector import Detector
from ..models.inputs import Picture
from ..models.network import Network
from .figures import Box
from .rows import Row, method_of

SEED = 0
SAME_IOU = 0.9
SLACK = 0.01  # a pass with gradients rounds differently: a score may fall below the threshold

Asked = Union[CandidateTargets, SameClassTargets]


def sanity_of(
    network: Network, rows: Sequence[Row], picture: Picture, boxes: Sequence[Box], score_thr: float = 0.0
) -> Dict[str, List[float]]:
    """Spearman's correlation, in each box, of its map with that of the network drawn anew from the head to the neck.

    What is explained is the class's logit of the candidate, before and after: see :func:`mmlens.check_sanity`, which
    draws the backbone anew as well. Weights are drawn anew once a picture, with the same seed.

    Args:
        network: A detector or a classifier; given back as it was.
        rows: What is compared. A map that knows no network stays as it is: 1.
        picture: The picture.
        boxes: The boxes; of a classifier, what it sees of the picture, once for each class.
        score_thr: Detections below are left out.

    Returns:
        Row -> a figure a box; NaN for methods of many passes, contrasts, and boxes whose candidate cannot be followed.
    """
    found = {row.name: [1.0 if row.draw is not None else math.nan] * len(boxes) for row in rows}
    followed = [row for row in rows if can_be_followed(row, network)]
    if followed and boxes:
        asked = _asked(network, picture, boxes, score_thr)
        jobs = [_job(asked, row) for row in followed]
        places, correlations = _redrawn(asked, jobs, boxes)
        for row, of_row in zip(followed, correlations):
            for number, place in enumerate(places):
                if place >= 0:
                    found[row.name][number] = of_row[place]
    return found


def can_be_followed(row: Row, network: Network) -> bool:
    """Whether a row is a method of one pass that explains a score by itself."""
    if row.draw is not None or 'against' in row.settings:
        return False
    return isinstance(get_method(method_of(row, network)), OnePassMethod)


def _asked(network: Network, picture: Picture, boxes: Sequence[Box], score_thr: float) -> Asked:
    if isinstance(network, Classifier):
        return SameClassTargets(network, picture, [box.label for box in boxes])
    assert isinstance(network, Detector)
    least = max(score_thr - SLACK, 0.0)
    return CandidateTargets(
        network, picture, 'score', lambda found: select_detections(found, least, None, None, len(boxes) + 2)
    )


def _job(asked: Asked, row: Row) -> Job:
    settings = row.settings
    method = get_method(method_of(row, asked.network))
    return Job.settle(asked, method, None, settings.get('layers'), settings.get('fusion'))


def _redrawn(asked: Asked, jobs: Sequence[Job], boxes: Sequence[Box]) -> Tuple[List[int], List[List[float]]]:
    """For each box the target that is the same, -1 for none; and for each job the correlations of the targets."""
    with evaluating(asked.network.model):
        before = [raw_maps(job) for job in jobs]
        places = _places(asked, boxes)
        regions = {place: box.box for place, box in zip(places, boxes) if place >= 0}
        parts = _head_to_neck(asked) if regions else []
        with weights_kept(parts):
            generator = torch.Generator().manual_seed(SEED)
            for part in parts:
                draw_anew(part, generator)
            measure_statistics(parts, functools.partial(asked.run, 1))
            correlations = []
            for job, kept in zip(jobs, before):
                now = raw_maps(job)
                correlations.append(
                    [
                        correlation_after(kept[n], now[n], regions[n])
                        if n in regions and not asked.lost[n]
                        else math.nan
                        for n in range(len(kept))
                    ]
                )
    return places, correlations


def _places(asked: Asked, boxes: Sequence[Box]) -> List[int]:
    """For each box the target that is the same; -1 for none."""
    if isinstance(asked, SameClassTargets):
        return [asked.categories.index(box.label) for box in boxes]
    edges = asked.found.boxes.detach().float().cpu().numpy()[list(asked.ranks)].reshape(-1, 4)
    labels = np.array([int(asked.found.labels[rank]) for rank in asked.ranks], np.int64)
    places = []
    for box in boxes:
        alike = iou(box.box, edges) * (labels == box.label)
        places.append(int(alike.argmax()) if len(alike) and alike.max() >= SAME_IOU else -1)
    return places


def _head_to_neck(asked: Asked) -> List[Part]:
    """The parts that run after the backbone; all, if there is none."""

    def run() -> None:
        asked.run(1)

    parts = parts_of(asked.network.model, run)
    names = [part.name for part in parts]
    return parts[: names.index('backbone')] if 'backbone' in names else parts
