"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Iterator, Union

from .errors import OutputError


@contextlib.contextmanager
def write_atomically(path: Union[str, Path], suffix: str = '') -> Iterator[str]:
    """Give a temporary name beside ``path``; rename it to ``path`` if the block ends without an error.

    Args:
        path: Where the file is to be. Missing folders are made.
        suffix: Ending of the temporary name, for writers that choose the format by it.
            Defaults to the ending of ``path``.

    Raises:
        OutputError: If the folder cannot be made or written to.
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


def _umask() -> int:
    # The only portable way to read the umask is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
