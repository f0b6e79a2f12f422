"""Pictures and annotations of COCO's kind, from a file or from the config's own test set."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from mmengine.config import Config

from ..errors import MmlensError, PictureError, count, why
from ..models.inputs import Picture
from ..samples.building import build_dataset
from .cases import Case, Truth, decode


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
                self.objects[each['image_id']].append(each)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MmlensError(f'{annotations} is no annotation file of COCO: {why(error)}') from error
        absent = [each['file_name'] for each in self.pictures if not (images / each['file_name']).is_file()]
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

    def _case(self, picture: Dict[str, Any], labels: Dict[Any, int]) -> Case:
        objects = [each for each in self.objects.get(picture['id'], ()) if not each.get('iscrowd')]

        def read() -> Tuple[Picture, Optional[Truth]]:
            size = (picture['height'], picture['width'])
            boxes = np.array([each['bbox'] for each in objects], np.float64).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            truth = Truth(
                boxes,
                np.array([labels.get(each['category_id'], -1) for each in objects], np.int64),
                [decode(each.get('segmentation'), size) for each in objects],
                [decode(each.get('mark'), size) for each in objects],
            )
            return self.images / picture['file_name'], truth

        return Case(picture['file_name'], read)


def test_set(cfg: Config) -> List[Case]:
    """The pictures of the config's own test set, with their objects.

    Raises:
        ModelError: If it has none, or it cannot be built.
    """
    dataset = build_dataset(cfg, 'test')

    def case(number: int) -> Case:
        info = dataset.get_data_info(number)
        return Case(_name(info, number), lambda: (info['img_path'], truth_of_info(info)))

    return [case(number) for number in range(len(dataset))]


def _name(info: Dict[str, Any], number: int) -> str:
    return f'{info.get("img_id", number)}: {Path(info["img_path"]).name}'


def truth_of_info(info: Dict[str, Any]) -> Truth:
    """The objects in what ``get_data_info`` of a dataset of mmdet returns."""
    objects = [each for each in info.get('instances', ()) if not each.get('ignore_flag')]
    size = (info.get('height', 0), info.get('width', 0))
    return Truth(
        np.array([each['bbox'] for each in objects], np.float64).reshape(-1, 4),
        np.array([each['bbox_label'] for each in objects], np.int64),
        [decode(each.get('mask'), size) for each in objects],
    )
