"""Turn the arrays and tensors of a pipeline back into pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, List, Optional, Tuple

import cv2
import numpy as np

from ..models.pixels import Window, as_bytes

# Their mean and to_rgb only choose a fill colour; values and channels of the picture stay.
_FILLING = {'Expand', 'RandomCenterCropPad'}


@dataclass(frozen=True)
class Colours:
    """How to read the values of an array; any transform may change it.

    Attributes:
        rgb: Whether channels are in RGB order; mmcv loads BGR.
        mean: What a Normalize step subtracted, per channel; ``None`` before one.
        std: What it divided by, likewise.
        window: Which values of the file become black and white; see :func:`~mmlens.models.pixels.as_bytes`.
        loaded: Type of the array that was loaded from the file.
    """

    rgb: bool = False
    mean: Optional[np.ndarray] = None
    std: Optional[np.ndarray] = None
    window: Optional[Window] = None
    loaded: Optional[np.dtype] = None

    def of(self, image: np.ndarray) -> Colours:
        """How to read the values of a picture, which is the first one or one that was made of it."""
        return self if self.loaded is not None else replace(self, loaded=image.dtype)

    def window_of(self, image: np.ndarray) -> Optional[Window]:
        """The window, unless a transform has turned the file's values into bytes or shares."""
        if self.loaded in (None, image.dtype):
            return self.window
        rescaled = image.dtype == np.uint8 or (image.dtype.kind == 'f' and image.size and float(image.max()) <= 1)
        return None if rescaled else self.window

    def after(self, transform: Any) -> Colours:
        """How to read the output of a transform of mmcv, mmpretrain or torchvision."""
        inner = getattr(transform, 't', transform)  # mmpretrain's wrapper around torchvision transforms
        if any(kind.__name__ in _FILLING for kind in type(inner).__mro__):
            return self
        rgb = True if getattr(inner, 'to_rgb', False) else self.rgb
        rgb = False if getattr(inner, 'to_bgr', False) else rgb
        mean, std = getattr(inner, 'mean', None), getattr(inner, 'std', None)
        if mean is None or std is None:
            return replace(self, rgb=rgb)
        mean, std = (np.ravel(np.asarray(values, np.float32)) for values in (mean, std))
        return replace(self, rgb=rgb, mean=mean, std=std)


def to_picture(array: np.ndarray, channels_first: bool, colours: Colours) -> Tuple[np.ndarray, Tuple[str, ...]]:
    """Turn an array of a pipeline into a picture.

    Args:
        array: Shape (H, W), (H, W, C) or, with ``channels_first``, (C, H, W); any number type.
        channels_first: Whether it was a tensor.
        colours: How to read its values.

    Returns:
        The picture (H, W, 3), uint8, BGR, and notes on what it took to make it visible.
    """
    notes: List[str] = []
    image = array[..., None] if array.ndim == 2 else array.transpose(1, 2, 0) if channels_first else array
    if colours.mean is not None and image.dtype.kind == 'f' and image.shape[2] == colours.mean.size:
        image = image * colours.std + colours.mean
        notes.append('normalised, undone here')
    image, note = as_bytes(image, colours.window_of(image))
    notes += [note] if note else []
    channels = image.shape[2]
    if channels in (1, 2):
        image = cv2.cvtColor(np.ascontiguousarray(image[..., 0]), cv2.COLOR_GRAY2BGR)
    elif colours.rgb:
        image = image[..., 2::-1]
    if channels == 2 or channels > 4:
        notes.append(f'{1 if channels == 2 else 3} of {channels} channels drawn')
    return np.ascontiguousarray(image[..., :3]), tuple(notes)
