"""Do maps show what the network has learnt? They must change when its weights are drawn anew."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import numpy as np
import torch

from ..attribution.layer_sets import last_of_strides
from ..attribution.methods import OnePassMethod, available_methods, get_method
from ..attribution.redraw import Part, draw_anew, measure_statistics, parts_of, weights_kept
from ..attribution.restore import evaluating
from ..errors import MethodError, MmlensError, PictureError, count, noted
from ..metrics import gaussian_map, sanity_correlation
from ..models.classifier import Classifier
from ..models.detector import Detector
from ..models.inputs import Picture
from ..models.network import Network
from ..models.pictures import is_picture
from ..models.predictions import Predictions
from ..models.words import Text
from ..results.sanity import SanityCheck
from .box_targets import select_detections
from .job import Job
from .networks import NetworkLike, installed_versions, open_network
from .sanity_targets import CandidateTargets, SameClassTargets

DRAWS = 3

_NO_CANDIDATE = '{} from no single sigmoid or softmax over the classes, whose logits could be followed'

Asked = Union[CandidateTargets, SameClassTargets]


@noted
def check_sanity(
    model: NetworkLike,
    pictures: Union[Picture, Sequence[Picture]],
    *,
    checkpoint: Optional[Union[str, Path]] = None,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    resize_only: bool = False,
    family: Optional[str] = None,
    methods: Optional[Sequence[str]] = None,
    layers: Optional[Sequence[str]] = None,
    fusion: Optional[str] = None,
    score_thr: float = 0.3,
    classes: Optional[Sequence[Union[str, int]]] = None,
    topk: int = -1,
    text: Optional[Text] = None,
    custom_entities: Optional[bool] = None,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Callable[[int, int], Any] = lambda done, total: None,
) -> SanityCheck:
    """Check that maps show what a network has learnt, by drawing its weights anew from the head down.

    Part by part, from the head to the backbone's first stride, the values of every weight are shuffled, and the map of
    the same candidate (or class) is computed again. Compared are the orders of the pixels within the box, by
    Spearman's correlation of the raw maps. What is explained is the class's logit of the candidate, at every step. The
    model is given back as it was, bit for bit.

    Source: Adebayo et al. 2018, https://arxiv.org/abs/1810.03292: cascading randomization.

    Args:
        model: A detector or a classifier; see :func:`open_network`.
        pictures: One or several: see :func:`mmlens.explain_boxes`.
        checkpoint, device, cfg_options, resize_only, family: See :func:`open_network`; only for a config.
        methods: Names of methods of one pass. Defaults to ``'evidencecam'`` for boxes and ``'gradcam'`` for classes.
        layers: See :func:`mmlens.explain_boxes`; for all methods.
        fusion: Likewise.
        score_thr: Detections below are left out.
        classes: Only boxes of these classes; of a classifier, the classes to explain.
        topk: Only the best ``topk`` boxes of a picture; -1 takes all.
        text, custom_entities: See :func:`mmlens.explain_boxes`.
        draws: How often weights are drawn anew.
        seed: Of the first draw; the next ones count up.
        progress: Called with the number of steps done and in all.

    Returns:
        The correlations of every method, draw, part and box, a verdict on each method, and a figure.

    Raises:
        MmlensError: With one sentence on what is wrong.

    Example:
        >>> from mmlens import check_sanity
        >>> check = check_sanity('config.py', 'dog.jpg', checkpoint='weights.pth', methods=['evidencecam', 'eigencam'])
        >>> check.verdict('evidencecam'), check.verdict('eigencam')
        ('in part', 'fails')
        >>> cv2.imwrite('sanity.png', check.draw())
    """
    if draws < 1:
        raise MmlensError(f'`draws` must be at least 1, not {draws}.')
    network = open_network(
        model, checkpoint, device=device, cfg_options=cfg_options, resize_only=resize_only, family=family
    )
    if not isinstance(network, (Detector, Classifier)):
        network.require('boxes')
    names = methods or (['evidencecam'] if isinstance(network, Detector) else ['gradcam'])
    settings = dict(score_thr=score_thr, classes=classes, topk=topk, text=text, custom_entities=custom_entities)
    listed: List[Picture] = [pictures] if is_picture(pictures) else list(pictures)  # type: ignore[arg-type,list-item]
    chosen = [_checked(name) for name in dict.fromkeys(name.lower() for name in names)]
    asked = [_asked(network, picture, settings) for picture in listed]
    if not asked:
        raise PictureError('There is no picture to check maps on.')
    jobs = [[Job.settle(one, method, None, layers, fusion) for method in chosen] for one in asked]
    check = _Check(network, asked, jobs, progress)
    return check.run([method.name for method in chosen], range(seed, seed + draws))


def _checked(name: str) -> OnePassMethod:
    method = get_method(name)
    if not isinstance(method, OnePassMethod):
        raise MethodError(
            f"Method '{method.name}' runs the network many times or by another engine: the sanity of methods of one "
            f'pass alone is checked: {", ".join(available_methods(one_pass_only=True))}.'
        )
    return method


def _asked(network: Network, picture: Picture, settings: Dict[str, Any]) -> Asked:
    classes = settings['classes']
    if isinstance(network, Classifier):
        return SameClassTargets(network, picture, classes)
    assert isinstance(network, Detector)

    def select(found: Predictions) -> List[int]:
        wanted = network.class_indexes(classes, targets.prepared)
        return select_detections(found, settings['score_thr'], wanted, None, settings['topk'])

    words = {name: settings[name] for name in ('text', 'custom_entities')}
    targets = CandidateTargets(network, picture, 'score', select, **words)
    return targets


class _Check:
    """The steps of one check.

    Args:
        network: The network.
        asked: What is asked of each picture.
        jobs: For each picture, a job a method.
        progress: See :func:`check_sanity`.
    """

    def __init__(
        self, network: Network, asked: Sequence[Asked], jobs: Sequence[Sequence[Job]], progress: Callable
    ) -> None:
        self.network, self.asked, self.jobs, self.progress = network, asked, jobs, progress
        self._lost: Dict[str, None] = {}  # parts from which on candidates could not be read

    def run(self, methods: Sequence[str], seeds: Sequence[int]) -> SanityCheck:
        """Draw weights anew with each seed, and compare."""
        with evaluating(self.network.model):
            # Before weights change: layers are looked for, and detections found.
            originals = [[raw_maps(job) for job in of_picture] for of_picture in self.jobs]
            number = self._counted()
            parts = _parts_of(self.network, self.asked[0])
            found = np.full((len(methods), len(seeds), len(parts), number), math.nan)
            with weights_kept(parts) as give_back:
                for draw, seed in enumerate(seeds):
                    give_back()
                    generator = torch.Generator().manual_seed(seed)
                    for step, part in enumerate(parts):
                        draw_anew(part, generator)
                        found[:, draw, step] = self._compared(originals, parts[: step + 1])
                        self.progress(draw * len(parts) + step + 1, len(seeds) * len(parts))
        return self._result(methods, parts, found, self._of_gaussians(originals))

    def _counted(self) -> int:
        number = sum(len(_boxes_of(one)) for one in self.asked)
        if number:
            return number
        if self._without():
            raise MethodError(f'No box can be checked: {_NO_CANDIDATE.format("their scores come")}.')
        raise PictureError('There is no box to check: none of the wanted kind scores enough; lower `score_thr`.')

    def _without(self) -> int:
        return sum(one.without for one in self.asked if isinstance(one, CandidateTargets))

    def _compared(self, originals: Sequence[Sequence[List[np.ndarray]]], drawn: Sequence[Part]) -> np.ndarray:
        """Correlations (methods, boxes) with the maps of the network as it is now."""
        columns = []
        for one, jobs, of_methods in zip(self.asked, self.jobs, originals):
            measure_statistics(drawn, functools.partial(one.run, 1))
            columns.append(np.array([self._row(*each) for each in zip(jobs, of_methods)], float).reshape(len(jobs), -1))
            if any(one.lost):
                self._lost.setdefault(drawn[-1].name)
        return np.concatenate(columns, 1)

    def _row(self, job: Job, kept: Sequence[np.ndarray]) -> List[float]:
        now, asked = raw_maps(job), job.targets
        assert isinstance(asked, (CandidateTargets, SameClassTargets))
        found = zip(kept, now, _boxes_of(asked), asked.lost)
        return [math.nan if lost else correlation_after(before, after, box) for before, after, box, lost in found]

    def _result(
        self, methods: Sequence[str], parts: Sequence[Part], found: np.ndarray, gaussian: np.ndarray
    ) -> SanityCheck:
        return SanityCheck(
            methods=tuple(methods),
            parts=tuple(part.name for part in parts),
            boxes=tuple(name for one in self.asked for name in _names_of(one)),
            pictures=tuple(number for number, one in enumerate(self.asked) for _ in _names_of(one)),
            correlations=found,
            gaussian=gaussian,
            notes=self.network.notes + self._notes(methods, gaussian),
            versions=dict(installed_versions()),
        )

    def _notes(self, methods: Sequence[str], gaussian: np.ndarray) -> List[str]:
        notes, without = [], self._without()
        for method, blank in zip(methods, np.isnan(gaussian).sum(1)):
            if blank:
                notes.append(f'{count(int(blank), "map")} of {method} left out: as trained, the same all over the box.')
        if without:
            notes.append(f'{count(without, "box")} left out: {_NO_CANDIDATE.format("the scores come")}.')
        if self._lost:
            notes.append(
                f"With '{next(iter(self._lost))}' drawn anew, some candidates of {self.network.name} can no longer be "
                'followed: they are left out there.'
            )
        return notes

    def _of_gaussians(self, originals: Sequence[Sequence[List[np.ndarray]]]) -> np.ndarray:
        """Correlations (methods, boxes) of the trained network's maps with a Gaussian in the box."""
        columns = []
        for one, of_methods in zip(self.asked, originals):
            size, boxes = one.prepared.picture.shape[:2], _boxes_of(one)
            gaussians = [gaussian_map((size[0], size[1]), box) for box in boxes]
            rows = [[correlation_after(*each) for each in zip(kept, gaussians, boxes)] for kept in of_methods]
            columns.append(np.array(rows, float).reshape(len(of_methods), -1))
        return np.concatenate(columns, 1)


