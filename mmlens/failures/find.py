"""The front door: from a detector and annotated pictures to all of its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

from ..choices import ERRORS
from ..errors import MmlensError, PictureError, count, noted, reason
from ..evaluation import Case, CocoFile, sample, test_set
from ..explain.networks import NetworkLike, open_detector
from ..metrics import PictureErrors, error_costs
from ..models.detector import Detector
from .failure import Failure
from .listing import errors_of
from .report import ErrorReport

Progress = Callable[[int, int], Any]


@noted
def find_errors(
    model: NetworkLike,
    checkpoint: Optional[Union[str, Path]] = None,
    *,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    resize_only: bool = False,
    annotations: Optional[Union[str, Path]] = None,
    images: Optional[Union[str, Path]] = None,
    cases: Optional[Sequence[Case]] = None,
    number: Optional[int] = None,
    seed: int = 0,
    score_thr: float = 0.3,
    progress: Optional[Progress] = None,
) -> ErrorReport:
    """Find what a detector does wrong on annotated pictures, and what each error costs in mAP.

    Every detection that is wrong, and every object that was missed, gets TIDE's type; see
    :func:`mmlens.metrics.error_types`. Each picture takes one pass through the network, and no map is made before
    :meth:`ErrorReport.explain`.

    Args:
        model: A config, with ``checkpoint``; a model that mmdet's ``init_detector`` built; or what
            :func:`load_detector` returned.
        checkpoint, device, cfg_options, resize_only: See :func:`open_network`; only for a config.
        annotations: File of COCO's kind. Defaults to the config's own test set.
        images: Folder of its pictures.
        cases: Pictures with annotations, instead of both; see :class:`mmlens.evaluation.Case`.
        number: Take so many pictures, drawn at random. Defaults to all.
        seed: Which ones.
        score_thr: Detections below are left out. Types and costs are those of the others: 0 takes all that the
            detector returns, up to 100 a picture, as ``tidecv`` does with a file of results.
        progress: Called with the number of pictures done and in all; returns whether to go on. Ended early, the report
            is of the pictures so far.

    Returns:
        The errors, their counts and costs.

    Raises:
        MmlensError: With one sentence on what is wrong.
    """
    detector = open_detector(model, checkpoint, device=device, cfg_options=cfg_options, resize_only=resize_only)
    if detector.needs_words:
        raise MmlensError(f'{detector.name} looks for words: `find_errors()` needs a detector of fixed classes.')
    everything, unknown = _cases(detector, annotations, images, cases)
    chosen = sample(everything, number, seed)
    failures: List[Failure] = []
    found: List[PictureErrors] = []
    of_pictures: List[List[Failure]] = []
    broken: List[str] = []
    unfinished = False
    for position, case in enumerate(chosen):
        try:
            errors, wrong = errors_of(detector, case, score_thr)
        except Exception as error:
            broken.append(_why_broken(case, error, len(chosen)))
        else:
            for each in wrong:
                each.case = position
            found.append(errors)
            of_pictures.append(wrong)
        if progress is not None and progress(position + 1, len(chosen)) is False and position + 1 < len(chosen):
            unfinished = True
            break
    if not found:
        raise PictureError(broken[0] if broken else 'There are no pictures to find errors on.')
    costs = error_costs(found)
    for errors, wrong, of_detections, of_missed in zip(found, of_pictures, costs.of_detections, costs.of_missed):
        _price(errors, wrong, list(of_detections), list(of_missed))
        failures.extend(wrong)
    counts = {kind: sum(each.counts()[kind] for each in found) for kind in ERRORS}
    notes = _notes(len(found), len(chosen), unfinished, unknown)
    others = dict(pictures=len(found), broken=broken, notes=notes, unfinished=unfinished, score_thr=score_thr)
    return ErrorReport(detector, chosen, failures, counts, costs, **others)


def _cases(
    detector: Detector,
    annotations: Optional[Union[str, Path]],
    images: Optional[Union[str, Path]],
    cases: Optional[Sequence[Case]],
) -> Tuple[Sequence[Case], List[str]]:
    """The pictures, and the classes of annotated objects that the detector does not know."""
    if cases is not None:
        return cases, []
    if annotations is None:
        if images is not None:
            raise MmlensError('`images` is the folder of annotated pictures: name their `annotations` too.')
        return test_set(detector.cfg), []
    if images is None:
        raise MmlensError('`annotations` needs `images`, the folder of its pictures.')
    file = CocoFile(Path(annotations), Path(images))
    return file.cases(detector.class_names), file.unknown(detector.class_names)


def _why_broken(case: Case, error: Exception, total: int) -> str:
    """A sentence on a picture that failed.

    Raises:
        Exception: The error itself, if every picture would fail like this.
    """
    if isinstance(error, PictureError):
        return str(error)
    if total == 1 or isinstance(error, (MmlensError, ImportError)):
        raise error
    return f'{case.name}: {type(error).__name__}: {reason(error)}'


def _price(errors: PictureErrors, wrong: Sequence[Failure], of_detections: List[float], of_missed: List[float]) -> None:
    """Give each failure of a picture its cost; they stand in the order in which they were listed."""
    numbers = [n for n, kind in enumerate(errors.types) if kind and not errors.ignored[n]]
    costs = [of_detections[n] for n in numbers] + of_missed
    for failure, cost in zip(wrong, costs):
        failure.cost = float(cost)


def _notes(done: int, total: int, unfinished: bool, unknown: Sequence[str]) -> List[str]:
    notes = [f'Ended early: these are the errors of {count(done, "picture")} of {total}.'] if unfinished else []
    if unknown:
        some = ', '.join(unknown[:5]) + (', ...' if len(unknown) > 5 else '')
        notes.append(f'Objects of {some} left out: the detector does not know these classes.')
    return notes
