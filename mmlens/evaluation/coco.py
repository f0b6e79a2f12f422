"""Pictures and annotations of COCO's kind, from a file or from the config's own test set."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from mmengine.config import Config
from mmengine.fileio import get_text

from ..errors import MmlensError, PictureError, count, why
from ..models.inputs import Picture
from ..samples.building import build_dataset
from .cases import Case, Truth, decode

# Picture and box of an object -> its mark, in COCO's run lengths.
Marks = Dict[Tuple[str, Tuple[float, ...]], Any]

_PLAIN = ('id', 'image_id', 'category_id', 'name', 'file_name')


class CocoFile:
    """An annotation file of COCO's kind, and the folder of its pictures; read and checked before any model is loaded.

    Annotations may have a ``mark``: the mask, in COCO's run lengths, of the pixels that are known to make the class.

    Args:
        annotations: The file.
        images: The folder.

    Raises:
        MmlensError: If the file is not of COCO's kind.
        PictureError: If it is of other pictures than the folder's.
    """

    def __init__(self, annotations: Path, images: Path) -> None:
        self.path, self.images = annotations, images
        try:
            content = json.loads(annotations.read_text(encoding='utf-8'))
            self.pictures: List[Dict[str, Any]] = list(content['images'])
            self.categories: List[Dict[str, Any]] = list(content['categories'])
            self.objects: Dict[Any, List[Dict[str, Any]]] = defaultdict(list)
            for each in content['annotations']:
                self.objects[_with(each, 'image_id', 'category_id', 'bbox')['image_id']].append(_checked(each))
            for each in self.pictures:
                _with(each, 'id', 'file_name')
            for each in self.categories:
                _with(each, 'id', 'name')
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MmlensError(f'{annotations} is no annotation file of COCO: {why(error)}') from error
        absent = [each['file_name'] for each in self.pictures if not os.path.isfile(images / each['file_name'])]
        if absent or not self.pictures:
            raise PictureError(
                f'{annotations} is not of the pictures in {images}: {len(absent)} of its '
                f'{count(len(self.pictures), "picture")} are not there{", such as " + absent[0] if absent else ""}.'
            )

    def cases(self, class_names: Sequence[str]) -> List[Case]:
        """The pictures with their objects, whose classes are found by their names.

        Args:
            class_names: Those of the detector; if it has none, categories count in their order.

        Raises:
            MmlensError: If the detector knows none of the classes.
        """
        labels = {each['name']: number for number, each in enumerate(self.categories)}
        if class_names:
            labels = {name: class_names.index(name) for name in labels if name in class_names}
        if not labels:
            theirs = ', '.join(str(each['name']) for each in self.categories[:5])
            raise MmlensError(
                f'The detector knows none of the classes of {self.path} ({theirs}): it knows '
                f'{", ".join(class_names[:5])}.'
            )
        by_id = {each['id']: labels.get(each['name'], -1) for each in self.categories}
        return [self._case(picture, by_id) for picture in self.pictures]

    def unknown(self, class_names: Sequence[str]) -> List[str]:
        """The classes of annotated objects that a detector does not know; none if it has no names."""
        annotated = {each['category_id'] for objects in self.objects.values() for each in objects}
        names = [str(each['name']) for each in self.categories if each['id'] in annotated]
        return [name for name in names if class_names and name not in class_names]

    def _case(self, picture: Dict[str, Any], labels: Dict[Any, int]) -> Case:
        annotated = self.objects.get(picture['id'], ())
        objects = [each for each in annotated if not each.get('iscrowd')]
        crowds = [each for each in annotated if each.get('iscrowd')]

        def labels_of(some: Sequence[Dict[str, Any]]) -> np.ndarray:
            return np.array([labels.get(each['category_id'], -1) for each in some], np.int64)

        def read() -> Tuple[Picture, Optional[Truth]]:
            size = (picture.get('height', 0), picture.get('width', 0))
            truth = Truth(
                _boxes(objects),
                labels_of(objects),
                [decode(each.get('segmentation'), size) for each in objects],
                [decode(each.get('mark'), size) for each in objects],
                *_known(_boxes(crowds), labels_of(crowds)),
            )
            return self.images / picture['file_name'], truth

        return Case(picture['file_name'], read)


def _with(entry: Dict[str, Any], *keys: str) -> Dict[str, Any]:
    """An entry of a file, which must have some keys.

    Raises:
        ValueError: If it has not, or what it has is no number and no text.
    """
    for key in keys:
        if key not in entry:
            raise ValueError(f"an entry has no '{key}': {str(entry)[:60]}")
        if key in _PLAIN and not isinstance(entry[key], (str, int) if key != 'file_name' else str):
            raise ValueError(f"the '{key}' of an entry is {str(entry[key])[:60]!r}")
    return entry


def _checked(annotation: Dict[str, Any]) -> Dict[str, Any]:
    """An annotation whose box is one; it may have no area, as in files of real data sets.

    Raises:
        ValueError: If it is none.
    """
    box = [float(edge) for edge in annotation['bbox']]
    if len(box) != 4 or not np.isfinite(box).all():
        raise ValueError(f'the box {annotation["bbox"]} is not of four finite numbers, x, y, width and height')
    return annotation


def _boxes(objects: Sequence[Dict[str, Any]]) -> np.ndarray:
    """Corners of COCO's boxes, which are ``x, y, width, height``: (N, 4)."""
    boxes = np.array([each['bbox'] for each in objects], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _known(boxes: np.ndarray, labels: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Regions of the classes that the detector knows: of another one, nothing is to be ignored."""
    return boxes[labels >= 0], labels[labels >= 0]


def test_set(cfg: Config) -> List[Case]:
    """The pictures of the config's own test set, with their objects.

    Raises:
        ModelError: If it has none, or it cannot be built.
    """
    dataset = build_dataset(cfg, 'test')
    marks = marks_of(dataset)

    def case(number: int) -> Case:
        def read() -> Tuple[Picture, Optional[Truth]]:
            info = dataset.get_data_info(number)
            return info['img_path'], truth_of_info(info, marks)

        return Case(_name(dataset.get_data_info(number), number), read)

    return [case(number) for number in range(len(dataset))]


def _name(info: Dict[str, Any], number: int) -> str:
    return f'{info.get("img_id", number)}: {Path(info["img_path"]).name}'


def marks_of(dataset: Any) -> Marks:
    """The marks in the annotation files of a dataset of mmdet, which reads the files and drops them.

    Args:
        dataset: A dataset, or one that wraps others.

    Returns:
        Picture and box of an object -> its mark, in COCO's run lengths; empty if there is none, or no file to read.
    """
    found: Marks = {}
    for inner in _inner(dataset):
        try:
            text = get_text(inner.ann_file)
            content = json.loads(text) if '"mark"' in text else {}
        except (OSError, ValueError, AttributeError, TypeError):  # other kinds of annotations
            continue
        for each in content.get('annotations', ()):
            if each.get('mark') and each.get('bbox'):
                x, y, width, height = each['bbox']
                found[str(each['image_id']), (x, y, x + width, y + height)] = each['mark']
    return found


def _inner(dataset: Any) -> Iterator[Any]:
    """The datasets that read files: a dataset itself, or those that it wraps."""
    wrapped = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    for each in wrapped:
        if each is None:
            yield dataset
        else:
            yield from _inner(each)


def truth_of_info(info: Dict[str, Any], marks: Optional[Marks] = None) -> Truth:
    """The objects in what ``get_data_info`` of a dataset of mmdet returns, with what :func:`marks_of` returned."""
    objects = [each for each in info.get('instances', ()) if not each.get('ignore_flag')]
    ignored = [each for each in info.get('instances', ()) if each.get('ignore_flag')]
    size, picture, marks = (info.get('height', 0), info.get('width', 0)), str(info.get('img_id')), marks or {}
    return Truth(
        np.array([each['bbox'] for each in objects], np.float64).reshape(-1, 4),
        np.array([each['bbox_label'] for each in objects], np.int64),
        [decode(each.get('mask'), size) for each in objects],
        [decode(marks.get((picture, tuple(each['bbox']))), size) for each in objects],
        ignored_boxes=np.array([each['bbox'] for each in ignored], np.float64).reshape(-1, 4),
        ignored_labels=np.array([each['bbox_label'] for each in ignored], np.int64),
    )
