"""Which pictures are drawn: always the same ones, so that their histories can be followed."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union

import cv2
import numpy as np
from mmengine.registry import DATASETS
from torch.utils.data import DataLoader

from ..errors import MmlensError, PictureError, why
from ..files import UniqueNames
from ..models.inputs import Picture
from .options import is_whole


@dataclass
class Truth:
    """What is annotated in a picture.

    Attributes:
        boxes: Shape (N, 4), float32 ``x1, y1, x2, y2`` in picture pixels; empty for a classifier's picture.
        labels: One per box, or those of the picture.
    """

    boxes: np.ndarray
    labels: List[int]


class WatchedPictureError(PictureError):
    """A picture that a dataset lists but cannot load."""


@dataclass
class WatchedPicture:
    """A picture to draw again and again.

    Attributes:
        name: Stem of its file, numbered where several files have the same.
        read: Returns the file name, or an array (H, W, 3), uint8, with its channels in the order that files are
            read in: blue, green, red. ``held`` pictures keep the order in which the dataset holds them.
        truth: ``None`` if nothing is annotated.
        held: Number of channels of an array that the dataset itself holds (CIFAR, MNIST); ``None`` if the picture
            has a file.
    """

    name: str
    read: Callable[[], Picture]
    truth: Optional[Truth] = None
    held: Optional[int] = None

    def shown(self, picture: np.ndarray, preprocessor: Any) -> np.ndarray:
        """The picture (H, W, 3) that was read, in the right colours: BGR.

        No dataset says in which order it holds channels, so it is inferred from what happens to them: a data
        preprocessor that converts BGR to RGB is fed BGR. Where there is no conversion they are RGB already, as
        CIFAR's are.
        """
        given_bgr = getattr(preprocessor, 'to_rgb', False) or getattr(preprocessor, '_channel_conversion', False)
        return picture if self.held is None or given_bgr else np.ascontiguousarray(picture[..., ::-1])


@dataclass(frozen=True)
class Choice:
    """Which pictures to draw.

    Attributes:
        pictures: Files; ``None`` takes pictures of a dataset.
        indexes: Their positions in the dataset; ``None`` takes the first ones.
        num: How many; -1 takes all.
        every: Take only every n-th.
    """

    pictures: Optional[Sequence[Union[str, Path]]] = None
    indexes: Optional[Sequence[int]] = None
    num: int = 4
    every: int = 1

    def __post_init__(self) -> None:
        if not is_whole(self.num, -1) or self.num == 0 or not is_whole(self.every, 1):
            raise MmlensError(
                f'num must be at least 1, or -1 for all, and every at least 1: not {self.num!r}, {self.every!r}.'
            )

    def of_files(self) -> List[WatchedPicture]:
        """The given files.

        Raises:
            PictureError: If one does not exist.
        """
        paths = [Path(path) for path in self.pictures or ()]
        missing = [path for path in paths if not os.path.isfile(path)]
        if missing or not paths:
            raise PictureError(f'No picture {missing[0]}: check the path.' if missing else 'pictures names no picture.')
        unique = UniqueNames()
        names = [unique(path.stem) for path in paths]
        return [WatchedPicture(name, lambda path=path: path) for name, path in zip(names, paths)]  # type: ignore[misc]

    def of_dataset(self, dataset: Any, stage: str) -> List[WatchedPicture]:
        """Pictures of a dataset, from its own list of files: none is loaded, and no random number is drawn.

        Raises:
            MmlensError: If the dataset has no such index, or does not list its samples.
        """
        indexes = self._indexes(len(dataset))
        beyond = [index for index in indexes if not 0 <= index < len(dataset)]
        if beyond:
            raise MmlensError(f'There is no picture {beyond[0]}: the {stage} set has {len(dataset)}, from 0.')
        if not hasattr(dataset, 'get_data_info'):
            raise MmlensError(f'{type(dataset).__name__} does not list its pictures: pass files as pictures=[...].')
        infos = [dataset.get_data_info(index) for index in indexes]
        unique = UniqueNames()
        names = [unique(_name(info, stage, index)) for info, index in zip(infos, indexes)]
        return [
            WatchedPicture(name, _reader(dataset, index, info), _truth(info), _held(info))
            for name, index, info in zip(names, indexes, infos)
        ]

    def _indexes(self, size: int) -> List[int]:
        if self.indexes is not None:
            return [int(index) for index in self.indexes]
        return list(range(0, size, self.every))[: None if self.num == -1 else self.num]


def dataset_of(runner: Any, stage: str) -> Any:
    """The dataset of a stage: the one already loaded, or one built from the config.

    Raises:
        MmlensError: If the config has none, or one that cannot be loaded.
    """
    loop = getattr(runner, f'_{stage}_loop')
    loader = getattr(loop, 'dataloader', None) or getattr(runner, f'_{stage}_dataloader')
    if isinstance(loader, DataLoader):
        return loader.dataset
    if not loader:
        raise MmlensError(f'The config has no {stage}_dataloader to take pictures from: pass files as pictures=[...].')
    try:
        dataset = DATASETS.build(copy.deepcopy(loader['dataset']))
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
    except Exception as error:  # datasets are third-party code
        raise MmlensError(
            f'The {stage} set, to take pictures from, cannot be loaded: {why(error)} Choose another set with '
            "dataset='...', or pass files as pictures=[...]."
        ) from error
    return dataset


def _name(info: Any, stage: str, index: int) -> str:
    path = info.get('img_path')
    return Path(path).stem if isinstance(path, str) else f'{stage}_{index:06d}'


def _reader(dataset: Any, index: int, info: Any) -> Callable[[], Picture]:
    path = info.get('img_path')

    def read() -> Picture:
        # What is not a file here may be one to the file backend of the loading step: in an archive, or on a server.
        return path if isinstance(path, str) and os.path.isfile(path) else _load(dataset, index)

    return read


def _held(info: Any) -> Optional[int]:
    img = info.get('img')
    return None if isinstance(info.get('img_path'), str) or not isinstance(img, np.ndarray) else _channels(img)


def _channels(img: np.ndarray) -> int:
    return 1 if img.ndim == 2 else img.shape[-1]


def _load(dataset: Any, index: int) -> np.ndarray:
    """A picture that the dataset holds itself, or that its own loading step fetches: (H, W, 3), uint8.

    Raises:
        WatchedPictureError: If there is neither, or it is not a picture.
    """
    kind, number = type(dataset).__name__, index
    try:
        info = dataset.get_data_info(index)
        while 'img' not in info and (hasattr(dataset, 'dataset') or hasattr(dataset, 'datasets')):
            dataset, index = _within(dataset, index)
        steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
        if 'img' not in info and steps:
            info = steps[0](info) or {}
    except Exception as error:  # file backends and loading steps are third-party code
        raise WatchedPictureError(f'Picture {number} of {kind} cannot be loaded: {why(error)}') from error
    img = info.get('img')
    if not isinstance(img, np.ndarray):
        raise WatchedPictureError(f'Picture {number} of {kind} has no file: pass files as pictures=[...].')
    if img.ndim not in (2, 3) or _channels(img) not in (1, 3):
        raise WatchedPictureError(
            f'Picture {number} of {kind} is an array {img.shape}: only grey and colour pictures can be shown.'
        )
    if img.dtype != np.uint8:
        img = np.clip(img // 257 if img.dtype == np.uint16 else img, 0, 255).astype(np.uint8)
    return cv2.cvtColor(img, cv2.COLOR_GRAY2BGR) if _channels(img) == 1 else img


def _within(dataset: Any, index: int) -> Tuple[Any, int]:
    """The dataset inside a wrapper, and the position there."""
    place: Any = dataset._get_ori_dataset_idx(index) if hasattr(dataset, '_get_ori_dataset_idx') else index
    return (dataset.datasets[place[0]], place[1]) if hasattr(dataset, 'datasets') else (dataset.dataset, place)


def _truth(info: Any) -> Optional[Truth]:
    instances = [each for each in info.get('instances') or () if not each.get('ignore_flag')]
    if instances and all('bbox' in each and 'bbox_label' in each for each in instances):
        boxes = np.array([each['bbox'] for each in instances], np.float32)
        return Truth(boxes.reshape(-1, 4), [int(each['bbox_label']) for each in instances])
    if info.get('gt_label') is not None:
        return Truth(np.zeros((0, 4), np.float32), [int(label) for label in np.ravel(info['gt_label'])])
    return None
