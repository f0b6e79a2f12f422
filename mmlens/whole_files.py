"""Whether a file that was written is whole: how each kind of file begins and ends, read back as cheaply as it can be.

Not every writer says that the disk is full: OpenCV's of videos goes on without a word.
"""

from __future__ import annotations

import os
import zipfile
from typing import BinaryIO, Callable, Dict, Optional

_TAIL = 1024


def why_not_whole(path: str, ending: Optional[str] = None) -> str:
    """Say why a file cannot be what its ending says.

    Args:
        path: The file.
        ending: Its kind: ``'.png'``. Defaults to the ending of its name. What is unknown here need not be empty.

    Returns:
        What is wrong with it, in words that follow "it"; ``''`` if nothing is.
    """
    kind = (os.path.splitext(path)[1] if ending is None else ending).lower()
    if os.path.getsize(path) == 0 and kind not in _MAY_BE_EMPTY:
        return 'is empty'
    check = _CHECKS.get(kind)
    if check is None:
        return ''
    with open(path, 'rb') as file:
        return '' if check(file) else f'is not a whole {kind} file'


def frames_of(path: str) -> int:
    """The number of frames of a video that can be read back."""
    import cv2

    capture, frames = cv2.VideoCapture(path), 0
    try:
        while capture.grab():
            frames += 1
    finally:
        capture.release()
    return frames


def _between(begin: bytes, end: bytes) -> Callable[[BinaryIO], bool]:
    def check(file: BinaryIO) -> bool:
        return file.read(len(begin)) == begin and _tail(file).rstrip(b'\r\n').endswith(end)

    return check


def _tail(file: BinaryIO) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    return file.read()


def _is_zip(file: BinaryIO) -> bool:
    # The list of what a zip file holds is written last.
    return zipfile.is_zipfile(file) and bool(zipfile.ZipFile(file).namelist())


def _is_text(file: BinaryIO) -> bool:
    return _tail(file).endswith(b'\n')


def _is_json(file: BinaryIO) -> bool:
    return _tail(file).rstrip().endswith((b'}', b']'))


def _is_jpeg(file: BinaryIO) -> bool:
    return file.read(2) == b'\xff\xd8' and _tail(file).endswith(b'\xff\xd9')


def _is_gif(file: BinaryIO) -> bool:
    return file.read(4) == b'GIF8' and _tail(file).endswith(b'\x3b')


def _is_bmp(file: BinaryIO) -> bool:
    return file.read(2) == b'BM' and int.from_bytes(file.read(4), 'little') == _size(file)


def _is_webp(file: BinaryIO) -> bool:
    return file.read(4) == b'RIFF' and int.from_bytes(file.read(4), 'little') + 8 <= _size(file)


def _is_tiff(file: BinaryIO) -> bool:
    order = {b'II': 'little', b'MM': 'big'}.get(file.read(2))
    if order is None:
        return False
    file.seek(4)
    return 0 < int.from_bytes(file.read(4), 'little' if order == 'little' else 'big') < _size(file)


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


_CHECKS: Dict[str, Callable[[BinaryIO], bool]] = {
    '.png': _between(b'\x89PNG', b'IEND\xaeB`\x82'),
    '.jpg': _is_jpeg,
    '.jpeg': _is_jpeg,
    '.gif': _is_gif,
    '.bmp': _is_bmp,
    '.webp': _is_webp,
    '.tif': _is_tiff,
    '.tiff': _is_tiff,
    '.npz': _is_zip,
    '.pdf': _between(b'%PDF', b'%%EOF'),
    '.svg': _between(b'<?xml', b'</svg>'),
    '.parquet': _between(b'PAR1', b'PAR1'),
    '.csv': _is_text,
    '.jsonl': _is_text,
    '.json': _is_json,
}
_MAY_BE_EMPTY = {'.txt', '.log'}
