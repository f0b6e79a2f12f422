"""Measures the maps of a detector on many pictures, and can go on where it was stopped."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterable, Iterator, List, Optional, Sequence

from mmengine.dist import get_rank

from ..attribution.methods import PassMethod, get_method
from ..attribution.methods.drise import number_of_masks
from ..errors import MmlensError, OutputError, count
from ..explain.box_targets import BoxTargets
from ..explain.class_targets import ClassTargets
from ..explain.job import Job
from ..explain.targets import Targets
from ..metrics import ALTERATIONS
from ..models.classifier import Classifier
from ..models.detector import Detector
from ..models.inputs import Picture
from ..models.network import Network
from ..processes import Deal, alike_everywhere, is_first
from ..version import __version__
from .cases import Case
from .figures import FIGURES
from .measuring import INNER, boxes_of, detect, measure
from .progress import Progress, Record
from .rows import Row, check_names, method_of
from .table import Table, record_of

_TRIED = 5
_ELSEWHERE = 'Not all processes see the same {}: name a folder that they share.'


def evaluate_cases(
    detector: Detector,
    cases: Sequence[Case],
    rows: Sequence[Row],
    *,
    score_thr: float = 0.3,
    batch_size: Optional[int] = None,
    maps_only: bool = False,
    max_boxes: int = -1,
    sanity: bool = False,
    folder: Optional[Path] = None,
    resume: bool = False,
    shared: bool = False,
    settings: Optional[Dict[str, Any]] = None,
    progress: Callable[[int, int], Any] = lambda done, total: None,
) -> Table:
    """Measure the maps of all rows on all pictures.

    Args:
        detector: The detector; given back as it was.
        cases: The pictures.
        rows: What is compared.
        score_thr: Detections below are left out.
        batch_size: How many altered pictures run at a time; it changes figures by no more than rounding.
        maps_only: Leave out deletion, insertion and OA, which take altered passes.
        max_boxes: How many boxes of a picture at most, best first; -1 takes all.
        sanity: Compare each map with that of a network drawn anew from the head to the neck, which computes each map
            twice more.
        folder: Where each picture's figures are kept as soon as they are there; nowhere if there is none.
        resume: Whether to go on with what the folder holds, however many processes measured it.
        shared: Whether to share the pictures out among the processes that mmengine knows of, which all call this
            function and see one folder. A process gets the next picture when it has done one.
        settings: More of what the figures depend on, such as the config's name.
        progress: Called with the number of pictures done and in all.

    Returns:
        The figures of every box, in the order of the pictures; the same in every process.

    Raises:
        MmlensError: If a row cannot be computed, the folder holds other work, no box is over the threshold, or the
            processes do not see one folder.
    """
    together = alike_everywhere if shared else contextlib.nullcontext

    def measured(number: int) -> Record:
        return record_of(measure(detector, cases[number], rows, score_thr, batch_size, maps_only, max_boxes, sanity))

    with together():
        check_rows(detector, rows, cases)
        if shared and folder is None:
            raise MmlensError('Processes that share their work need a `folder`.')
        if folder is not None and (not shared or is_first()):
            options = dict(score_thr=score_thr, batch_size=batch_size, maps_only=maps_only, max_boxes=max_boxes)
            given = settings_of(detector, cases, rows, **options, sanity=sanity, **(settings or {}))
            _open(Progress(folder), given, resume)
    records: Iterable[Record]
    if folder is None:
        records = _in_turn(measured, len(cases), progress)
    else:
        records = _kept(Progress(folder, get_rank() if shared else 0), measured, len(cases), progress, together)
    table = Table([row.name for row in rows], [row.name for row in rows if row.baseline])
    for record in records:
        table.add(record)
    if not len(table):
        where = count(len(cases), 'picture')
        raise MmlensError(f'No detection on {where} scores at least {score_thr:g}: lower `score_thr`.')
    return table


def _in_turn(measured: Callable[[int], Record], total: int, progress: Callable[[int, int], Any]) -> Iterator[Record]:
    progress(0, total)
    for number in range(total):
        yield measured(number)
        progress(number + 1, total)


def _kept(
    file: Progress,
    measured: Callable[[int], Record],
    total: int,
    progress: Callable[[int, int], Any],
    together: Callable[[], ContextManager],
) -> Iterable[Record]:
    """Measure what is not kept yet, keep it, and return the records of all pictures."""
    with together():  # none begins before all have read
        if not file.path.is_file():
            raise MmlensError(_ELSEWHERE.format(file.path.parent))
        done = set(file.numbers())
    rest = [number for number in range(total) if number not in done]
    progress(len(done), total)
    deal = Deal(len(rest))
    with together():
        try:
            for which in deal:
                file.add(rest[which], measured(rest[which]))
                progress(len(done) + which + 1, total)
        except BaseException:
            deal.stop()
            raise
    with together():  # none reads before all is in one file
        if file.is_first:
            file.merge()
            if len(file.numbers()) < total:
                raise MmlensError(_ELSEWHERE.format(file.path.parent))
    return file.records()


def check_rows(network: Network, rows: Sequence[Row], cases: Sequence[Case]) -> None:
    """Check what can be known about the rows before anything is measured: their names, methods, layers and options.

    Raises:
        MmlensError: If one cannot be computed; the sentence names it.
    """
    check_names(rows)
    if not cases:
        raise MmlensError('There are no pictures to measure on.')
    picture, _ = cases[0].read()
    for row in rows:
        settings = row.settings
        if row.draw is not None or not settings:
            continue
        try:
            method, options = get_method(method_of(row, network)), settings.get('method_options')
            if 'resume' in (options or {}):
                raise MmlensError('one file cannot keep the progress of many pictures: leave out `resume`.')
            Job.settle(_targets(network, picture), method, options, settings.get('layers'), settings.get('fusion'))
        except MmlensError as error:
            raise type(error)(f"The row '{row.name}' cannot be computed: {error}") from error


def _targets(network: Network, picture: Picture) -> Targets:
    if isinstance(network, Classifier):
        return ClassTargets(network, picture)
    assert isinstance(network, Detector)
    return BoxTargets(network, picture, 'score', lambda found: [])


def settings_of(detector: Detector, cases: Sequence[Case], rows: Sequence[Row], **others: Any) -> Dict[str, Any]:
    """What figures depend on, as JSON gives it back."""
    weights = hashlib.sha256()
    for tensor in detector.model.state_dict().values():
        weights.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    names = hashlib.sha256('\n'.join(case.name for case in cases).encode('utf-8', 'surrogateescape'))
    described: List[List[Any]] = [[row.name, sorted(row.settings.items())] for row in rows]
    return dict(
        version=__version__,
        figures=list(FIGURES),
        weights=weights.hexdigest(),
        pictures=names.hexdigest(),
        methods=[[name, [list(pair) for pair in pairs]] for name, pairs in described],
        **others,
    )


def _open(file: Progress, settings: Dict[str, Any], resume: bool) -> None:
    """Begin a progress file, or check the one that is there and put together what several processes measured."""
    if not file.path.is_file():
        file.start(settings)
        return
    folder = file.path.parent
    if not resume:
        raise OutputError(f'{folder} holds an evaluation already: go on with it by `resume`, or name another.')
    known = file.settings()
    other = [name for name in {**known, **settings} if known.get(name) != settings.get(name)]
    if other:
        raise MmlensError(
            f'{file.path} was started with other settings ({", ".join(other)}): use the same, or another folder.'
        )
    file.merge()


def cost_of(detector: Detector, cases: Sequence[Case], rows: Sequence[Row], score_thr: float) -> Dict[str, float]:
    """Estimate what an evaluation costs from plain inferences on its first pictures.

    Returns:
        ``pictures``; ``boxes`` (estimated); ``passes`` of the network on altered pictures (estimated); ``own``, those
        of methods that run the network a number of times that their options tell (estimated, at most); ``seconds`` of
        one plain inference; and ``passes_a_box``.
    """
    tried = cases[:_TRIED]
    counts, seconds = [], []
    for case in tried:
        picture, _ = case.read()
        found, _, plain = detect(detector, picture)
        counts.append(len(boxes_of(detector, found, None, score_thr)))
        seconds.append(plain)
    with_boxes = sum(number > 0 for number in counts) / max(len(tried), 1) * len(cases)
    boxes = sum(counts) / max(len(tried), 1) * len(cases)
    apart = {row.options if row.draw is None else row.name for row in rows if row.name not in ('random', 'edges')}
    together = len({row.name for row in rows} & {'random', 'edges'})
    each = INNER * len(ALTERATIONS)
    passes = with_boxes * (len(ALTERATIONS) + 1 + together * each) + boxes * len(apart) * each
    return dict(
        pictures=len(cases),
        boxes=boxes,
        passes=passes,
        own=sum(_own_passes(row, detector, with_boxes, boxes) for row in {row.options: row for row in rows}.values()),
        seconds=sorted(seconds)[len(seconds) // 2] if seconds else 0.0,
        passes_a_box=passes / boxes if boxes else 0.0,
    )


def _own_passes(row: Row, detector: Detector, pictures: float, boxes: float) -> float:
    """How often a method runs the whole network, at most; 0 where its options do not tell."""
    method = get_method(method_of(row, detector)) if row.draw is None else None
    if not isinstance(method, PassMethod):
        return 0.0
    options = method.complete(row.settings.get('method_options'))
    masks = number_of_masks(options) if 'exact' in options else options.get('num_masks', 0)
    return pictures * masks + boxes * (options.get('passes', 0) + options.get('steps', 0))
