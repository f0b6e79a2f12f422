"""Files that appear whole or not at all, and names for them that never collide."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Set, TextIO, Union

from .errors import ModelError, OutputError
from .whole_files import why_not_whole

if TYPE_CHECKING:
    import numpy as np

_LONGEST_NAME = 240  # bytes; most file systems allow 255
_MAKE_ROOM = 'Make room on the disk, or choose another output folder.'
# What the system says when a disk, a quota or the longest file allowed is full.
FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, 'EDQUOT', errno.ENOSPC))


def check_is_file(path: Union[str, Path], what: str) -> None:
    """Check that a file of a model exists.

    Args:
        path: The file.
        what: What it is: ``'checkpoint'``.

    Raises:
        ModelError: If it does not.
    """
    if not os.path.isfile(path):  # pathlib's raises for names that are too long
        raise ModelError(f'No {what} {path}: check the path.')


def check_name(path: Union[str, Path]) -> None:
    """Check that a path is one that a file can have here, whether or not there is one.

    Raises:
        OutputError: If it is too long, or has a character that no name can have.
    """
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            os.lstat(path)
    except (OSError, ValueError) as error:
        raise OutputError(_cannot_write(path, error)) from error


def fitting_name(name: str, ending: str) -> str:
    """A file's name of at most 240 bytes, as file systems allow: a longer one is cut and ends in digits of its hash.

    Args:
        name: Without its ending.
        ending: ``'.png'``.

    Returns:
        The name, without its ending.
    """
    raw = os.fsencode(name)
    if len(raw) + len(ending) <= _LONGEST_NAME:
        return name
    digits = hashlib.sha256(raw).hexdigest()[:8]
    return f'{raw[: _LONGEST_NAME - len(ending) - 9].decode("utf-8", "ignore")}-{digits}'


@contextlib.contextmanager
def write_atomically(path: Union[str, Path], suffix: str = '', check: bool = True) -> Iterator[str]:
    """Give a temporary name next to ``path``; rename it to ``path`` if the block ends without an error.

    Args:
        path: The file to write. Missing folders are created.
        suffix: Extension of the temporary name, for writers that choose the format by it.
            Defaults to the extension of ``path``.
        check: Whether to look, before the file gets its name, if it is whole: not every writer says that the disk is
            full. Defaults to ``True``.

    Raises:
        OutputError: If the folder cannot be created, or the file cannot be written whole.
    """
    path = Path(path)
    check_name(path)
    # Named before it is there, so that it is removed even if Ctrl-C comes the moment it is made.
    temporary = str(path.parent / f'.mmlens-{os.urandom(4).hex()}{suffix or path.suffix}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        yield temporary
        wrong = why_not_whole(temporary) if check else ''
        if wrong:
            raise OutputError(f'Cannot write {path}: what was written {wrong}. {_MAKE_ROOM}')
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, str(path))
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


@contextlib.contextmanager
def write_text(path: Union[str, Path]) -> Iterator[TextIO]:
    """Give a text file to write into, in UTF-8, which appears as ``path`` if the block ends without an error.

    Names of files that are not UTF-8 are written as the bytes that they are.

    Raises:
        OutputError: See :func:`write_atomically`.
    """
    with write_atomically(path) as temporary, open(
        temporary, 'w', newline='', encoding='utf-8', errors='surrogateescape'
    ) as file:
        yield file


def append_line(path: Union[str, Path], line: str) -> None:
    """Add a line to a file, whole or not at all.

    Args:
        path: The file.
        line: Without the character that ends it.

    Raises:
        OutputError: If it cannot be written.
    """
    path = Path(path)
    try:
        with path.open('ab', buffering=0) as file:
            before = file.tell()
            data = memoryview(line.encode('utf-8') + b'\n')
            try:
                while data:  # a disk that is nearly full takes a part, and tells only the next time
                    data = data[file.write(data) :]
            except OSError:
                file.truncate(before)
                raise
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error


def _cannot_write(path: Union[str, Path], error: Exception) -> str:
    number, said = getattr(error, 'errno', None), getattr(error, 'strerror', None) or error
    if number == errno.ENAMETOOLONG:
        todo = 'Choose a shorter name.'
    elif number in FULL:
        todo = _MAKE_ROOM
    else:
        todo = 'Choose another output folder.'
    return f'Cannot write {path}: {said}. {todo}'


def write_picture(path: Union[str, Path], picture: np.ndarray) -> None:
    """Write a picture, whole or not at all.

    Args:
        path: The file; its extension sets the format. Missing folders are created.
        picture: Shape (H, W, 3), uint8, BGR.

    Raises:
        OutputError: If the format cannot hold the picture, or the file cannot be written.
    """
    write_bytes(path, picture_as_file(path, picture))


def picture_as_file(path: Union[str, Path], picture: np.ndarray) -> bytes:
    """What a file holds that shows a picture; for arguments and errors see :func:`write_picture`."""
    import cv2

    ending = Path(path).suffix
    try:
        encoded, data = cv2.imencode(ending, picture)
    except cv2.error:
        encoded = False
    if not encoded:
        height, width = picture.shape[:2]
        raise OutputError(f'A picture of {width} x {height} pixels cannot be written as {ending}; try .png.')
    return data.tobytes()


def write_bytes(path: Union[str, Path], data: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        OutputError: If it cannot be written.
    """
    with write_atomically(path) as temporary:
        Path(temporary).write_bytes(data)


class UniqueNames:
    """Makes names unique by numbering repeats. Upper and lower case count as the same, as in some file systems.

    Example:
        >>> unique = UniqueNames()
        >>> [unique(name) for name in ('a', 'b', 'A', 'a')]
        ['a', 'b', 'A-2', 'a-3']
    """

    def __init__(self) -> None:
        self._taken: Set[str] = set()

    def __call__(self, name: str) -> str:
        """Return ``name``, or ``name-2``, ``name-3``, ... if it has been returned before."""
        number, unique = 1, name
        while unique.lower() in self._taken:
            number += 1
            unique = f'{name}-{number}'
        self._taken.add(unique.lower())
        return unique


def _umask() -> int:
    # The only portable way to read the umask is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
