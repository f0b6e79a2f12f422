"""From maps on the input's grid to what `explain_boxes` returns."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from ..attribution.attribute import Attribution
from ..attribution.methods import Method, OnePassMethod
from ..models.geometry import Geometry
from ..results.boxes import BoxExplanation, BoxMap
from ..results.later import later
from .box_targets import BoxTargets
from .given_targets import GivenTargets
from .job import Attributions, Job
from .networks import installed_versions
from .normalise import normalise, normalise_in_box

_NO_CANDIDATE = 'no candidate of the detector overlaps the given box'


def box_explanation(
    targets: BoxTargets, job: Job, explained: Attributions, target: str, score_thr: float, norm_in_bbox: bool
) -> BoxExplanation:
    """What is returned for a picture.

    Args:
        targets: What was asked.
        job: How it was explained.
        explained: What came of it.
        target, score_thr, norm_in_bbox: See :func:`mmlens.explain_boxes`.
    """
    detector, given = targets.network, isinstance(targets, GivenTargets)
    names = detector.names_of(targets.prepared, targets.found)
    maps = [
        _box_map(targets, position, chosen, names[chosen.rank], one, norm_in_bbox)
        for position, (chosen, one) in enumerate(zip(_chosen(targets), explained.maps))
    ]
    result = BoxExplanation(
        targets.prepared.picture,
        _of_given(targets, maps) if isinstance(targets, GivenTargets) else maps,
        tuple(job.layers),
        job.method.name,
        target,
        versions=dict(installed_versions()),
        passes=explained.passes,
        unfinished=explained.unfinished,
        fusion=job.fusion,
    )
    result.notes = [*detector.notes, *targets.prepared.notes, *explained.notes, *_notes(result, job.method)]
    if not result.boxes:
        result.notes.append('No box was given.' if given else _why_none(len(targets.found), score_thr))
    return result


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


class _Chosen(NamedTuple):
    """An explained detection."""

    rank: int
    box: np.ndarray
    label: int
    score: float


def _chosen(targets: BoxTargets) -> List[_Chosen]:
    """The explained detections, read from the device at once."""
    found = targets.found.subset(targets.ranks)
    boxes = [box.copy() for box in found.boxes.float().cpu().numpy()]
    return [
        _Chosen(*each) for each in zip(targets.ranks, boxes, map(int, found.labels.tolist()), found.scores.tolist())
    ]


def _box_map(
    targets: BoxTargets, position: int, chosen: _Chosen, name: str, attribution: Attribution, norm_in_bbox: bool
) -> BoxMap:
    masks, box = targets.found.masks, chosen.box

    # On the picture's grid maps are made when they are looked at: of many boxes on a large picture they take gigabytes.
    geometry, within = targets.prepared.geometry, box if norm_in_bbox else None
    values = attribution.raw.float().cpu().numpy()
    raw = later(geometry.map_to_picture, values)
    normalised = later(_normalised, geometry, values, within, part=_normalised_part)
    shows = attribution.blank is None and (geometry.shows(values) if within is None else bool(normalised.array().any()))
    counter = attribution.counter
    return BoxMap(
        index=chosen.rank,
        box=box,
        label=chosen.label,
        class_name=name,
        score=chosen.score,
        raw=raw,
        normalised=normalised,
        blank=attribution.blank if attribution.blank or shows else _why_nothing_shows(raw.array()),
        against=targets.name_against(position),
        counter=None if counter is None else later(_normalised, geometry, counter.float().cpu().numpy(), within),
        mask=None if masks is None else masks[chosen.rank].detach().cpu().numpy().astype(bool),
    )


def _normalised(geometry: Geometry, values: np.ndarray, within: Optional[np.ndarray]) -> np.ndarray:
    """A map on the input's grid, laid over the picture and scaled: to its maximum, or within a box."""
    laid = geometry.map_to_picture(values)
    return normalise(laid, out=laid) if within is None else normalise_in_box(laid, within)


def _normalised_part(
    geometry: Geometry, values: np.ndarray, within: Optional[np.ndarray]
) -> Tuple[np.ndarray, Tuple[int, int]]:
    """The part of the same that is not 0, and its upper row and left column."""
    if within is not None:
        return _normalised(geometry, values, within), (0, 0)
    part, corner = geometry.part_of_picture(values)
    return normalise(part, out=part), corner


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
