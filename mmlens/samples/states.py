"""What a transform left: copies of the arrays in its results, in one form before and after packing."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np
from PIL import Image
from torch import Tensor


@dataclass
class Item:
    """One picture of the results, with its annotations.

    Attributes:
        image: Shape (H, W), (H, W, C) or, for a tensor, (C, H, W).
        channels_first: Whether it was a tensor.
        boxes: Shape (N, 4) or, for rotated boxes, (N, 5).
        labels: Shape (N,).
        ignored: Shape (N,), bool.
        masks: mmdet's ``BitmapMasks`` or ``PolygonMasks``.
        seg_map: Shape (H, W).
        hidden: Shape (h, w): the cells hidden by masked image modelling.
        classes: Class indexes of the picture as a whole.
    """

    image: np.ndarray
    channels_first: bool = False
    boxes: Optional[np.ndarray] = None
    labels: Optional[np.ndarray] = None
    ignored: Optional[np.ndarray] = None
    masks: Any = None
    seg_map: Optional[np.ndarray] = None
    hidden: Optional[np.ndarray] = None
    classes: Tuple[int, ...] = ()

    @property
    def size(self) -> Tuple[int, ...]:
        """Height and width in pixels."""
        return self.image.shape[-2:] if self.channels_first else self.image.shape[:2]

    @property
    def annotated(self) -> bool:
        """Whether annotations with a place in the picture have been loaded."""
        return self.boxes is not None or self.masks is not None or self.seg_map is not None


@dataclass
class State:
    """Everything there was after a transform.

    Attributes:
        items: The pictures, at least one.
        meta: ``img_path``, and what the transforms note about the geometry: ``scale_factor``, ``pad_param``,
            ``flip``, ``flip_direction``.
    """

    items: List[Item]
    meta: Dict[str, Any] = field(default_factory=dict)


_META = ('img_path', 'scale_factor', 'pad_param', 'flip', 'flip_direction')


def take_state(results: Any) -> Optional[State]:
    """Copy what a transform left.

    Args:
        results: What a transform of mmpretrain, mmdet or mmyolo returned.

    Returns:
        The copies; ``None`` if the results hold no picture (yet).
    """
    if not isinstance(results, dict):
        return None
    if 'inputs' in results:
        pairs = list(_pairs(results['inputs'], results.get('data_samples')))
        items = [item for image, sample in pairs for item in _packed(image, sample)]
        samples = [sample for _, sample in pairs if sample is not None]
        meta = {key: samples[0].get(key) for key in _META} if samples and hasattr(samples[0], 'get') else {}
    else:
        images: Any = results.get('img')
        images = images if isinstance(images, (list, tuple)) else [images]
        loose = [_loose(image, {} if n else results) for n, image in enumerate(images)]
        items = [item for item in loose if item is not None]
        meta = {key: results.get(key) for key in _META}
    return State(items, copy.deepcopy(meta)) if items else None


def same(one: State, other: State) -> bool:
    """Whether two states hold the same pictures and annotations."""
    return len(one.items) == len(other.items) and all(map(_same_item, one.items, other.items))


def _same_item(one: Item, other: Item) -> bool:
    if one.masks is not None and other.masks is not None and type(one.masks) is not type(other.masks):
        return False
    arrays = ('image', 'boxes', 'labels', 'ignored', 'seg_map', 'hidden')
    return (
        one.classes == other.classes
        and all(_equal(getattr(one, name), getattr(other, name)) for name in arrays)
        and _equal(_mask_content(one.masks), _mask_content(other.masks))
    )


def _mask_content(masks: Any) -> Optional[np.ndarray]:
    if masks is None:
        return None
    content = masks.masks
    if isinstance(content, np.ndarray):
        return content
    return np.concatenate([np.ravel(part) for polygons in content for part in polygons] or [np.zeros(0)])


def _equal(one: Optional[np.ndarray], other: Optional[np.ndarray]) -> bool:
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and np.array_equal(one, other)


def _pairs(inputs: Any, samples: Any) -> Iterator[Tuple[Any, Any]]:
    """Each packed picture with its data sample: test-time augmentation packs lists, MultiBranch dicts."""
    if isinstance(inputs, dict):
        for key, value in inputs.items():
            yield from _pairs(value, samples.get(key) if isinstance(samples, dict) else None)
    elif isinstance(inputs, (list, tuple)):
        # The views of mmpretrain's MultiView share a sample; its annotations belong to the first.
        each = samples if isinstance(samples, (list, tuple)) else [samples]
        for n, value in enumerate(inputs):
            yield from _pairs(value, each[n] if n < len(each) else None)
    elif isinstance(inputs, Tensor):
        yield inputs, samples


def _packed(image: Tensor, sample: Any) -> List[Item]:
    array = _array(image)
    if array.ndim == 4:  # frames of a video
        return [Item(frame, channels_first=True) for frame in array]
    if array.ndim not in (2, 3):
        return []
    item = Item(array, channels_first=True)
    if sample is None:
        return [item]
    parts = [getattr(sample, name, None) for name in ('gt_instances', 'ignored_instances')]
    found = [part for part in parts if part is not None and 'bboxes' in part]
    if found:
        boxes = [_boxes(part.bboxes) for part in found]
        item.boxes = np.concatenate([part for part in boxes if part is not None])
        item.labels = np.concatenate([_array(part.get('labels', np.full(len(part), -1))) for part in found])
        item.ignored = np.repeat([part is parts[1] for part in found], [len(part) for part in found])
        masks = [part.masks for part in found if 'masks' in part and len(part)]
        item.masks = copy.deepcopy(masks[0].cat(masks)) if masks else None
    seg_map = _array_of(getattr(getattr(sample, 'gt_sem_seg', None), 'sem_seg', None))
    item.seg_map = None if seg_map is None else np.squeeze(seg_map)
    item.classes = _classes(getattr(sample, 'gt_label', None))
    item.hidden = _grid(getattr(sample, 'mask', None))
    return [item]


def _loose(image: Any, results: Dict[str, Any]) -> Optional[Item]:
    if isinstance(image, Image.Image):
        image = np.asarray(image)
    if not isinstance(image, (np.ndarray, Tensor)) or image.ndim not in (2, 3):
        return None
    item = Item(_array(image), channels_first=isinstance(image, Tensor))
    item.boxes = _boxes(results.get('gt_bboxes'))
    item.labels = _array_of(results.get('gt_bboxes_labels'))
    ignored = _array_of(results.get('gt_ignore_flags'))
    item.ignored = None if ignored is None else ignored.astype(bool)
    item.masks = copy.deepcopy(results.get('gt_masks'))
    seg_map = _array_of(results.get('gt_seg_map'))
    item.seg_map = None if seg_map is None else np.squeeze(seg_map)
    item.classes = _classes(results.get('gt_label'))
    item.hidden = _grid(results.get('mask'))
    return item


def _array(value: Any) -> np.ndarray:
    """A copy, as an array."""
    return np.array(value.detach().cpu().numpy() if isinstance(value, Tensor) else value)


def _array_of(value: Any) -> Optional[np.ndarray]:
    return _array(value) if isinstance(value, (np.ndarray, Tensor)) else None


def _boxes(value: Any) -> Optional[np.ndarray]:
    """Boxes from mmdet's box classes, a tensor or an array: (N, 4), or (N, 5) with an angle."""
    array = _array_of(getattr(value, 'tensor', value))
    if array is None:
        return None
    return array.astype(np.float32).reshape(-1, array.shape[-1] if array.ndim == 2 else 4)


def _classes(label: Any) -> Tuple[int, ...]:
    if label is None or isinstance(label, (str, dict)):
        return ()
    values = np.ravel(_array(label))
    return tuple(int(value) for value in values) if values.dtype.kind in 'iu' else ()


def _grid(value: Any) -> Optional[np.ndarray]:
    """The mask of masked image modelling: (h, w) of 0 and 1."""
    if not isinstance(value, (np.ndarray, Tensor)) or value.ndim != 2:
        return None
    return _array(value).astype(bool)
