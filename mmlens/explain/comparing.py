"""The front door for two: the same objects by two detectors, or by one under two settings."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, ContextManager, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch

from ..attribution.restore import evaluating
from ..errors import MethodError, MmlensError, noted
from ..metrics import iou
from ..models.detector import Detector
from ..models.inputs import Picture
from ..results.boxes import BoxExplanation, BoxMap
from ..results.comparison import BoxComparison, BoxPair
from .again import Detection, explain_again
from .boxes import explain_boxes
from .networks import NetworkLike, installed_versions, open_detector
from .same_objects import Found, Match, change_between, match_sides

# Methods whose raw values are parts of the target's logit, whatever the network: gradients times activations.
_IN_LOGITS = ('gradcam', 'hirescam', 'layercam', 'integratedgradients')
_ADDING = ('', 'sum', 'max', 'mean')  # fusions that keep this unit
_DTYPES = ('float32', 'float16', 'bfloat16')


@noted
def compare_boxes(
    a: NetworkLike,
    b: Optional[NetworkLike],
    picture: Picture,
    *,
    checkpoint_a: Optional[Union[str, Path]] = None,
    checkpoint_b: Optional[Union[str, Path]] = None,
    device: Optional[str] = None,
    settings_b: Optional[Dict[str, Any]] = None,
    dtype_b: str = 'float32',
    names: Tuple[str, str] = ('A', 'B'),
    truths: Optional[np.ndarray] = None,
    truth_names: Sequence[str] = (),
    score_thr: float = 0.3,
    classes: Optional[Sequence[str]] = None,
    **settings: Any,
) -> BoxComparison:
    """Explain the same objects by two detectors, or by one under two settings, and compare the maps.

    Detections are the same object if they are of the same class, by its name, and overlap by IoU 0.5 or more; with
    ``truths``, if both find the same annotated object. A detection below ``score_thr``, down to 0.05, counts if the
    other side's has at least ``score_thr``.

    Raw values are shown on one scale where their unit is the same: for both sides the same method of gradients times
    activations (``gradcam``, ``hirescam``, ``layercam``, ``integratedgradients``), target, contrast and fusion, which
    is not ``'product'``; else each map is shown on a scale of its own, and ``why`` says so.

    Args:
        a, b: What :func:`mmlens.explain_boxes` takes; ``None`` for ``b`` is ``a`` again, under other settings.
        picture: See :func:`mmlens.explain_boxes`.
        checkpoint_a, checkpoint_b, device: For configs.
        settings_b: What is other for b: ``method``, ``layers``, ``fusion``, ``against``, ``target`` and more of
            :func:`mmlens.explain_boxes`.
        dtype_b: ``'float16'`` or ``'bfloat16'``: run b in mixed precision (autocast).
        names: What the two are called.
        truths: Shape (M, 4): annotated objects.
        truth_names: Their classes.
        score_thr: Objects that score less on both sides are left out.
        classes: Names of classes: the others are left out.
        **settings: What is asked of both; see :func:`mmlens.explain_boxes`.

    For an object that one side alone found, the other one explains the candidate that stands for it before thresholds
    and suppression; see ``boxes`` of :func:`mmlens.explain_boxes`.

    Returns:
        The objects: first those that one side alone found, then the others, the most changed first.

    Raises:
        MmlensError: With one sentence on what is wrong.

    Example:
        >>> found = compare_boxes('a.py', 'b.py', 'dog.jpg', checkpoint_a='a.pth', checkpoint_b='b.pth')
        >>> found[0].class_name, found[0].a.score, found[0].b.score, found[0].change
        ('dog', 0.86, 0.71, 0.43)
    """
    if dtype_b not in _DTYPES:
        raise MmlensError(f"Unknown `dtype_b` '{dtype_b}': choose one of {', '.join(_DTYPES)}.")
    _check_settings({**settings, **(settings_b or {})})
    first = open_detector(a, checkpoint_a, **({'device': device} if device else {}))
    second = first if b is None else open_detector(b, checkpoint_b, **({'device': device} if device else {}))
    sides = [
        _Side(first, dict(settings), contextlib.nullcontext()),
        _Side(second, {**settings, **(settings_b or {})}, _autocast(second, dtype_b)),
    ]
    whole = first.prepare(picture).picture
    for side in sides:
        side.detect(whole)
    matches = match_sides(sides[0].found, sides[1].found, score_thr, truths, truth_names)
    matches = [match for match in matches if classes is None or _name(match, sides) in classes]
    explained = [side.explain(whole, ranks) for side, ranks in zip(sides, _ranks(matches))]
    for n, (side, (_, boxes)) in enumerate(zip(sides, explained)):
        side.stand_in(whole, boxes, explained[1 - n][1])
    comparable, why = _comparable(explained[0][0], explained[1][0], sides[0].settings == sides[1].settings)
    pairs = [
        _pair(*boxes, match[2], comparable) for boxes, match in zip(zip(explained[0][1], explained[1][1]), matches)
    ]
    pairs.sort(key=lambda pair: (all(pair.found), -pair.change, -abs(pair.score_change)))
    result = BoxComparison(
        whole,
        explained[0][0],
        explained[1][0],
        pairs,
        names,
        comparable,
        why,
        explained[0][0].layers,
        explained[0][0].method,
        versions=dict(installed_versions()),
        unfinished=any(side[0].unfinished for side in explained),
    )
    result.notes = _notes(result, score_thr)
    return result


def _check_settings(settings: Dict[str, Any]) -> None:
    """Check that which boxes are compared is left to the comparison."""
    chosen = [name for name in ('instances', 'topk', 'boxes', 'labels') if name in settings]
    if chosen:
        raise MmlensError(f'Both sides choose the same objects: leave out `{chosen[0]}`, and use `classes`.')


def _ranks(matches: Sequence[Match]) -> Tuple[List[Optional[int]], List[Optional[int]]]:
    """The ranks of each side."""
    return [match[0] for match in matches], [match[1] for match in matches]


def _name(match: Match, sides: Sequence[_Side]) -> str:
    rank, side = (match[0], sides[0]) if match[0] is not None else (match[1], sides[1])
    assert rank is not None
    return side.found.names[rank]


class _Side:
    """One of the two: a detector and what is asked of it."""

    def __init__(self, detector: Detector, settings: Dict[str, Any], context: ContextManager[Any]) -> None:
        self.detector, self.settings, self._context = detector, settings, context

    def detect(self, picture: np.ndarray) -> None:
        prepared = self.detector.prepare(picture)
        with self._context, evaluating(self.detector.model), torch.no_grad():
            found = self.detector.predict(prepared)
        self.found = Found(found, self.detector.names_of(prepared, found))

    def explain(
        self, picture: np.ndarray, ranks: Sequence[Optional[int]]
    ) -> Tuple[BoxExplanation, List[Optional[BoxMap]]]:
        """Explain detections by their ranks; ``None`` where this side has none."""
        wanted = [Detection(r, int(self.found.labels[r]), self.found.boxes[r]) for r in ranks if r is not None]
        with self._context:
            if not wanted:  # nothing to explain, but what would have been asked is known
                self.explanation = explain_boxes(self.detector, picture, score_thr=1.0, instances=[], **self.settings)
                return self.explanation, [None for _ in ranks]
            explanation, maps = explain_again(self.detector, picture, wanted, **self.settings)
        left = iter(maps)
        self.explanation = explanation
        return explanation, [None if rank is None else next(left) for rank in ranks]

    def stand_in(self, picture: np.ndarray, boxes: List[Optional[BoxMap]], others: Sequence[Optional[BoxMap]]) -> None:
        """For each object that the other side alone found, explain the candidate that stands for it here.

        Args:
            picture: The picture.
            boxes: What this side found; gaps are filled in place.
            others: What the other side found.
        """
        names = list(self.detector.class_names)
        lost = [
            (n, other)
            for n, (own, other) in enumerate(zip(boxes, others))
            if own is None and other is not None and other.overlap is None and other.class_name in names
        ]
        if not lost:
            return
        given = [other.box.tolist() for _, other in lost]
        labels = [names.index(other.class_name) for _, other in lost]
        try:
            with self._context:
                found = explain_boxes(self.detector, picture, boxes=given, labels=labels, **self.settings)
        except MmlensError:  # of this detector, or this method, no candidates are known
            return
        for (n, _), box in zip(lost, found):
            boxes[n] = box
            self.explanation.boxes.append(box)


def _autocast(detector: Detector, dtype: str) -> ContextManager[Any]:
    if dtype == 'float32':
        return contextlib.nullcontext()
    device = next(detector.model.parameters()).device.type
    return _Reusable(device, getattr(torch, dtype))


class _Reusable(contextlib.AbstractContextManager):  # type: ignore[type-arg]
    """Autocast that can be entered again, with errors of half precision in one sentence."""

    def __init__(self, device: str, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype

    def __enter__(self) -> None:
        self._inner = torch.autocast(self._device, dtype=self._dtype)
        try:
            self._inner.__enter__()
        except RuntimeError as error:  # torch 2.1 has no float16 on CPUs
            raise self._told(error) from error

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._inner.__exit__(kind, error, trace)
        if isinstance(error, RuntimeError) and not isinstance(error, torch.cuda.OutOfMemoryError):
            raise self._told(error) from error

    def _told(self, error: RuntimeError) -> MethodError:
        name, words = str(self._dtype).split('.')[-1], str(error).splitlines()[0]
        return MethodError(f'This detector does not run in {name} here ({words}): leave out `dtype_b`.')


def _comparable(a: BoxExplanation, b: BoxExplanation, same: bool) -> Tuple[bool, str]:
    """Whether raw values have the same unit, and a sentence on it."""
    own = 'each map is shown on a scale of its own'
    if a.method != b.method or a.target != b.target or a.fusion != b.fusion or not same:
        return False, f'Raw values of two settings have different units: {own}.'
    if a.method not in _IN_LOGITS:
        return False, f'Raw values of {a.method} have no unit that two networks share: {own}.'
    if a.fusion not in _ADDING:
        return False, f"Raw values that the fusion '{a.fusion}' made have no unit: {own}."
    return True, f'Raw values of {a.method} are parts of the logit: both maps of an object are shown on one scale.'


def _pair(a: Optional[BoxMap], b: Optional[BoxMap], truth: Optional[np.ndarray], comparable: bool) -> BoxPair:
    there = [box for box in (a, b) if box is not None]
    name = there[0].class_name if there else ''
    if a is None or b is None:
        scale = float(there[0].raw.max()) if there and comparable else 0.0
        return BoxPair(name, a, b, scale, truth=truth)
    scale = max(float(a.raw.max()), float(b.raw.max())) if comparable else 0.0
    pair = BoxPair(name, a, b, scale, 0.0, change_between(a.raw, b.raw), truth)
    if all(pair.found):
        pair.overlap = float(iou(a.box, b.box[None])[0])
    return pair


def _notes(result: BoxComparison, score_thr: float) -> List[str]:
    if not result.pairs:
        return [f'Neither side found anything that scores {score_thr:g} or more.']
    notes = [result.why]
    for name, side in zip(result.names, (result.a, result.b)):
        notes += [f'{name}: {note}' for note in side.notes if 'was selected' not in note]
    return notes
