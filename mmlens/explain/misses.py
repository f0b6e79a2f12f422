"""Why was it missed? From an annotated object to the step of the detector that lost it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Union

from ..attribution.class_scores import ClassScores
from ..attribution.graph import live_graph
from ..attribution.layers import resolve_layers
from ..attribution.passes.once import Once
from ..attribution.tap import Tap
from ..errors import MmlensError, noted
from ..models.detector import Detector
from ..models.inputs import Picture
from ..models.prepared import Prepared
from ..models.words import Text
from ..results.boxes import BoxExplanation
from ..results.misses import Miss, Misses
from .boxes import explain_boxes
from .given import Labels, check_boxes, check_in_picture, one_each
from .given_search import Search
from .miss_evidence import Evidence
from .miss_judge import Judge
from .networks import NetworkLike, open_detector


@noted
def why_missed(
    model: NetworkLike,
    picture: Picture,
    boxes: Sequence[Sequence[float]],
    labels: Labels,
    *,
    score_thr: float = 0.3,
    iou_thr: float = 0.5,
    checkpoint: Optional[Union[str, Path]] = None,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    text: Optional[Text] = None,
    custom_entities: Optional[bool] = None,
) -> Misses:
    """Tell why objects of a picture were missed: at which step the detector lost each, and by how much.

    The network runs once for all objects of a picture, and its post-processing a few times. Give all annotated
    objects, found ones too: a detection that belongs to another object is then not taken for this one's.

    Args:
        model: See :func:`explain_boxes`.
        picture: See :func:`mmlens.explain_boxes`.
        boxes: The objects, ``[x1, y1, x2, y2]`` in picture pixels each.
        labels: Their classes, by name or index; one for all of them if it is no list.
        score_thr: An object is found if a detection of its class scores this much or more ...
        iou_thr: ... and overlaps it with this IoU or more. Each detection finds one object.
        checkpoint, device, cfg_options: See :func:`open_network`; only for a config.
        text, custom_entities: See :func:`explain_boxes`.

    Returns:
        A list with one for each object, in their order; those that were found have the mechanism ``'found'``.

    Raises:
        MmlensError: With one sentence on what is wrong.

    Example:
        >>> from mmlens import why_missed
        >>> (miss,) = why_missed(detector, 'picture.jpg', [[20, 15, 80, 75]], ['car'])
        >>> miss.mechanism, miss.sentence
        ('background', 'A candidate lies there (IoU 0.81), and no class reaches 0.30: car has 0.08.')
    """
    if not 0 < iou_thr <= 1:
        raise MmlensError(f'`iou_thr` must be above 0 and at most 1, not {iou_thr}.')
    detector = open_detector(model, checkpoint, device=device, cfg_options=cfg_options)
    given = check_boxes(boxes, labels)
    prepared = _prepared(detector, picture, dict(text=text, custom_entities=custom_entities))
    check_in_picture(given, prepared.picture)
    numbers = detector.class_indexes(one_each(labels, len(given)), prepared) or []
    count = detector.num_classes
    seen = ClassScores(len(detector.names(prepared)) if count is None else count)
    layers = resolve_layers(detector.model, list(detector.default_layers))
    with Tap(detector.model, layers) as tap, Once(detector.model) as once, live_graph(seen):
        search = Search(detector, prepared, seen)
        evidence = Evidence(
            detector, prepared, search, once, lambda: [t.shape[-2:] for t in tap.tensors if t.ndim == 4]
        )
        judge = Judge(detector, prepared, evidence, given, numbers, score_thr, iou_thr)
        return Misses(judge.miss(n) for n in range(len(given)))


@noted
def explain_miss(model: NetworkLike, picture: Picture, miss: Miss, **options: Any) -> BoxExplanation:
    """Draw the map that belongs to a miss.

    Of the candidate that stands for the object: its score and what speaks against it, its contrast with the class that
    won, or for a box that went elsewhere its edges. Beside it the detection that suppressed it, with its own map.

    Args:
        model, picture: Those that :func:`why_missed` was asked about.
        miss: One that it returned.
        **options: More arguments of :func:`explain_boxes`, which the map's own may be replaced by.
    """
    target, against, signed = miss.question
    boxes, labels = [miss.box], [miss.label]
    if miss.mechanism == 'suppressed' and miss.rival is not None:
        boxes, labels = [miss.box, miss.rival], [miss.label, miss.rival_label]
    asked: Dict[str, Any] = dict(target=target, signed=signed, boxes=boxes, labels=labels)
    if against:
        asked['against'] = list(against)
    return explain_boxes(model, picture, **{**asked, **options})


def _prepared(detector: Detector, picture: Picture, words: Dict[str, Any]) -> Prepared:
    with Tap(detector.model, {}):  # the pipeline may draw random numbers
        return detector.prepare(picture, **words)
