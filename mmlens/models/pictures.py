"""What users call a picture -> the file or array that a pipeline loads: the one place that knows the kinds."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any, Iterator, Union

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..downloads import download, file_name, is_address
from ..errors import PictureError

Picture = Union[str, 'os.PathLike[str]', np.ndarray, Image.Image, Tensor]

_BEYOND = 1e-3  # how far interpolation may have carried a tensor's values beyond 0 and 1


def is_picture(value: Any) -> bool:
    """Whether something is one picture, and not several: a file name, address, array, PIL image or tensor."""
    return isinstance(value, (str, os.PathLike, np.ndarray, Image.Image, Tensor))


@contextlib.contextmanager
def file_or_array(
    picture: Picture, oriented: bool = True, of_any_kind: bool = False
) -> Iterator[Union[str, np.ndarray]]:
    """Give the file or the BGR array that stands for a picture of any kind.

    Args:
        picture: A file name; an http(s) address, whose file is there until the block ends; a PIL image, RGB or
            convertible to it; a tensor, (3, H, W) RGB or (1, H, W) grey, of floats in [0, 1] or of uint8; or an array
            (H, W, 3), uint8, BGR, or (H, W), grey.
        oriented: Whether a PIL image is turned as its EXIF data say, as OpenCV does when it reads the file.
        of_any_kind: Whether arrays may have any numbers and channels, as a loading step of the user's returns them.

    Raises:
        PictureError: If it is none of these, or cannot be had.
    """
    if isinstance(picture, np.ndarray):
        _check_array(picture, of_any_kind)
        yield picture
    elif isinstance(picture, Image.Image):
        yield _of_image(picture, oriented)
    elif isinstance(picture, Tensor):
        yield _of_tensor(picture)
    elif isinstance(picture, str) and is_address(picture):
        with tempfile.TemporaryDirectory(prefix='mmlens-') as folder:
            target = Path(folder) / file_name(picture)
            download(picture, target, PictureError)
            yield str(target)
    elif isinstance(picture, (str, os.PathLike)):
        if not os.path.isfile(picture):
            raise PictureError(f'No picture {os.fspath(picture)}: check the path.')
        yield os.fspath(picture)
    else:
        raise PictureError(
            f'A picture must be a file name, an address, an array, a PIL image or a tensor, not '
            f'{type(picture).__name__}.'
        )


def _check_array(picture: np.ndarray, of_any_kind: bool) -> None:
    plain = picture.dtype == np.uint8 and (picture.ndim == 2 or picture.shape[2:] in ((1,), (3,)))
    numbers = of_any_kind and picture.dtype.kind in 'uif' and picture.ndim in (2, 3)
    if not (plain or numbers) or not picture.size:
        raise PictureError(
            'A picture must be an array (H, W, 3) of uint8, BGR, or (H, W), grey; this one is '
            f'{picture.shape} of {picture.dtype}.'
        )


def _of_image(image: Image.Image, oriented: bool) -> np.ndarray:
    try:
        image = ImageOps.exif_transpose(image) if oriented else image
        if image.mode == 'F':
            raise PictureError('A PIL image of floats has no known range: turn it into one of 8 bits.')
        if image.mode.startswith('I'):
            # 16 bits; OpenCV keeps the upper 8 of them.
            grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
            return np.repeat(grey[..., None], 3, 2)
        rgb = np.asarray(image.convert('RGB'))
    except (OSError, SyntaxError) as error:  # Pillow reads the file's pixels only now
        raise PictureError('The PIL image cannot be read: its file is damaged or closed.') from error
    if not rgb.size:
        raise PictureError('A PIL image of no pixels cannot be looked at.')
    return np.ascontiguousarray(rgb[..., ::-1])


def _of_tensor(tensor: Tensor) -> np.ndarray:
    shape = tuple(tensor.shape)
    if tensor.ndim != 3 or shape[0] not in (1, 3) or not tensor.numel():
        raise PictureError(
            f'A tensor must be one picture, (3, H, W) in RGB or (1, H, W) in grey; this one is {shape}: give the '
            'pictures of a batch one by one, with the channels first.'
        )
    if tensor.is_floating_point():
        tensor = _as_uint8(tensor)
    elif tensor.dtype != torch.uint8:
        raise PictureError(f'A tensor must hold floats in [0, 1] or uint8, not {tensor.dtype}.')
    rgb = tensor.detach().cpu().expand(3, -1, -1).numpy()
    return np.ascontiguousarray(rgb[::-1].transpose(1, 2, 0))


def _as_uint8(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().float()
    low, high = float(tensor.min()), float(tensor.max())
    if not (low >= -_BEYOND and high <= 1 + _BEYOND):  # NaN is neither
        raise PictureError(
            f'A tensor of floats must lie in [0, 1], and this one reaches from {low:.3g} to {high:.3g}: undo its '
            'normalisation, or divide by 255.'
        )
    return (tensor.clamp(0, 1) * 255).round().to(torch.uint8)
