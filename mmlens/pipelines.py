"""Config surgery on test pipelines: find the pipeline of a model's config, and the Resize-only patch.

The patch is the recipe that MMYOLO publishes for its map scripts: instead of a letterbox or a
keep-ratio resize with padding, the picture is stretched to the network's input size, so that the
input holds the picture and nothing else. mmlens does not need it (maps are aligned with the picture
whatever the pipeline did); it is here for comparison with figures made that way. It does change
what the detector sees: shapes are distorted and scores differ.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

from .errors import ModelError

if TYPE_CHECKING:
    from mmengine.config import Config

# Steps that scale or pad the picture: together they become one stretch.
_SIZING = frozenset(
    [
        'FixScaleResize',
        'FixShapeResize',
        'LetterResize',
        'Pad',
        'Resize',
        'ResizeShortestEdge',
        'YOLOv5KeepRatioResize',
    ]
)
# Steps that crop, choose or copy: their output has no single size to stretch to.
_NO_FIXED_SIZE = frozenset(
    [
        'CenterCrop',
        'MultiScaleFlipAug',
        'RandomAffine',
        'RandomApply',
        'RandomCenterCropPad',
        'RandomChoice',
        'RandomChoiceResize',
        'RandomCrop',
        'RandomResize',
        'RandomResizedCrop',
        'ResizeEdge',
        'TestTimeAug',
    ]
)
# Image metadata written only by the removed steps.
_META_OF_SIZING = frozenset(['batch_shape', 'pad_fixed_size', 'pad_param', 'pad_shape', 'pad_size_divisor'])
_KEPT_OPTIONS = ('backend', 'clip_object_border', 'interpolation')

Size = Tuple[int, int]
Pipeline = List[Dict[str, Any]]


def unwrap_dataset(dataset_cfg: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Find the datasets inside dataset wrappers.

    Args:
        dataset_cfg: A dataset's config. Wrappers are recognised by their ``dataset`` or ``datasets``
            (RepeatDataset, ConcatDataset, ClassBalancedDataset, KFoldDataset, MultiImageMixDataset
            and others of that form), at any depth.

    Returns:
        The innermost dataset configs in order, at least one; the config itself if it wraps nothing.
    """
    parts = _wrapped(dataset_cfg)
    if not parts:
        return [dataset_cfg]
    return [leaf for part in parts for leaf in unwrap_dataset(part)]


def test_pipeline(cfg: Config) -> Pipeline:
    """Find the transforms that a model's config applies to a test picture.

    Looks in ``test_dataloader``, then ``val_dataloader``, then for a variable ``test_pipeline``.
    Of several datasets the first counts; a wrapper with a pipeline of its own
    (MultiImageMixDataset) runs it after the pipeline of the dataset it wraps.

    Args:
        cfg: The whole config.

    Returns:
        A copy of the transforms, in the order they run, with every ``Compose`` replaced by its contents.

    Raises:
        ModelError: If the config has no test pipeline.
    """
    for key in ('test_dataloader', 'val_dataloader'):
        dataset = (cfg.get(key) or {}).get('dataset')
        steps = [step for pipeline in _chains(dataset)[0] for step in pipeline] if dataset else []
        if steps:
            return copy.deepcopy(_flat(steps))
    if cfg.get('test_pipeline'):
        return copy.deepcopy(_flat(cfg.get('test_pipeline')))
    raise ModelError(
        f'{_name(cfg)} has no test pipeline: give it a test_dataloader whose dataset has one, '
        'as the configs of mmdet and mmyolo do.'
    )


def resize_only(cfg: Config) -> Config:
    """Make the test pipelines stretch pictures to the input size, without any padding.

    In ``test_dataloader``, ``val_dataloader`` and the variables ``test_pipeline`` and
    ``val_pipeline``, the steps that resize and pad are replaced by one
    ``dict(type='mmdet.Resize', scale=(w, h), keep_ratio=False)`` in place of the first of them.
    (w, h) is the size that the last of them asks for, rounded to the nearest multiple of the data
    preprocessor's ``pad_size_divisor``, which would pad again otherwise. ``batch_shapes_cfg``
    becomes ``None``, and the padding keys are removed from ``meta_keys``. Training and test-time
    augmentation (``tta_pipeline``) are left alone.

    Args:
        cfg: The whole config of a detector. It is not changed.

    Returns:
        A changed copy.

    Raises:
        ModelError: If the config has no test pipeline, or one that does not lead to a fixed size.
    """
    test_pipeline(cfg)  # raises if there is nothing to patch
    cfg = copy.deepcopy(cfg)
    divisor = _preprocessor_divisor(cfg)
    for key in ('test_dataloader', 'val_dataloader'):
        dataset = (cfg.get(key) or {}).get('dataset')
        if dataset:
            _patch_dataset(dataset, divisor, f'{key} of {_name(cfg)}')
    for key in ('test_pipeline', 'val_pipeline'):
        if cfg.get(key):
            _patch_chain([cfg.get(key)], divisor, f'{key} of {_name(cfg)}')
    if cfg.get('batch_shapes_cfg'):
        cfg.batch_shapes_cfg = None
    return cfg


def _wrapped(dataset: Dict[str, Any]) -> List[Dict[str, Any]]:
    return ([dataset['dataset']] if dataset.get('dataset') else []) + list(dataset.get('datasets') or [])


def _chains(dataset: Dict[str, Any]) -> List[List[Pipeline]]:
    """The pipelines that a sample of each innermost dataset passes through, innermost first."""
    own = [dataset['pipeline']] if dataset.get('pipeline') else []
    parts = _wrapped(dataset)
    if not parts:
        return [own]
    return [chain + own for part in parts for chain in _chains(part)]


