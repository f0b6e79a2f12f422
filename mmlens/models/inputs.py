"""Picture -> test pipeline of the config -> input and geometry."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Callable, Dict, Generator, Iterable, Iterator, List, Optional, Tuple

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import TRANSFORMS, DefaultScope
from torch import Tensor

from .. import compat
from ..errors import ModelError, PictureError, reason
from ..pipelines import test_pipeline
from ..threads import ahead, one_at_a_time
from .geometry import Geometry, Size
from .movement import is_picture, movement, random_state
from .pictures import Picture, file_or_array
from .pixels import MAX_PIXELS, Window, check_size, header_of, visible

KeysFor = Callable[[Size], Dict[str, Any]]
Loaded = Tuple[Dict[str, Any], List[str]]  # results of the loading step, and sentences for the user

# Transforms of videos. Where a part of the model takes single pictures, they are gone by now (see wrappers.py).
_OF_VIDEOS = ('TransformBroadcaster', 'FrameSample', 'PackTrackInputs')
# Library -> its transform that packs a picture for a model.
_PACKING = {
    'mmdet': 'PackDetInputs',
    'mmocr': 'PackTextDetInputs or PackTextRecogInputs',
    'mmpose': 'PackPoseInputs',
    'mmpretrain': 'PackInputs',
    'mmrotate': 'mmdet.PackDetInputs',
    'mmseg': 'PackSegInputs',
    'mmyolo': 'mmdet.PackDetInputs',
}


@dataclass
class Sample:
    """One picture, ready for the data preprocessor.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR.
        packed: What the pipeline's last step returned: ``inputs`` and ``data_samples``.
        matrix: Shape (3, 3): picture position to input position, before the preprocessor, which
            pads to the right and below only.
        notes: Sentences on how the picture was read.
    """

    picture: np.ndarray
    packed: Dict[str, Any]
    matrix: np.ndarray
    notes: Tuple[str, ...] = ()

    def geometry(self, input_size: Size) -> Geometry:
        """The geometry for an input of this ``(height, width)``, as the preprocessor padded it."""
        return Geometry(self.matrix, self.picture.shape[:2], input_size)


class PicturePipeline:
    """The test pipeline of a config, step by step, following where the pixels go.

    The user's config is not changed, and what it packs into a sample does not matter: the geometry
    is read off each step.

    Attributes:
        window: The values of a picture that are drawn black and white; see :func:`~mmlens.models.pixels.as_bytes`. The
            network's input is what the pipeline makes of it.
        max_pixels: A larger picture is refused.

    Args:
        cfg: The whole config of a model.

    Raises:
        ModelError: If the config has no test pipeline, or one that mmlens cannot build.
    """

    def __init__(self, cfg: Config) -> None:
        steps = [step for step in test_pipeline(cfg) if 'Annotations' not in _kind(step)]
        if not steps:
            raise ModelError("The config's test pipeline is empty: give it at least a loading and a packing step.")
        if any(_kind(step).endswith(_OF_VIDEOS) for step in steps):
            raise ModelError(
                'The test pipeline of the config takes the frames of a video, and the model has no part that takes '
                'single pictures, such as the detector of a tracker.'
            )
        # Datasets of arrays (CIFAR) need no loading step; files are read for their models as for any other.
        loader = steps.pop(0) if 'Load' in _kind(steps[0]) else _loader_for(cfg)
        if _kind(loader).endswith('LoadImageFromNDArray'):  # mmdet's inference_detector leaves it in a model's config
            loader['type'] = 'LoadImageFromFile'
        self.cfg = cfg
        self._read: Optional[Tuple[Picture, Future[Loaded]]] = None
        self.window: Optional[Window] = None
        self.max_pixels = MAX_PIXELS
        self.gray = loader.get('color_type') == 'grayscale'
        # Of other kinds, mmcv's readers leave out how the camera was held.
        self.oriented = loader.get('color_type', 'color') in ('color', 'grayscale')
        # What a loading step of the user's returns is up to it: six channels, or 16 bits.
        self.of_any_kind = not self.oriented or 'LoadImageFromFile' not in _kind(loader)
        array_loader = dict(type='mmdet.LoadImageFromNDArray', to_float32=loader.get('to_float32', False))
        try:
            self.load_file, *self.steps, self.load_array = [
                _built(step, cfg) for step in [loader, *steps, array_loader]
            ]
        except compat.DependencyError:
            raise
        except Exception as error:  # custom steps raise anything
            raise ModelError(f'The test pipeline of the config cannot be built: {reason(error)}') from error

    def __call__(self, picture: Picture, keys_for: Optional[KeysFor] = None, **extra: Any) -> Sample:
        """Run the pipeline.

        Args:
            picture: See :func:`~mmlens.models.pictures.file_or_array`.
            keys_for: Returns more keys for a picture of ``(height, width)``.
            **extra: More keys for the pipeline, such as ``batch_shape``.

        Raises:
            PictureError: If the picture cannot be read, or a step moves pixels in a way that no
                affine map describes.
        """
        results, told = self._loaded(picture, extra)
        original, note = visible(results['img'], self.window)
        notes = [*told, *([f'Picture: {note}.'] if note else [])]
        results.update({} if keys_for is None else keys_for(original.shape[:2]))
        matrix = np.eye(3)
        with default_scope(self.cfg):
            for step in self.steps:
                before = dict(results)
                state = random_state()
                results = _run(step, results)
                if is_picture(before.get('img')) and is_picture(results.get('img')):
                    matrix = movement(step, before, results, state) @ matrix
        if not isinstance(results.get('inputs'), Tensor):
            packing = _PACKING.get(_scope(self.cfg), 'the packing step of its library')
            raise ModelError(
                f'The test pipeline of the config does not end in one packed picture: its last step must be {packing}, '
                'and test-time augmentation has no place in it.'
            )
        return Sample(original, results, matrix, tuple(notes))

    def read_ahead(
        self, items: Iterable[Any], picture_of: Callable[[Any], Picture] = lambda item: item, most: int = 2
    ) -> Generator[Any, None, None]:
        """Read pictures in another thread, a few before they go through the pipeline. Closing the iterator ends that.

        Args:
            items: Pictures, or what they belong to.
            picture_of: Which picture belongs to an item; the same object is to go through the pipeline.
            most: How many pictures are read before their turn, at most.

        Yields:
            The items, in their order.
        """
        with contextlib.closing(ahead(lambda item: self._load(picture_of(item), {}), items, most)) as pairs:
            for item, read in pairs:
                self._read = (picture_of(item), read)
                yield item
        self._read = None

    def _loaded(self, picture: Picture, extra: Dict[str, Any]) -> Loaded:
        """What was read ahead, once; else what is read now."""
        read, self._read = self._read, None
        if not read or read[0] is not picture:
            return self._load(picture, extra)
        results, told = read[1].result()
        return {**results, **extra}, told

    def _load(self, picture: Picture, extra: Dict[str, Any]) -> Loaded:
        with file_or_array(picture, self.oriented, self.of_any_kind) as taken:
            if isinstance(taken, np.ndarray):
                check_size(taken.shape[1], taken.shape[0], 'The array', self.max_pixels)
                return self.load_array(dict(img=self._as_loaded(taken), img_id=0, **extra)), []
            return self._load_file(taken, picture, extra)

    def _as_loaded(self, array: np.ndarray) -> np.ndarray:
        """An array with the channels that the config's own loading step gives a file."""
        if self.of_any_kind:
            return array
        channels = 1 if array.ndim == 2 else array.shape[2]
        if self.gray:
            return cv2.cvtColor(array, cv2.COLOR_BGR2GRAY) if channels == 3 else array.reshape(array.shape[:2])
        return np.repeat(array.reshape(*array.shape[:2], 1), 3, 2) if channels == 1 else array

    def _load_file(self, file: str, picture: Picture, extra: Dict[str, Any]) -> Loaded:
        header = header_of(file)
        check_size(header.width, header.height, str(picture), self.max_pixels)
        try:
            results = self.load_file(dict(img_path=file, img_id=0, **extra))
        except Exception as error:  # decoders raise anything on a broken file
            raise PictureError(f'Cannot read {picture}: it is not a picture, or it is damaged.') from error
        if results is None:
            raise PictureError(f'Cannot read {picture}: it is not a picture, or it is damaged.')
        height, width = results['img'].shape[:2]
        check_size(width, height, str(picture), self.max_pixels)
        several = f'{picture} holds {header.pictures} pictures: only one, usually the first, is looked at.'
        return results, [several] if header.pictures > 1 else []


