"""The front door for detectors: from a model and a picture to a map for each box."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Generator, Optional, Sequence, Tuple, Union, overload

import numpy as np

from ..attribution.methods import Progress, get_method
from ..attribution.smoothing import Noise
from ..attribution.targets import MASK
from ..errors import MmlensError, noted
from ..models.inputs import Picture
from ..models.words import Text
from ..results.boxes import BoxExplanation
from .box_results import box_explanation
from .box_selection import Selection, check_nothing_else, given_targets
from .box_targets import BoxTargets, Classes
from .given import Labels
from .job import Attributions, Job, check_signed
from .many import Pictures, answers, check_batch_size
from .networks import NetworkLike, open_detector


@overload
def explain_boxes(model: NetworkLike, picture: Picture, **options: Any) -> BoxExplanation: ...


@overload
def explain_boxes(model: NetworkLike, picture: Pictures, **options: Any) -> Generator[BoxExplanation, None, None]: ...


@noted  # type: ignore[misc]  # the names of options are here alone
def explain_boxes(
    model: NetworkLike,
    picture: Union[Picture, Pictures],
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
    batch_size: int = 1,
) -> Any:
    """Explain every box that a detector draws on a picture, each by its own map.

    The model is given back as it was; of several pictures, before each result is handed on.

    Args:
        model: A config, with ``checkpoint`` and ``device``; a model that mmdet's ``init_detector``
            built; or what :func:`load_detector` returned.
        picture: File name or http(s) address; array (H, W, 3), uint8, BGR, as OpenCV reads it; PIL image; or tensor
            (3, H, W), RGB, of floats in [0, 1] or uint8. Or several: a list, a tuple, a generator.
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
            of one pass that uses gradients; 0 for none. Each box is followed as the same candidate; as many copies as
            memory allows go through the network together.
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
        batch_size: How many of several pictures go through the network together, where their inputs have one size and
            the method takes one pass; maps then differ by rounding (some 1e-5 of their maximum). What it
            saves depends on the method.

    Returns:
        The boxes with raw and normalised maps, in picture coordinates.
        For several pictures a generator of these, in order, made as they are asked for: only the next few pictures
        are read ahead, and no result is kept. What is wrong with a picture is raised when its turn comes, and ends it.

    Raises:
        MmlensError: With one sentence on what is wrong.

    Example:
        >>> from mmlens import explain_boxes
        >>> found = explain_boxes('config.py', 'dog.jpg', checkpoint='weights.pth')
        >>> found[0].class_name, found[0].score, found[0].normalised.shape
        ('dog', 0.86, (576, 768))
        >>> cv2.imwrite('dog_boxes.png', found.draw(layout='panels'))
        >>> for number, found in enumerate(explain_boxes(detector, Path('pictures').glob('*.jpg'))):
        ...     found.save(f'maps/{number}.npz')
    """
    if topk == 0 or topk < -1:
        raise MmlensError(f'`topk` must be -1 or at least 1, not {topk}.')
    check_batch_size(batch_size)
    detector = open_detector(
        model, checkpoint, device=device, cfg_options=cfg_options, resize_only=resize_only, family=family
    )
    chosen = get_method(method)  # after the config, which may bring a method of its own
    if region is not None and target != MASK:
        raise MmlensError("`region` is where a mask is explained: it needs the `target` 'mask'.")
    if signed:
        check_signed(chosen)
    words: Dict[str, Any] = dict(text=text, custom_entities=custom_entities)
    selection = Selection(detector, score_thr, classes, instances, topk)

    def ask(picture: Picture) -> Job:
        targets: BoxTargets
        if boxes is None and labels is None:
            targets = selection.targets(picture, target, against, region, words)
        else:
            check_nothing_else(classes=classes, instances=instances, topk=None if topk == -1 else topk)
            targets = given_targets(detector, picture, target, boxes, labels, against, words)
        return Job.settle(
            targets,
            chosen,
            method_options,
            layers,
            fusion,
            max_shape=max_shape,
            progress=progress,
            both_ways=signed or against is not None,
            noise=Noise(smooth_grad, smooth_noise) if smooth_grad else None,
        )

    def answer(job: Job, explained: Attributions) -> BoxExplanation:
        assert isinstance(job.targets, BoxTargets)
        return box_explanation(job.targets, job, explained, target, score_thr, norm_in_bbox)

    return answers(detector, picture, ask, answer, batch_size)
