"""Measures how true maps are while a detector or classifier is validated or tested."""

from __future__ import annotations

import math
import sys
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.runner.base_loop import BaseLoop

from ..errors import MmlensError
from ..evaluation import (
    Case,
    Row,
    Table,
    Truth,
    baselines,
    check_rows,
    class_baselines,
    markdown,
    marks_of,
    means_of,
    truth_of_info,
)
from ..evaluation.classes import CLASS_FIGURES, measure_classes
from ..evaluation.coco import Marks
from ..evaluation.figures import FIGURES
from ..evaluation.measuring import Measured, measure
from ..evaluation.table import record_of
from ..models.classifier import Classifier
from ..models.detector import Detector
from ..models.families import as_network
from ..models.network import Network
from ..registry import METRICS
from .no_trace import no_trace
from .options import check, check_method, is_whole, listed
from .weights import bare

_ALTERED = ('deletion', 'insertion', 'oa', 'success')
_USUAL = ('deletion', 'insertion', 'pointing', 'epg')


@METRICS.register_module()
class MapMetric(BaseMetric):
    """Measure the maps of the boxes on every n-th picture of a validation or test, beside baselines.

    It stands next to the metrics of the library, in any run of mmdet, MMYOLO or mmpretrain, in one process or several:
    each process measures its own pictures and hands over their figures, never maps. The model is given back as it was.
    Of a classifier, the map of the class that it predicts is measured.

    Args:
        method, layers, fusion, against, method_options: See :func:`mmlens.explain_boxes` and
            :func:`mmlens.explain_classes`.
        metrics: Which figures: ``'deletion'``, ``'insertion'``, ``'oa'``, ``'sanity'``; of a detector also
            ``'pointing'``, ``'pointing_mask'``, ``'epg'``, ``'epg_mask'``, ``'compactness'``, ``'odi'``,
            ``'success'``, and ``'evidence_exact'``, ``'evidence_near'``, ``'evidence_share'`` where annotations have
            marks. Defaults to deletion and insertion, and of a detector pointing and EPG too.
        every_n: Measure on every n-th picture of the dataset. Defaults to 50.
        score_thr: Detections below are left out. Defaults to 0.3.
        max_boxes: How many boxes of a picture at most, best first; -1 takes all. Defaults to 10.
        baselines: Which baselines to measure, by name. Defaults to all of :func:`mmlens.evaluation.baselines`, or of
            :func:`mmlens.evaluation.class_baselines`.
        batch_size: How many altered pictures run at a time.
        **options: ``collect_device``, ``prefix`` (``'maps'``) and ``collect_dir`` of mmengine's ``BaseMetric``.

    Returns:
        From a run: ``maps/<figure>`` of the method, ``maps/<baseline>/<figure>``, and ``maps/boxes``, their number (of
        a classifier, of the pictures).

    Raises:
        MmlensError: If an argument is out of range.

    Example:
        >>> test_evaluator = [
        ...     dict(type='CocoMetric', ann_file='annotations.json', metric='bbox'),
        ...     dict(type='mmlens.MapMetric', metrics=('deletion', 'insertion'), every_n=50),
        ... ]
    """

    default_prefix = 'maps'

    def __init__(
        self,
        method: Optional[str] = None,
        layers: Optional[Sequence[str]] = None,
        fusion: Optional[str] = None,
        against: Optional[Union[str, Sequence[str]]] = None,
        method_options: Optional[Mapping[str, Any]] = None,
        metrics: Optional[Sequence[str]] = None,
        every_n: int = 50,
        score_thr: float = 0.3,
        max_boxes: int = 10,
        baselines: Optional[Sequence[str]] = None,
        batch_size: Optional[int] = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_method(method or '', method_options, layers, fusion)
        self._figures = None if metrics is None else listed('metrics', metrics, str, 'a figure')
        for name in self._figures or ():
            if name not in FIGURES:
                raise MmlensError(f"There is no figure '{name}': choose metrics from {', '.join(FIGURES)}.")
        if not is_whole(every_n, 1):
            raise MmlensError(f'every_n must be at least 1, not {every_n!r}.')
        if not (is_whole(max_boxes, 1) or max_boxes == -1):
            raise MmlensError(f'max_boxes must be -1 or at least 1, not {max_boxes!r}.')
        check('score_thr', score_thr, (int, float), 'a number')
        self._row = Row.of_method(
            method or 'default',
            method=method,
            layers=_tuple(layers),
            fusion=fusion,
            against=_tuple(against),
            method_options=method_options or None,
        )
        self._baselines = baselines if baselines is None else listed('baselines', baselines, str, 'a baseline')
        self._every_n, self._score_thr, self._max_boxes, self._batch_size = every_n, score_thr, max_boxes, batch_size
        self._known: Tuple[Any, List[Row]] = (None, [])
        self._marks: Optional[Marks] = None

    def process(self, data_batch: Any, data_samples: Sequence[Dict[str, Any]]) -> None:
        """Measure those of a batch whose turn it is; one result a picture, as mmengine collects them."""
        loop = _running_loop()
        for sample in data_samples:
            # Samplers of validation and test deal the pictures out in turn.
            number = len(self.results) * get_world_size() + get_rank()
            measured = number % self._every_n == 0
            self.results.append(self._measured(loop, sample, number) if measured else {})

    def _measured(self, loop: Any, sample: Dict[str, Any], number: int) -> Dict[str, Any]:
        path = sample.get('img_path')
        if path is None:
            raise MmlensError(
                'MapMetric looks at pictures in files: the pipeline has no `img_path` among its meta_keys.'
            )
        model = bare(loop.runner.model)
        case = Case(str(path), lambda: (path, self._truth(loop.dataloader.dataset, number, str(path))))
        with no_trace(model):
            network = as_network(model, loop.runner.cfg, self.dataset_meta)
            if not isinstance(network, Classifier):
                network.require('boxes')
            return record_of(self._measure(network, case))

    def _measure(self, network: Network, case: Case) -> Measured:
        rows, figures = self._rows(network, case), self._figures_of(network)
        options: Dict[str, Any] = dict(
            batch_size=self._batch_size, maps_only=not set(_ALTERED) & set(figures), sanity='sanity' in figures
        )
        if isinstance(network, Classifier):
            return measure_classes(network, case, rows, **options)
        assert isinstance(network, Detector)
        return measure(network, case, rows, self._score_thr, max_boxes=self._max_boxes, **options)

    def _figures_of(self, network: Network) -> Sequence[str]:
        """The figures that were asked for, checked; or the usual ones."""
        if not isinstance(network, Classifier):
            return _USUAL if self._figures is None else self._figures
        if self._figures is None:
            return _ALTERED[:2]
        for name in self._figures:
            if name not in CLASS_FIGURES:
                raise MmlensError(
                    f"A classifier's maps have no figure '{name}': choose metrics from {', '.join(CLASS_FIGURES)}."
                )
        return self._figures

    def _rows(self, network: Network, case: Case) -> List[Row]:
        """The method and the baselines, checked once a model."""
        model, rows = self._known
        if model is not network.model:
            every = baselines(network) if isinstance(network, Detector) else class_baselines()
            known = {row.name: row for row in every}
            names = list(known) if self._baselines is None else self._baselines
            wrong = [name for name in names if name not in known]
            if wrong:
                raise MmlensError(f"There is no baseline '{wrong[0]}': choose baselines from {', '.join(known)}.")
            rows = [self._row, *(known[name] for name in names)]
            check_rows(network, rows, [case])
            self._known = network.model, rows
        return rows

    def _truth(self, dataset: Any, number: int, path: str) -> Optional[Truth]:
        """What the dataset knows of a picture; ``None`` if the number is another picture's, or it has no objects."""
        info = dataset.get_data_info(number) if number < len(dataset) else {}
        if str(info.get('img_path')) != path or 'instances' not in info:
            return None
        if self._marks is None:
            self._marks = marks_of(dataset)
        return truth_of_info(info, self._marks)

    def compute_metrics(self, results: List[Dict[str, Any]]) -> Dict[str, float]:
        """The means over the boxes of all processes; the table with intervals goes to the log."""
        records = [record for record in results if record.get('boxes')]
        if not records:
            return dict(boxes=0)
        names = list(records[0]['passes'])
        table = Table(names, names[1:])
        for record in records:
            table.add(record)
        wanted = _USUAL if self._figures is None else self._figures
        means = [mean for mean in means_of(table, ['all']) if mean.figure in wanted]
        print_log(f'Maps of {len(table)} boxes on {len(records)} pictures:\n{markdown(table, means)}', logger='current')
        found: Dict[str, float] = dict(boxes=len(table))
        for mean in means:
            if not math.isnan(mean.interval.mean):
                row = '' if mean.row == names[0] else f'{mean.row.replace(" ", "_")}/'
                found[f'{row}{mean.figure}'] = round(mean.interval.mean, 6)
        return found


def _tuple(given: Optional[Union[str, Sequence[str]]]) -> Optional[Tuple[str, ...]]:
    return None if given is None else (given,) if isinstance(given, str) else tuple(given)


def _running_loop() -> Any:
    """The loop of mmengine's Runner that called; it does not hand itself, or the model, to its metrics.

    Raises:
        MmlensError: If there is none.
    """
    frame = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get('self')
        if isinstance(owner, BaseLoop):
            return owner
        frame = frame.f_back  # type: ignore[assignment]
    raise MmlensError('MapMetric runs the model: it works while a Runner validates or tests, not on saved predictions.')