def _patch_dataset(dataset: Dict[str, Any], divisor: int, where: str) -> None:
    _drop_batch_shapes(dataset)
    for chain in _chains(dataset):
        _patch_chain(chain, divisor, where)


def _drop_batch_shapes(dataset: Dict[str, Any]) -> None:
    if 'batch_shapes_cfg' in dataset:
        dataset['batch_shapes_cfg'] = None
    for part in _wrapped(dataset):
        _drop_batch_shapes(part)


def _patch_chain(chain: List[Pipeline], divisor: int, where: str) -> None:
    """Rewrite consecutive pipelines in place."""
    kinds = {kind for pipeline in chain for kind in _kinds(pipeline)}
    if not kinds & (_SIZING | _NO_FIXED_SIZE):
        raise ModelError(
            f'The {where} resizes nothing, so there is no size to stretch pictures to: leave out `resize_only`.'
        )
    size: Optional[Size] = None
    for pipeline in chain:
        size = _patch_pipeline(pipeline, size, divisor, where)


def _patch_pipeline(pipeline: Pipeline, size: Optional[Size], divisor: int, where: str) -> Optional[Size]:
    """Rewrite one pipeline in place; return the size (w, h) of its output."""
    from mmengine.config import ConfigDict

    steps: Pipeline = []
    place: Optional[int] = None
    options: Dict[str, Any] = {}
    for step in _flat(pipeline):
        kind = _kind(step)
        if kind in _NO_FIXED_SIZE:
            raise ModelError(
                f'The {where} has {kind}, which does not lead to a fixed size: leave out `resize_only`, '
                'or write a test pipeline with one Resize.'
            )
        if kind not in _SIZING:
            if step.get('transforms'):  # ProposalBroadcaster and the like run a pipeline of their own
                size = _patch_pipeline(step['transforms'], size, divisor, where)
            steps.append(_without_padding_keys(step))
            continue
        place = len(steps) if place is None else place
        size = _size_after(kind, step, size)
        divisor = _common_multiple(divisor, step.get('size_divisor') or 1)
        options.update({key: step[key] for key in _KEPT_OPTIONS if key in step and kind != 'Pad'})
    if place is not None:
        if size is None:
            raise ModelError(f'The {where} gives no size in pixels, so there is none to stretch pictures to.')
        size = (_nearest_multiple(size[0], divisor), _nearest_multiple(size[1], divisor))
        stretch = ConfigDict(type='mmdet.Resize', scale=size, keep_ratio=False, **options)
        steps.insert(place, stretch)
    pipeline[:] = steps
    return size


def _flat(pipeline: Pipeline) -> Pipeline:
    """The steps, with every ``Compose`` replaced by its contents.

    Raises:
        ModelError: If one of them is not a dict.
    """
    steps: Pipeline = []
    for step in pipeline:
        if not isinstance(step, dict):
            raise ModelError(f'A pipeline step must be a dict with a type, not {step!r}: correct the config.')
        steps.extend(_flat(step['transforms']) if _kind(step) == 'Compose' else [step])
    return steps


def _kinds(pipeline: Pipeline) -> Iterator[str]:
    for step in _flat(pipeline):
        yield _kind(step)
        if _kind(step) not in _NO_FIXED_SIZE:
            yield from _kinds(step.get('transforms') or [])


def _kind(step: Dict[str, Any]) -> str:
    """``Resize``, both for ``'mmdet.Resize'`` and for the class itself (mmengine's pure Python configs)."""
    kind = step.get('type', '')
    return (kind if isinstance(kind, str) else getattr(kind, '__name__', '')).split('.')[-1]


def _size_after(kind: str, step: Dict[str, Any], before: Optional[Size]) -> Optional[Size]:
    """The size (w, h) that a sizing step asks for; ``None`` if it depends on the picture."""
    if kind == 'Pad':
        if step.get('pad_to_square') and before:
            return (max(before), max(before))
        return _as_size(step.get('size')) or before
    if kind == 'FixShapeResize':
        return _as_size((step.get('width'), step.get('height')))
    if kind == 'ResizeShortestEdge':
        short = step.get('scale')
        short = min(short) if isinstance(short, (list, tuple)) else short
        return _as_size((step.get('max_size'), short))
    return _as_size(step.get('scale'))


def _as_size(value: Any) -> Optional[Size]:
    pair = value if isinstance(value, (list, tuple)) else (value, value)
    if len(pair) != 2 or not all(isinstance(n, (int, float)) and 0 < n < math.inf for n in pair):
        return None
    return (int(pair[0]), int(pair[1]))


def _without_padding_keys(step: Dict[str, Any]) -> Dict[str, Any]:
    if step.get('meta_keys') and not isinstance(step['meta_keys'], str):
        step['meta_keys'] = tuple(key for key in step['meta_keys'] if key not in _META_OF_SIZING)
    return step


def _preprocessor_divisor(cfg: Config) -> int:
    """The number that the data preprocessor pads batch sizes to a multiple of."""
    node = (cfg.get('model') or {}).get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    while node.get('data_preprocessor'):  # MultiBranchDataPreprocessor wraps another
        node = node['data_preprocessor']
    return int(node.get('pad_size_divisor') or 1)


def _common_multiple(a: int, b: int) -> int:
    return a * b // math.gcd(a, b)


def _nearest_multiple(length: int, divisor: int) -> int:
    return max(1, int(length / divisor + 0.5)) * divisor


def _name(cfg: Config) -> str:
    return str(getattr(cfg, 'filename', None) or 'the config')
