"""The front door for detectors: from a model and a picture to a map for each box."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from ..attribution.fuse import normalise, normalise_in_box
from ..attribution.layers import resolve_layers
from ..attribution.methods import Method, PassMethod, Progress, get_method, pass_method
from ..errors import MmlensError, PictureError
from ..models.detector import Detector, Predictions
from ..models.inputs import Picture
from ..results.boxes import BoxExplanation, BoxMap
from .box_job import BoxJob, Explained
from .layers import check_black_box, named_layers
from .networks import DetectorLike, as_detector, installed_versions


def explain_boxes(
    model: DetectorLike,
    picture: Picture,
    *,
    checkpoint: Optional[Union[str, Path]] = None,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    resize_only: bool = False,
    method: str = 'gradcam',
    layers: Optional[Sequence[str]] = None,
    target: str = 'score',
    score_thr: float = 0.3,
    classes: Optional[Sequence[Union[str, int]]] = None,
    instances: Optional[Sequence[int]] = None,
    topk: int = -1,
    norm_in_bbox: bool = False,
    max_shape: Optional[Tuple[int, int]] = None,
    method_options: Optional[Dict[str, Any]] = None,
    progress: Optional[Progress] = None,
) -> BoxExplanation:
    """Explain every box that a detector draws on a picture, each by its own map.

    The model is given back as it was.

    Args:
        model: A config, with ``checkpoint`` and ``device``; a model that mmdet's ``init_detector``
            built; or what :func:`load_detector` returned.
        picture: File name, or (H, W, 3) uint8 BGR.
        checkpoint, device, cfg_options, resize_only: See :func:`load_detector`; only for a config.
        method: Name of a method, any case.
        layers: Names of the layers to look at. Defaults to the neck, or the backbone if there is none.
        target: What is explained: ``'score'`` (the logit of the box's own confidence), ``'box'``
            (its edges) or ``'both'``.
        score_thr: Detections below are left out.
        classes: Only these, by name or index.
        instances: Only these, by rank among the detections over ``score_thr``, from 0.
        topk: Only the best ``topk`` of what is left; -1 takes all.
        norm_in_bbox: Rescale each map within its box, with nothing outside.
        max_shape: Average larger levels down to at most ``(h, w)``; -1 leaves a side as it is.
        method_options: Options of a method that runs the network many times: ``batch_size`` and
            ``memory`` (MB) of any; for the others see :mod:`mmlens.attribution.methods.ablation`,
            :mod:`~mmlens.attribution.methods.masking` and :mod:`~mmlens.attribution.methods.drise`.
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
        raise MmlensError(f'topk must be -1 or at least 1, not {topk}.')
    detector = as_detector(model, checkpoint, device, cfg_options, resize_only)
    chosen = pass_method(method) or get_method(method)  # after the config, which may bring a method of its own
    options = chosen.complete(method_options)
    names = _layers_of(layers, detector)
    if isinstance(chosen, PassMethod) and not chosen.uses_layers:
        check_black_box(chosen, layers)
        names = ()
        if target != 'score':
            raise MmlensError(f"Method '{chosen.name}' knows scores and overlaps only: leave the target at 'score'.")
    wanted = detector.class_indexes(classes)
    tapped = resolve_layers(detector.model, names)
    job = BoxJob(
        detector,
        picture,
        tapped,
        target,
        lambda found: select_detections(found, score_thr, wanted, instances, topk),
        max_shape,
    )
    explained = job.by_passes(chosen, options, progress) if isinstance(chosen, PassMethod) else job.by_one_pass(chosen)
    result = BoxExplanation(
        explained.prepared.picture,
        [_box_map(detector, explained, position, norm_in_bbox) for position in range(len(explained.ranks))],
        tuple(tapped),
        chosen.name,
        target,
        versions=dict(installed_versions()),
        passes=explained.passes,
        unfinished=explained.unfinished,
    )
    result.notes = explained.notes + _notes(result, chosen, score_thr, len(explained.found))
    return result


def _layers_of(layers: Optional[Sequence[str]], detector: Detector) -> Tuple[str, ...]:
    return detector.default_layers if layers is None else named_layers(layers)


def select_detections(
    found: Predictions,
    score_thr: float,
    classes: Optional[Sequence[int]],
    instances: Optional[Sequence[int]],
    topk: int,
) -> List[int]:
    """Ranks of the detections to show; for the arguments see :func:`explain_boxes`.

    Raises:
        PictureError: If there is no detection of a rank asked for.
    """
    scores, labels = found.scores.detach().tolist(), found.labels.tolist()
    ranks = [rank for rank, score in enumerate(scores) if score >= score_thr]
    if instances is not None:
        beyond = [i for i in instances if not 0 <= i < len(ranks)]
        if beyond and ranks:
            raise PictureError(
                f'There is no instance {beyond[0]}: {len(ranks)} detections score at least {score_thr}, '
                f'0 to {len(ranks) - 1}.'
            )
        ranks = [rank for rank in ranks if rank in set(instances)]
    if classes is not None:
        ranks = [rank for rank in ranks if labels[rank] in classes]
    return ranks if topk < 0 else ranks[:topk]


def _box_map(detector: Detector, explained: Explained, position: int, norm_in_bbox: bool) -> BoxMap:
    found, rank, attribution = explained.found, explained.ranks[position], explained.maps[position]
    box = found.boxes[rank].detach().float().cpu().numpy()
    label = int(found.labels[rank])
    laid = explained.prepared.geometry.map_to_picture(attribution.raw.cpu().numpy())
    normalised = normalise_in_box(laid, box) if norm_in_bbox else normalise(laid)
    return BoxMap(
        index=rank,
        box=box,
        label=label,
        class_name=detector.class_name(label),
        score=float(found.scores[rank].detach()),
        raw=laid,
        normalised=normalised,
        blank=attribution.blank if attribution.blank or normalised.any() else _why_nothing_shows(laid),
        mask=None if found.masks is None else found.masks[rank].detach().cpu().numpy().astype(bool),
    )


def _why_nothing_shows(laid: np.ndarray) -> str:
    """Why a map that is not blank on the input has nothing to show on the picture or in the box."""
    if laid.any():
        return 'its evidence lies outside the box; leave out norm_in_bbox'
    return 'its evidence lies outside the picture, in the padding; choose another layer'


def _notes(result: BoxExplanation, method: Union[Method, PassMethod], score_thr: float, found: int) -> List[str]:
    notes = []
    if not found:
        notes.append(
            'The detector found nothing: its own test_cfg lets no box through, be it for its score or for its size.'
        )
    elif not result.boxes:
        notes.append(f'No detection was selected: none of the wanted kind scores {score_thr} or more.')
    if result.boxes and isinstance(method, Method) and not method.uses_gradients:
        notes.append(f'{method.name} shows what the layer reacts to; its map is the same for every box and class.')
    notes.extend(
        f'The map of {box.class_name} {box.score:.2f} is blank: {box.blank}.' for box in result.boxes if box.blank
    )
    return notes
