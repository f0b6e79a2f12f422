"""The front door: samples of a phase, recorded step by step."""

from __future__ import annotations

import contextlib
import random
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch

from ..errors import ModelError, PictureError, missing_file, reason, why
from ..models.inputs import default_scope
from ..models.loading import ConfigLike, read_config
from ..models.pixels import Window
from ..results.samples import SampleSteps
from .building import build_dataset, kinds_in, phase_config
from .chain import leaf_of, rejections, way_of_sample
from .recording import Call, Record, datasets_of, recording, transforms_of

# A mixing transform with a cache does nothing until its cache holds more pictures than this.
_WARM = 4
# At most this many samples are fed to caches: a transform may be skipped with some probability.
_MOST_FOR_CACHES = 60


class Samples:
    """The samples of a config's dataset.

    Args:
        config: A file, a name inside an installed package
            (``mmdet::yolox/yolox_nano_8xb8-300e_coco.py``), or an mmengine ``Config``.
        phase: ``'train'``, ``'val'``, ``'test'``, or ``'tta'``: the test set through the config's ``tta_pipeline``.
        cfg_options: Values to override in the config, by dotted keys.
        skip_types: Names of transforms to leave out of the pipelines.
        seed: Seeds everything random. The same seed gives the same samples.
        window: The values of pictures of more than 8 bits that are drawn black and white, or percentiles such as
            ``('1%', '99%')``. Defaults to the range of the picture. What the transforms see stays as it is.

    Attributes:
        dataset: The dataset as the config builds it, with its wrappers.
        unknown_types: Names in ``skip_types`` that occur in no pipeline.

    Raises:
        ModelError: If the config has no such phase, or its dataset cannot be built or is empty.

    Example:
        >>> samples = Samples('config.py', 'train', seed=7)
        >>> sample = samples.record(0)
        >>> [step.name for step in sample.steps]
        ['LoadImageFromFile', 'LoadAnnotations', 'RandomFlip', 'PackDetInputs']
        >>> cv2.imwrite('pipeline.png', sample.draw('pipeline'))
    """

    def __init__(
        self,
        config: ConfigLike,
        phase: str = 'train',
        *,
        cfg_options: Optional[Dict[str, Any]] = None,
        skip_types: Sequence[str] = (),
        seed: int = 0,
        window: Optional[Window] = None,
    ) -> None:
        self.cfg = read_config(config, cfg_options)
        kinds = kinds_in(phase_config(self.cfg, phase))
        skip_types = [name.split('.')[-1] for name in skip_types]
        self.unknown_types = [name for name in skip_types if name not in kinds]
        self.seed = seed
        self._window = window
        self._caches_filled = False
        with _seeded(seed):
            self.dataset = build_dataset(self.cfg, phase, skip_types)

    def __len__(self) -> int:
        return len(self.dataset)

    def order(self, number: Optional[int] = None, shuffle: bool = False) -> List[int]:
        """Choose which samples to look at.

        Args:
            number: At most this many. Defaults to all.
            shuffle: Pick at random, without repetition, instead of from the start.
        """
        indexes = list(range(len(self)))
        if shuffle:
            random.Random(self.seed).shuffle(indexes)
        return indexes[:number]

    def paths(self) -> List[str]:
        """The files of all pictures of the dataset, and of those that it wraps."""
        found: List[str] = []
        for part in datasets_of(self.dataset):
            if hasattr(part, 'get_data_info') and not hasattr(part, 'dataset') and not hasattr(part, 'datasets'):
                infos = (part.get_data_info(index) for index in range(len(part)))
                found += [str(info['img_path']) for info in infos if info.get('img_path')]
        return found

    def record(self, index: int) -> SampleSteps:
        """Send a sample through its transforms and record what each of them left.

        The outcome depends only on the seed and the index, unless a transform mixes in earlier pictures
        (``use_cached``). Such caches are filled first, as they would be after the first training iterations.

        Raises:
            PictureError: If a transform fails on the sample.
            ModelError: If the dataset loads no picture.
        """
        filled = self._fill_caches()
        with _seeded(self.seed, index), default_scope(self.cfg), recording(self.dataset) as record:
            try:
                sample = self.dataset[index]
            except Exception as error:  # transforms run arbitrary user code
                raise PictureError(_why_not(index, error, record)) from error
        call = record.root.calls[0]
        way = way_of_sample(call, self._window)
        if not way.steps:
            raise ModelError('The pipeline of the dataset loads no picture, so there is nothing to show.')
        notes = [note for note in (rejections(way), filled) if note]
        names = _class_names(leaf_of(call))
        return SampleSteps(index, way.path, names, tuple(way.steps), tuple(notes), sample)

    def _fill_caches(self) -> Optional[str]:
        """Feed samples to the mixing transforms that need some before they mix, and say so."""
        if self._caches_filled:
            return None
        self._caches_filled = True
        caching = [each for each in transforms_of(self.dataset) if _caches(each)]
        given = 0
        with default_scope(self.cfg):
            while given < _MOST_FOR_CACHES and any(len(each.results_cache) <= _WARM for each in caching):
                with _seeded(self.seed, len(self) + given), contextlib.suppress(Exception):
                    self.dataset[given % len(self)]  # a sample that fails will be reported when its turn comes
                given += 1
        names = ', '.join(dict.fromkeys(type(each).__name__ for each in caching))
        return f'{given} samples were processed first to fill the cache of {names}' if given else None


def _caches(transform: Any) -> bool:
    """Whether it mixes in earlier pictures: mmdet's CachedMosaic, mmyolo's Mosaic with ``use_cached``."""
    return isinstance(getattr(transform, 'results_cache', None), list) and getattr(transform, 'use_cached', True)


def _class_names(dataset: Any) -> Tuple[str, ...]:
    meta = getattr(dataset, 'metainfo', None) or {}
    names = meta.get('classes') or meta.get('CLASSES') or ()
    return (names,) if isinstance(names, str) else tuple(str(name) for name in names)


def _why_not(index: int, error: Exception, record: Record) -> str:
    call = record.failed
    if call is None or call.of_dataset:
        return f'Sample {index} cannot be loaded: {reason(error)}'
    path = call.given.get('img_path') if isinstance(call.given, dict) else None
    which = f'Sample {index} ({path})' if path else f'Sample {index}'
    missing = missing_file(error)
    if missing:
        return f'{which}: there is no such picture file.' if missing == str(path) else f'{which}: {why(error)}'
    if hasattr(call.subject, 'get_indexes') and isinstance(call.given, dict) and 'mix_results' not in call.given:
        return f'{which}: the transform {call.name} mixes in other samples, and nothing gives it any: {_giver(call)}.'
    if isinstance(error, KeyError) and error.args and str(error.args[0]).isidentifier():
        return f"{which}: the transform {call.name} needs '{error.args[0]}', which no earlier transform provides."
    return f'{which}: the transform {call.name} fails: {reason(error)}'


def _giver(call: Call) -> str:
    """What gives a mixing transform other samples."""
    if type(call.subject).__module__.startswith('mmyolo.'):
        return 'take a data set of mmyolo, such as YOLOv5CocoDataset'
    return "wrap the data set in dict(type='MultiImageMixDataset', dataset=..., pipeline=[...])"


@contextlib.contextmanager
def _seeded(*seeds: int) -> Iterator[None]:
    """Seed all random generators for the duration of the block, then restore their states."""
    state = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])
        torch.random.set_rng_state(state[2])