def _loader_for(cfg: Config) -> Dict[str, Any]:
    """A loading step for a config that has none: grey where the model's preprocessor wants one channel (MNIST)."""
    preprocessor = (cfg.get('model') or {}).get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    mean = preprocessor.get('mean')
    grey = isinstance(mean, (list, tuple)) and len(mean) == 1
    return dict(type='mmcv.LoadImageFromFile', **({'color_type': 'grayscale'} if grey else {}))


def _built(step: Dict[str, Any], cfg: Config) -> Any:
    # In a config without a scope, names carry their library, and mmengine's root registry finds them: within mmdet's
    # own scope `mmdet.LoadImageFromFile` is not found, because it is mmcv's.
    from_root = not cfg.get('default_scope') and '.' in _kind(step)
    with DefaultScope.overwrite_default_scope('mmengine') if from_root else default_scope(cfg):
        return TRANSFORMS.build(step)


def _run(step: Any, results: Dict[str, Any]) -> Dict[str, Any]:
    try:
        done = step(results)
    except Exception as error:  # custom steps raise anything
        raise PictureError(f'The pipeline step {type(step).__name__} fails: {reason(error)}') from error
    if done is None:
        raise PictureError(f'The pipeline step {type(step).__name__} rejects the picture.')
    return done


@contextlib.contextmanager
def default_scope(cfg: Config) -> Iterator[None]:
    """Look up the names of a config's modules in its own library; in one thread at a time, for all share the scope.

    Files that modules read by a config, such as annotations, are data alone.
    """
    with one_at_a_time, DefaultScope.overwrite_default_scope(_scope(cfg)), compat.only_data():
        yield


def _scope(cfg: Config) -> str:
    return cfg.get('default_scope') or 'mmdet'


def _kind(step: Dict[str, Any]) -> str:
    kind = step['type']
    return kind if isinstance(kind, str) else kind.__name__
