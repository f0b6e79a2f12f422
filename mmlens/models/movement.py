"""Where one step of a test pipeline moves the pixels of a picture."""

from __future__ import annotations

import copy
import random
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import PictureError
from .geometry import Size, flipping, scaling, translation

RandomState = Tuple[Any, Any, Tensor]

# They stretch the whole picture to their output size.
_STRETCHING = {
    'FixScaleResize',
    'FixShapeResize',
    'Resize',
    'ResizeEdge',
    'ResizeShortestEdge',
    'YOLOv5KeepRatioResize',
}


def is_picture(img: Any) -> bool:
    """Whether something is a picture as steps pass it on: an array, a tensor or a PIL image."""
    return isinstance(img, (np.ndarray, Tensor, Image.Image))


def random_state() -> RandomState:
    """The state of the generators that steps draw from on the CPU: Python's, numpy's and torch's."""
    return random.getstate(), np.random.get_state(), torch.random.get_rng_state()


def movement(step: Any, before: Dict[str, Any], after: Dict[str, Any], state: RandomState) -> np.ndarray:
    """Where a step has moved the picture's pixels.

    Args:
        step: The transform.
        before: What it was given; ``img`` is an array (H, W) or (H, W, C), a tensor (C, H, W) or PIL's.
        after: What it returned.
        state: The random state it began with.

    Returns:
        Shape (3, 3): position before the step to position after it.

    Raises:
        PictureError: If no affine map describes it.
    """
    kind = type(step).__name__
    size, new_size = _size(before['img']), _size(after['img'])
    if kind == 'LetterResize':
        return _letterbox_matrix(size, new_size, _own_scale(before, after))
    if type(_inner(step)).__name__ in _STRETCHING:
        return scaling(new_size[1] / size[1], new_size[0] / size[0])
    if kind == 'Pad':  # to the right and below
        return np.eye(3)
    if kind == 'RandomFlip':
        return flipping(size, after['flip_direction']) if after.get('flip') else np.eye(3)
    if after['img'] is before['img']:
        return np.eye(3)
    return _measure(step, before, after, state)


def _inner(step: Any) -> Any:
    """The torchvision transform inside mmpretrain's wrapper, or the step itself."""
    inner = getattr(step, 't', None)
    return inner if type(inner).__module__.startswith('torchvision.') else step


def _size(img: Any) -> Size:
    """``(height, width)``."""
    if isinstance(img, Image.Image):
        return img.size[1], img.size[0]
    height, width = img.shape[-2:] if isinstance(img, Tensor) else img.shape[:2]
    return int(height), int(width)


def _own_scale(before: Dict[str, Any], after: Dict[str, Any]) -> Tuple[float, float]:
    """The factors that LetterResize itself scaled x and y by: it multiplies them onto those of earlier steps."""
    x, y = before.get('scale_factor') or (1.0, 1.0)
    return after['scale_factor'][0] / x, after['scale_factor'][1] / y


