"""Results as the objects of other tools: pandas, supervision, FiftyOne, COCO's files; imported when asked for."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from ..errors import MmlensError, reason
from .saving import Stack

if TYPE_CHECKING:
    import fiftyone
    import pandas
    import supervision

Table = Dict[str, Any]  # name of a column -> its values, a list or array of numbers and text
CategoryIds = Union[Mapping[Any, int], Sequence[int]]


@dataclass
class Objects:
    """The boxes of one picture, as other tools want to have them.

    Attributes:
        size: ``(height, width)`` of the picture.
        boxes: Shape (N, 4), float32 ``x1, y1, x2, y2`` in picture pixels.
        labels: Shape (N,), int64.
        names: N class names.
        scores: Shape (N,), float32.
        masks: Shape (N, H, W), bool: instance masks; ``None`` unless all have one.
        maps: Shape (N, H, W), float32 in [0, 1], one in memory at a time; ``None`` without.
        texts: More of each, by name: N texts each.
    """

    size: Sequence[int]
    boxes: np.ndarray
    labels: np.ndarray
    names: List[str]
    scores: np.ndarray
    masks: Optional[np.ndarray] = None
    maps: Optional[Stack] = None
    texts: Dict[str, List[str]] = field(default_factory=dict)


class Tabular:
    """Base of results whose items are rows of a table."""

    def table(self) -> Table:
        """The columns by name, all of one length: numbers and text, in picture pixels where they are places."""
        raise NotImplementedError

    def to_dataframe(self) -> pandas.DataFrame:
        """Make a table of pandas: a row for each item, without arrays.

        Raises:
            MmlensError: If pandas is not installed.
        """
        return _imported('pandas', 'to_dataframe').DataFrame(self.table())


class OfObjects(Tabular):
    """Base of results whose items are boxes of one picture."""

    def objects(self) -> Objects:
        """The boxes and what belongs to them.

        Raises:
            MmlensError: If the result has no boxes.
        """
        raise NotImplementedError

    def to_supervision(self) -> supervision.Detections:
        """Make detections of Roboflow's supervision, for its annotators, trackers and metrics.

        Returns:
            ``xyxy``, ``confidence``, ``class_id``, ``mask`` where all have one; and in ``data`` arrays with a value
            each: ``class_name``, ``map`` (N, H, W) float32 in [0, 1], ``target``, ``method``, ``blank``.

        Raises:
            MmlensError: If supervision is not installed, or the result has no boxes.
        """
        detections, one = _imported('supervision', 'to_supervision').Detections, self.objects()
        data: Dict[str, Any] = {'class_name': np.array(one.names, np.str_)}
        data.update({name: np.array(values, np.str_) for name, values in one.texts.items()})
        if one.maps is not None:
            data['map'] = one.maps.array()
        return detections(xyxy=one.boxes, mask=one.masks, confidence=one.scores, class_id=one.labels, data=data)

    def to_fiftyone(self) -> fiftyone.Detections:
        """Make detections of FiftyOne: ``sample['mmlens'] = found.to_fiftyone()``.

        Returns:
            ``fiftyone.Detections``; each has its map as a ``fiftyone.Heatmap``, ``evidence``, on the whole picture.
            The app draws heatmaps that are fields of a sample: ``sample['evidence'] = detections[0].evidence``.

        Raises:
            MmlensError: If fiftyone is not installed, or the result has no boxes.
        """
        fo, one = _imported('fiftyone', 'to_fiftyone'), self.objects()
        maps = iter(one.maps or [None] * len(one.boxes))
        detections = [_of_fiftyone(fo, one, number, values) for number, values in enumerate(maps)]
        return fo.Detections(detections=detections)

    def to_coco(
        self, image_id: int = 0, category_ids: Optional[CategoryIds] = None, threshold: float = 0.5
    ) -> List[Dict[str, Any]]:
        """Make entries of a COCO results file, ready for ``json.dump``.

        Args:
            image_id: The picture's id in the annotation file.
            category_ids: The ids of classes there: by class name, or by class index (COCO's own have gaps). Defaults to
                the class index.
            threshold: From which value of the map on, which lies in [0, 1], a pixel belongs to the segmentation.

        Returns:
            For each box ``image_id``, ``category_id``, ``bbox`` (``x, y, width, height``), ``score``, and as
            ``segmentation`` the run lengths of the map over the threshold; of the instance mask where there is no map.

        Raises:
            MmlensError: If pycocotools is not installed, a class has no id, or the result has no boxes.
        """
        one = self.objects()
        regions = iter(one.masks) if one.masks is not None else None
        if one.maps is not None:
            regions = (values >= np.float32(threshold) for values in one.maps)
        entries = []
        for number, (x1, y1, x2, y2) in enumerate(one.boxes.astype(float).tolist()):
            entry = dict(
                image_id=image_id,
                category_id=_category_id(category_ids, int(one.labels[number]), one.names[number]),
                bbox=[x1, y1, x2 - x1, y2 - y1],
                score=float(one.scores[number]),
            )
            entries.append(entry if regions is None else dict(entry, segmentation=run_lengths(next(regions))))
        return entries


class OfClasses(Tabular):
    """Base of results whose items are classes of the whole picture, with maps in [0, 1]."""

    def _maps(self) -> Iterator[np.ndarray]:
        raise NotImplementedError

    def to_supervision(self) -> supervision.Classifications:
        """Make classifications of Roboflow's supervision: class indexes and scores; it has no place for maps.

        Raises:
            MmlensError: If supervision is not installed.
        """
        classifications, table = _imported('supervision', 'to_supervision').Classifications, self.table()
        return classifications(np.array(table['category'], int), np.array(table['score'], np.float32))

    def to_fiftyone(self) -> fiftyone.Classifications:
        """Make classifications of FiftyOne: ``sample['mmlens'] = found.to_fiftyone()``.

        Returns:
            ``fiftyone.Classifications``; each has its map as a ``fiftyone.Heatmap``, ``evidence``.

        Raises:
            MmlensError: If fiftyone is not installed.
        """
        fo, table = _imported('fiftyone', 'to_fiftyone'), self.table()
        columns = zip(table['class'], table['score'], table['method'], self._maps())
        return fo.Classifications(
            classifications=[
                fo.Classification(label=name, confidence=float(score), method=method, evidence=heatmap(fo, values))
                for name, score, method, values in columns
            ]
        )


def box_columns(boxes: np.ndarray, prefix: str = '') -> Table:
    """Columns ``x1, y1, x2, y2`` of boxes (N, 4)."""
    return {f'{prefix}{name}': boxes[:, number].astype(float) for number, name in enumerate(('x1', 'y1', 'x2', 'y2'))}


def peak_of(values: np.ndarray) -> Tuple[float, float]:
    """Column and row of the pixel where a map (H, W) is largest; NaN for an empty one."""
    if not values.any():
        return float('nan'), float('nan')
    y, x = np.unravel_index(values.argmax(), values.shape)
    return float(x), float(y)


def share_inside(values: np.ndarray, box: np.ndarray) -> float:
    """The share of a map's energy (H, W) that lies on pixels whose centres are in the box; NaN for an empty map."""
    total = float(values.sum(dtype=np.float64))
    x1, y1, x2, y2 = (int(edge) for edge in np.clip(np.ceil(box - 0.5), 0, None))
    return float(values[y1:y2, x1:x2].sum(dtype=np.float64)) / total if total else float('nan')


def run_lengths(region: np.ndarray) -> Dict[str, Any]:
    """A region (H, W), bool, in COCO's compressed run lengths: ``size`` and ``counts`` as text.

    Raises:
        MmlensError: If pycocotools is not installed.
    """
    mask = _imported('pycocotools', 'to_coco', 'pycocotools.mask')
    encoded = mask.encode(np.asfortranarray(region.astype(np.uint8)))
    return {'size': [int(side) for side in encoded['size']], 'counts': encoded['counts'].decode('ascii')}


def heatmap(fo: Any, values: np.ndarray) -> Any:
    """A map (H, W) in [0, 1] as FiftyOne's."""
    return fo.Heatmap(map=np.asarray(values, np.float32), range=[0.0, 1.0])


def _of_fiftyone(fo: Any, one: Objects, number: int, values: Optional[np.ndarray]) -> Any:
    (height, width), (x1, y1, x2, y2) = one.size, one.boxes[number].astype(float).tolist()
    more: Dict[str, Any] = {name: texts[number] for name, texts in one.texts.items()}
    if values is not None:
        more['evidence'] = heatmap(fo, values)
    if one.masks is not None:
        more['mask'] = _cut_out(one.masks[number], one.boxes[number])
    return fo.Detection(
        label=one.names[number],
        bounding_box=[x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height],
        confidence=float(one.scores[number]),
        **more,
    )


def _cut_out(mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The part of a mask within its box, at least one pixel."""
    height, width = mask.shape
    left, top = (int(np.clip(np.floor(edge), 0, side - 1)) for edge, side in zip(box[:2], (width, height)))
    right, bottom = np.ceil(box[2:]).astype(int)
    return mask[top : max(bottom, top + 1), left : max(right, left + 1)]


def _category_id(ids: Optional[CategoryIds], label: int, name: str) -> int:
    if ids is None:
        return label
    by_key: Mapping[Any, int] = ids if isinstance(ids, Mapping) else dict(enumerate(ids))
    found = by_key.get(name, by_key.get(label))
    if found is None:
        raise MmlensError(f"`category_ids` has no id for class {label}, '{name}': give one for each class.")
    return int(found)


def _imported(package: str, function: str, module: str = '') -> Any:
    try:
        return importlib.import_module(module or package)
    except ImportError as error:
        there = importlib.util.find_spec(package) is not None
        state = f'which cannot be imported ({reason(error)[:-1]})' if there else 'which is not installed'
        raise MmlensError(f'`{function}()` needs {package}, {state}: run `pip install {package}`.') from error