def _parts_of(network: Network, asked: Asked) -> List[Part]:
    backbone = 'backbone' if getattr(network.model, 'backbone', None) is not None else ''
    size = asked.prepared.input_size

    def run() -> None:
        asked.run(1)

    layers = last_of_strides(network.model, backbone, run, size, asked.extra_tokens) if backbone else []
    return parts_of(network.model, run, backbone, layers)


def _boxes_of(asked: Asked) -> List[np.ndarray]:
    """The boxes in picture pixels; of a class, what the classifier sees of the picture."""
    if isinstance(asked, CandidateTargets):
        return [asked.found.boxes[rank].detach().float().cpu().numpy() for rank in asked.ranks]
    rows, columns = np.nonzero(asked.prepared.geometry.covered())
    seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    return [seen] * len(asked.categories)


def _names_of(asked: Asked) -> List[str]:
    if isinstance(asked, CandidateTargets):
        names = asked.network.names_of(asked.prepared, asked.found)
        return [f'{names[rank]} {float(asked.found.scores[rank].detach()):.2f}' for rank in asked.ranks]
    return [asked.network.class_name(category) for category in asked.categories]


def raw_maps(job: Job) -> List[np.ndarray]:
    """Explain a job's targets: their maps (H, W), on the picture's grid."""
    to_picture = job.targets.prepared.geometry.map_to_picture
    return [to_picture(each.raw.cpu().numpy()) for each in job.run().maps]


def correlation_after(before: np.ndarray, after: np.ndarray, box: np.ndarray) -> float:
    """Correlation of a map (H, W) within a box with that of a network drawn anew; NaN where it was blank before."""
    found = sanity_correlation(before, after, box)
    blank = math.isnan(found) and not math.isnan(sanity_correlation(before, before, box))
    return 0.0 if blank else found  # a map that is the same all over the box is like no other
