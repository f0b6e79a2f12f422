"""The front door for detectors: from a model and a picture to a map for each box."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from ..attribution.attribute import Attribution
from ..attribution.methods import Method, OnePassMethod, Progress, get_method
from ..attribution.smoothing import Noise
from ..attribution.targets import MASK
from ..errors import MmlensError
from ..models.inputs import Picture
from ..models.predictions import Predictions
from ..models.words import Text
from ..results.boxes import BoxExplanation, BoxMap
from .box_targets import BoxTargets, Classes, select_detections
from .job import Job, check_signed
from .mask_targets import MaskTargets
from .networks import NetworkLike, installed_versions, open_detector
from .normalise import normalise, normalise_in_box


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
        picture: File name, or (H, W, 3) uint8 BGR.
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
    if not detector.needs_words:  # else the words are the classes, and known with the picture
        classes = detector.class_indexes(classes)

    def select(found: Predictions) -> List[int]:
        wanted = detector.class_indexes(classes, targets.prepared)
        return select_detections(found, score_thr, wanted, instances, topk)

    if region is not None and target != MASK:
        raise MmlensError("`region` is where a mask is explained: it needs the `target` 'mask'.")
    words: Dict[str, Any] = dict(text=text, custom_entities=custom_entities)
    targets: BoxTargets
    if target == MASK:
        targets = MaskTargets(detector, picture, target, select, against, region, **words)
    else:
        targets = BoxTargets(detector, picture, target, select, against, **words)
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
    result = BoxExplanation(
        targets.prepared.picture,
        [
            _box_map(targets, position, names[targets.ranks[position]], one, norm_in_bbox)
            for position, one in enumerate(explained.maps)
        ],
        tuple(job.layers),
        chosen.name,
        target,
        versions=dict(installed_versions()),
        passes=explained.passes,
        unfinished=explained.unfinished,
        fusion=job.fusion,
    )
    result.notes = detector.notes + explained.notes + _notes(result, chosen, score_thr, len(targets.found))
    return result


def _box_map(targets: BoxTargets, position: int, name: str, attribution: Attribution, norm_in_bbox: bool) -> BoxMap:
    found, rank = targets.found, targets.ranks[position]
    box = found.boxes[rank].detach().float().cpu().numpy()
    label = int(found.labels[rank])

    def normal(laid: np.ndarray) -> np.ndarray:
        return normalise_in_box(laid, box) if norm_in_bbox else normalise(laid)

    to_picture = targets.prepared.geometry.map_to_picture
    laid = to_picture(attribution.raw.cpu().numpy())
    normalised = normal(laid)
    counter = attribution.counter
    return BoxMap(
        index=rank,
        box=box,
        label=label,
        class_name=name,
        score=float(found.scores[rank].detach()),
        raw=laid,
        normalised=normalised,
        blank=attribution.blank if attribution.blank or normalised.any() else _why_nothing_shows(laid),
        against=targets.name_against(position),
        counter=None if counter is None else normal(to_picture(counter.cpu().numpy())),
        mask=None if found.masks is None else found.masks[rank].detach().cpu().numpy().astype(bool),
    )


def _why_nothing_shows(laid: np.ndarray) -> str:
    """Why a map that is not blank on the input has nothing to show on the picture or in the box."""
    if laid.any():
        return 'its evidence lies outside the box; leave out `norm_in_bbox`'
    return 'its evidence lies outside the picture, in the padding; choose another layer'


def _notes(result: BoxExplanation, method: Method, score_thr: float, found: int) -> List[str]:
    notes = []
    if not found:
        notes.append(
            'The detector found nothing: its own test_cfg filtered out every box, by score or by size; lower its '
            'thresholds with `cfg_options`.'
        )
    elif not result.boxes:
        notes.append(f'No detection was selected: none of the wanted kind scores {score_thr} or more.')
    if result.boxes and isinstance(method, OnePassMethod) and not method.uses_gradients:
        notes.append(f'{method.name} shows what the layer reacts to; its map is the same for every box and class.')
    notes.extend(
        f'The map of {box.class_name} {box.score:.2f} is blank: {box.blank}.' for box in result.boxes if box.blank
    )
    return notes
