"""The front door for detectors: from a model and a picture to a map for each box."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from ..attribution.attribute import Attribution
from ..attribution.methods import Method, OnePassMethod, Progress, get_method
from ..attribution.smoothing import Noise
from ..attribution.targets import MASK
from ..errors import MmlensError, noted
from ..models.detector import Detector
from ..models.geometry import Geometry
from ..models.inputs import Picture
from ..models.predictions import Predictions
from ..models.words import Text
from ..results.boxes import BoxExplanation, BoxMap
from ..results.later import later
from .box_targets import BoxTargets, Classes, select_detections
from .given import Labels, check_boxes, one_each
from .given_targets import GivenTargets
from .job import Job, check_signed
from .mask_targets import MaskTargets
from .networks import NetworkLike, installed_versions, open_detector
from .normalise import normalise, normalise_in_box

_NO_CANDIDATE = 'no candidate of the detector overlaps the given box'


@noted
def explain_boxes(
    model: NetworkLike,
    picture: Picture,
    *,
    checkpoint: Optional[Union[str, Path]] = None,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    resize_only: bool = False,
    family: Optional[str] = None,
    method: str = 'evidencecam',
    layers: Optional[Sequence[str]] = None,
    fusion: Optional[str] = None,
    target: str = 'score',
    region: Optional[np.ndarray] = None,
    against: Optional[Classes] = None,
    signed: bool = False,
    score_thr: float = 0.3,
    classes: Optional[Sequence[Union[str, int]]] = None,
    instances: Optional[Sequence[int]] = None,
    topk: int = -1,
    boxes: Optional[Sequence[Sequence[float]]] = None,
    labels: Optional[Labels] = None,
    norm_in_bbox: bool = False,
    max_shape: Optional[Tuple[int, int]] = None,
    smooth_grad: int = 0,
    smooth_noise: float = 0.1,
    text: Optional[Text] = None,
    custom_entities: Optional[bool] = None,
    method_options: Optional[Dict[str, Any]] = None,
    progress: Optional[Progress] = None,
) -> BoxExplanation:
    """Explain every box that a detector draws on a picture, each by its own map.

    The model is given back as it was.

    Args:
        model: A config, with ``checkpoint`` and ``device``; a model that mmdet's ``init_detector``
            built; or what :func:`load_detector` returned.
        picture: File name or http(s) address; array (H, W, 3), uint8, BGR, as OpenCV reads it; PIL image; or tensor
            (3, H, W), RGB, of floats in [0, 1] or uint8.
        checkpoint, device, cfg_options, resize_only: See :func:`open_network`; only for a config.
        family: See :func:`open_network`.
        method: Name of a method, case-insensitive. ``'gradcam'`` is what MMYOLO draws.
        layers: Names of the layers to look at; ``'auto'`` for the last layer of every stride, from the finest to the
            neck. Defaults to those that the method is made for: ``'auto'`` for ``'evidencecam'``; for the others the
            neck, or the backbone if there is none.
        fusion: How the maps of levels and layers become one: ``'sum'``, ``'max'``, ``'product'`` or another of
            :func:`mmlens.available_fusions`. Defaults to ``'product'`` for ``'evidencecam'``, to ``'sum'`` for others.
        target: What is explained: ``'score'`` (the logit of the box's own confidence), ``'box'`` (its edges),
            ``'both'``, one edge (``'left'``, ``'top'``, ``'right'`` or ``'bottom'``), or ``'mask'`` (the mean logit of
            its mask, of a detector that predicts masks, in a method of one pass).
        region: Shape (H, W), bool, in the picture: explain the mean over these pixels instead of those of each
            predicted mask, with the target ``'mask'``.
        against: Explain why the box is of its class and not of another: the class's logit minus the other's, of the
            same candidate. A class by name or index; ``'auto'``, the one that scores second there; ``'background'``;
            or several classes, weighted by how likely they are as in Finer-CAM. A box of one of these classes is
            contrasted with the others.
        signed: Compute what speaks against each score too; with ``against``, methods of gradients always do.
        score_thr: Detections below are left out.
        classes: Only these, by name or index.
        instances: Only these, by rank among the detections over ``score_thr``, from 0.
        topk: Only the best ``topk`` of what is left; -1 takes all.
        boxes: Explain these boxes instead of the detections: found or missed, ``[x1, y1, x2, y2]`` in picture pixels
            each. What is explained is the class score of the candidate (prior, proposal or query) that stands for
            the box before thresholds and suppression; see :func:`~mmlens.explain.given.best_candidate`. The results
            keep the order of the boxes and know ``candidate``, ``overlap`` and ``rank``.
        labels: The class of each of ``boxes``, by name or index; one for all of them if it is no list.
        norm_in_bbox: Rescale each map within its box, with nothing outside.
        max_shape: Average larger levels down to at most ``(h, w)``; -1 leaves a side as it is.
        smooth_grad: Take the mean map of this many copies of the input with Gaussian noise (SmoothGrad), in a method
            of one pass that uses gradients; 0 for none. Each box is followed as the same candidate.
        smooth_noise: Standard deviation of that noise, as a share of the input's range of values.
        text: What an open-vocabulary detector is to look for: a text such as ``'a dog. a bicycle.'``, or a
            name for each class.
        custom_entities: Whether each part of the text between full stops is a class as it stands; else models
            such as GLIP look for the nouns in it.
        method_options: Options of a method that runs the network many times: ``batch_size`` and
            ``memory`` (MB) of any; for the others see :mod:`mmlens.attribution.methods.ablation`,
            :mod:`~mmlens.attribution.methods.masking`, :mod:`~mmlens.attribution.methods.drise`,
            :mod:`~mmlens.attribution.methods.integrated` and :mod:`~mmlens.attribution.methods.precision_search`.
        progress: Called with the number of passes done and in all, after each batch of such a method;
            returns whether to go on. Ended early, the maps are those so far, and the result is ``unfinished``.

    Returns:
        The boxes with raw and normalised maps, in picture coordinates.

    Raises:
        MmlensError: With one sentence on what is wrong.

    Example:
        >>> from mmlens import explain_boxes
        >>> found = explain_boxes('config.py', 'dog.jpg', checkpoint='weights.pth')
        >>> found[0].class_name, found[0].score, found[0].normalised.shape
        ('dog', 0.86, (576, 768))
        >>> cv2.imwrite('dog_boxes.png', found.draw(layout='panels'))
    """
    if topk == 0 or topk < -1:
        raise MmlensError(f'`topk` must be -1 or at least 1, not {topk}.')
    detector = open_detector(
        model, checkpoint, device=device, cfg_options=cfg_options, resize_only=resize_only, family=family
    )
    chosen = get_method(method)  # after the config, which may bring a method of its own
    if region is not None and target != MASK:
        raise MmlensError("`region` is where a mask is explained: it needs the `target` 'mask'.")
    words: Dict[str, Any] = dict(text=text, custom_entities=custom_entities)
    targets: BoxTargets
    if boxes is None and labels is None:
        selection = _Selection(detector, score_thr, classes, instances, topk)
        targets = selection.targets(picture, target, against, region, words)
    else:
        _check_nothing_else(classes=classes, instances=instances, topk=None if topk == -1 else topk)
        targets = _given(detector, picture, target, boxes, labels, against, words)
    if signed:
        check_signed(chosen)
    both_ways = signed or against is not None
    job = Job.settle(
        targets,
        chosen,
        method_options,
        layers,
        fusion,
        max_shape=max_shape,
        progress=progress,
        both_ways=both_ways,
        noise=Noise(smooth_grad, smooth_noise) if smooth_grad else None,
    )
    explained = job.run()
    names = detector.names_of(targets.prepared, targets.found)
    maps = [
        _box_map(targets, position, names[targets.ranks[position]], one, norm_in_bbox)
        for position, one in enumerate(explained.maps)
    ]
    result = BoxExplanation(
        targets.prepared.picture,
        _of_given(targets, maps) if isinstance(targets, GivenTargets) else maps,
        tuple(job.layers),
        chosen.name,
        target,
        versions=dict(installed_versions()),
        passes=explained.passes,
        unfinished=explained.unfinished,
        fusion=job.fusion,
    )
    result.notes = [*detector.notes, *targets.prepared.notes, *explained.notes, *_notes(result, chosen)]
    if not result.boxes:
        result.notes.append('No box was given.' if boxes is not None else _why_none(len(targets.found), score_thr))
    return result


@dataclass
class _Selection:
    """Which detections are explained; see :func:`explain_boxes`."""

    detector: Detector
    score_thr: float
    classes: Optional[Sequence[Union[str, int]]]
    instances: Optional[Sequence[int]]
    topk: int

    def targets(
        self,
        picture: Picture,
        target: str,
        against: Optional[Classes],
        region: Optional[np.ndarray],
        words: Dict[str, Any],
    ) -> BoxTargets:
        if not self.detector.needs_words:  # else the words are the classes, and known with the picture
            self.classes = self.detector.class_indexes(self.classes)

        def select(found: Predictions) -> List[int]:
            prepared = known().prepared  # type: ignore[union-attr]  # it asks
            wanted = self.detector.class_indexes(self.classes, prepared)
            return select_detections(found, self.score_thr, wanted, self.instances, self.topk)

        targets: BoxTargets
        if target == MASK:
            targets = MaskTargets(self.detector, picture, target, select, against, region, **words)
        else:
            targets = BoxTargets(self.detector, picture, target, select, against, **words)
        # Not by name: in a circle, targets would keep picture and input until the garbage is collected, minutes later.
        known = weakref.ref(targets)
        return targets


def _check_nothing_else(**selecting: Any) -> None:
    for name, value in selecting.items():
        if value is not None:
            raise MmlensError(f'`boxes` say what is explained, and `{name}` chooses among detections: leave out one.')


def _given(
    detector: Detector,
    picture: Picture,
    target: str,
    boxes: Optional[Sequence[Sequence[float]]],
    labels: Optional[Labels],
    against: Optional[Classes],
    words: Dict[str, Any],
) -> GivenTargets:
    if boxes is None or labels is None:
        missing, there = ('`boxes`', '`labels`') if boxes is None else ('`labels`', '`boxes`')
        raise MmlensError(f'{there} were given without {missing}: each box needs its class, and each class its box.')
    if target == MASK:
        raise MmlensError("Masks are those of detections: leave out `boxes`, or choose another `target` than 'mask'.")
    checked = check_boxes(boxes, labels)
    if not detector.needs_words:
        labels = detector.class_indexes(one_each(labels, len(checked))) or []
    return GivenTargets(detector, picture, target, checked, labels, against, **words)


def _of_given(targets: GivenTargets, maps: List[BoxMap]) -> List[BoxMap]:
    """A map for each given box: of its candidate, or an empty one."""
    size = targets.prepared.picture.shape[:2]
    by_box = dict(zip(targets.asked, maps))
    found = []
    for n, pick in enumerate(targets.picks):
        box, one = pick.box.astype(np.float32), by_box.get(n)
        if one is not None and pick.best is not None:
            best, own = pick.best, one.box
            one.box, one.candidate, one.index, one.mask = box, own, pick.index, pick.mask
            one.overlap, one.rank = best.overlap, best.rank
            found.append(one)
            continue
        empty, name = later(np.zeros, size, np.float32), targets.network.class_name(pick.label, targets.prepared)
        found.append(BoxMap(-1, box, pick.label, name, 0.0, empty, empty, blank=_NO_CANDIDATE, overlap=0.0))
    return found


def _box_map(targets: BoxTargets, position: int, name: str, attribution: Attribution, norm_in_bbox: bool) -> BoxMap:
    found, rank = targets.found, targets.ranks[position]
    box = found.boxes[rank].detach().float().cpu().numpy()
    label = int(found.labels[rank])

    # On the picture's grid maps are made when they are looked at: of many boxes on a large picture they take gigabytes.
    geometry, within = targets.prepared.geometry, box if norm_in_bbox else None
    values = attribution.raw.float().cpu().numpy()
    raw, normalised = later(geometry.map_to_picture, values), later(_normalised, geometry, values, within)
    shows = attribution.blank is None and bool(normalised.array().any())
    counter = attribution.counter
    return BoxMap(
        index=rank,
        box=box,
        label=label,
        class_name=name,
        score=float(found.scores[rank].detach()),
        raw=raw,
        normalised=normalised,
        blank=attribution.blank if attribution.blank or shows else _why_nothing_shows(raw.array()),
        against=targets.name_against(position),
        counter=None if counter is None else later(_normalised, geometry, counter.float().cpu().numpy(), within),
        mask=None if found.masks is None else found.masks[rank].detach().cpu().numpy().astype(bool),
    )


def _normalised(geometry: Geometry, values: np.ndarray, within: Optional[np.ndarray]) -> np.ndarray:
    """A map on the input's grid, laid over the picture and scaled: to its maximum, or within a box."""
    laid = geometry.map_to_picture(values)
    return normalise(laid, out=laid) if within is None else normalise_in_box(laid, within)


def _why_nothing_shows(laid: np.ndarray) -> str:
    """Why a map that is not blank on the input has nothing to show on the picture or in the box."""
    if laid.any():
        return 'its evidence lies outside the box; leave out `norm_in_bbox`'
    return 'its evidence lies outside the picture, in the padding; choose another layer'


def _why_none(found: int, score_thr: float) -> str:
    if found:
        return f'No detection was selected: none of the wanted kind scores {score_thr} or more.'
    return (
        'The detector found nothing: its own test_cfg filtered out every box, by score or by size; lower its '
        'thresholds with `cfg_options`.'
    )


def _notes(result: BoxExplanation, method: Method) -> List[str]:
    notes = []
    if result.boxes and isinstance(method, OnePassMethod) and not method.uses_gradients:
        notes.append(f'{method.name} shows what the layer reacts to; its map is the same for every box and class.')
    notes.extend(
        f'The map of {box.class_name} {box.score:.2f} is blank: {box.blank}.' for box in result.boxes if box.blank
    )
    return notes
