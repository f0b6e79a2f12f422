"""The bytes of a page, kept on the disk until it is written."""

from __future__ import annotations

import shutil
import tempfile
from typing import BinaryIO

from ..rendering.page import script_of


class Spool:
    """Keeps pictures and maps in a temporary file, as the places that a page has for them.

    Attributes:
        number: How many there are.
    """

    def __init__(self) -> None:
        self.number = 0
        # Nobody else sees the file; it goes with the object, also when the process is killed.
        self._file = tempfile.TemporaryFile(prefix='mmlens-')  # noqa: SIM115

    def __call__(self, data: bytes) -> int:
        """Keep bytes; the number under which the page finds them."""
        self._file.write(script_of(self.number, data).encode('ascii'))
        self.number += 1
        return self.number - 1

    def copy_to(self, file: BinaryIO) -> None:
        """Write all places to a file."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, file)  # type: ignore[misc]
        self._file.seek(0, 2)