def _letterbox_matrix(size: Size, new_size: Size, scale_factor: Tuple[float, float]) -> np.ndarray:
    """MMYOLO's LetterResize: how large the content is in the new picture, and where it begins.

    ``pad_param`` is not asked: with ``half_pad_param`` it holds halves, not the pixels padded.
    """
    content = [round(side * factor) for side, factor in zip(size, scale_factor[::-1])]
    top, left = (int(round((new - old) // 2 - 0.1)) for new, old in zip(new_size, content))
    return translation(left, top) @ scaling(content[1] / size[1], content[0] / size[0])


def _measure(step: Any, before: Dict[str, Any], after: Dict[str, Any], state: RandomState) -> np.ndarray:
    """Send pictures that hold x and y through a step and fit the map to what comes out.

    Only pixels count that leave pictures of one value, small or large, as they were. Where there are none the step
    changes values; one that keeps the size as well (a normalisation, a filter) is taken to move nothing.
    """
    size = _size(before['img'])
    keeps_size = _size(after['img']) == size
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32) + 0.5
    kept: Any = True
    for value in (float(max(size)), 1.0):
        out = _probe(step, before, state, np.full_like(x, value))
        if out is None:
            if keeps_size and _may_refuse(before['img'], after['img']):
                return np.eye(3)
            return _measure_in_bytes(step, before, state)
        kept = kept & (np.abs(out / value - 1) < 1e-4).all(2)
        if keeps_size and kept.sum() < 3:
            return np.eye(3)
    moved = [_probe(step, before, state, plane) for plane in (x, y)]
    matrix = _fitted(kept, moved, 1.5)
    if matrix is None:
        raise PictureError(_cannot_follow(step))
    return matrix


def _measure_in_bytes(step: Any, before: Dict[str, Any], state: RandomState) -> np.ndarray:
    """The same for steps that take 8 bits only, such as resizing by Pillow: x and y in 256 shades.

    Over all pixels, the rounding of the shades cancels out.
    """
    size = _size(before['img'])
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    outs = [_probe(step, before, state, np.full(size, value, np.uint8)) for value in (255, 100)]
    shades = [np.rint(plane * (255 / max(size))).astype(np.uint8) for plane in (x, y)]
    moved = [_probe(step, before, state, plane) for plane in shades]
    matrix = None
    if all(out is not None for out in outs):
        kept = np.logical_and(*((out == value).all(2) for out, value in zip(outs, (255, 100)) if out is not None))
        in_pixels = [None if each is None else each * (max(size) / 255) for each in moved]
        matrix = _fitted(kept, in_pixels, 1.5 + 2 * max(kept.shape) / 255)
    if matrix is None:
        raise PictureError(_cannot_follow(step))
    return matrix


def _fitted(kept: np.ndarray, moved: Sequence[Optional[np.ndarray]], tolerance: float) -> Optional[np.ndarray]:
    """The affine map (3, 3) that fits where the kept pixels came from; ``None`` if one is further off than this."""
    rows, columns = np.nonzero(kept)
    if len(rows) < 3 or any(each is None or each.shape[:2] != kept.shape for each in moved):
        return None
    source = np.stack([*(each[rows, columns, 0] for each in moved if each is not None), np.ones(len(rows))], 1)
    arrived = np.stack([columns, rows], 1) + 0.5
    solution = np.linalg.lstsq(source, arrived, rcond=None)[0]
    if np.abs(source @ solution - arrived).max() >= tolerance:
        return None
    return np.vstack([solution.T, [0, 0, 1]]).round(9)


def _probe(step: Any, before: Dict[str, Any], state: RandomState, plane: np.ndarray) -> Optional[np.ndarray]:
    """Run a step on a picture with these values (H, W) in all channels: (H', W', C); ``None`` if it fails."""
    results = copy.copy(before)
    results['img'] = _in_the_form_of(before['img'], plane)
    now = random_state()
    _set_random_state(state)
    try:
        return _as_array(step(results)['img'])
    except Exception:  # custom steps raise anything; not all take float
        return None
    finally:
        _set_random_state(now)


def _in_the_form_of(img: Any, plane: np.ndarray) -> Any:
    if isinstance(img, Image.Image):
        return Image.fromarray(plane)  # of mode F, which has only one channel
    if isinstance(img, Tensor):
        return torch.from_numpy(plane).expand(img.shape).clone()
    return plane.copy() if img.ndim == 2 else np.repeat(plane[..., None], img.shape[2], 2)


def _as_array(img: Any) -> np.ndarray:
    array = np.asarray(img, np.float32)
    return np.moveaxis(array, 0, -1) if isinstance(img, Tensor) and array.ndim == 3 else np.atleast_3d(array)


def _may_refuse(img: Any, new_img: Any) -> bool:
    """Whether a step that keeps the size but fails on the probe can be trusted to move nothing.

    Filters of arrays often want 8 bits, and conversions from one form to another a certain mode. Steps for tensors
    and PIL's pictures take the probe if they only move pixels.
    """
    converts = any(isinstance(img, form) != isinstance(new_img, form) for form in (Tensor, Image.Image))
    return converts or isinstance(img, np.ndarray)


def _cannot_follow(step: Any) -> str:
    return (
        f'The pipeline step {type(_inner(step)).__name__} moves pixels in a way that mmlens cannot follow: use '
        '`resize_only`, or take the step out of the test pipeline.'
    )


def _set_random_state(state: RandomState) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.random.set_rng_state(state[2])
