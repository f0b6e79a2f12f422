"""Files that appear whole or not at all, and names for them that never collide."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Set, Union

from .errors import ModelError, OutputError

if TYPE_CHECKING:
    import numpy as np


def check_is_file(path: Union[str, Path], what: str) -> None:
    """Check that a file of a model exists.

    Args:
        path: The file.
        what: What it is: ``'checkpoint'``.

    Raises:
        ModelError: If it does not.
    """
    if not Path(path).is_file():
        raise ModelError(f'No {what} {path}: check the path.')


@contextlib.contextmanager
def write_atomically(path: Union[str, Path], suffix: str = '') -> Iterator[str]:
    """Give a temporary name next to ``path``; rename it to ``path`` if the block ends without an error.

    Args:
        path: The file to write. Missing folders are created.
        suffix: Extension of the temporary name, for writers that choose the format by it.
            Defaults to the extension of ``path``.

    Raises:
        OutputError: If the folder cannot be created or written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=str(path.parent), prefix='.mmlens-', suffix=suffix or path.suffix)
        os.close(handle)
    except OSError as error:
        raise OutputError(f'Cannot write {path}: {error.strerror}. Choose another output folder.') from error
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, str(path))
    except OSError as error:
        raise OutputError(f'Cannot write {path}: {error.strerror or error}. Choose another output folder.') from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def write_picture(path: Union[str, Path], picture: np.ndarray) -> None:
    """Write a picture, whole or not at all.

    Args:
        path: The file; its extension sets the format. Missing folders are created.
        picture: Shape (H, W, 3), uint8, BGR.

    Raises:
        OutputError: If the format cannot hold the picture, or the file cannot be written.
    """
    import cv2

    path = Path(path)
    try:
        encoded, data = cv2.imencode(path.suffix, picture)
    except cv2.error:
        encoded = False
    if not encoded:
        height, width = picture.shape[:2]
        raise OutputError(f'A picture of {width} x {height} pixels cannot be written as {path.suffix}; try .png.')
    with write_atomically(path) as temporary:
        Path(temporary).write_bytes(data.tobytes())


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
