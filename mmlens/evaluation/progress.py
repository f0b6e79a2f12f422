"""What was measured so far, on the disk: a file a process, and one that holds all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from ..files import append_line, write_atomically

Record = Dict[str, Any]

PROGRESS = 'progress.jsonl'
_OF_OTHERS = re.compile(r'progress\.[0-9]+\.jsonl')


class Progress:
    """What was measured so far, a line of JSON a picture.

    Each process appends to a file of its own, the first one to :data:`PROGRESS`, which begins with the settings. The
    others' files are merged into that one, before a run goes on and when it ends, whatever their number; a line that
    was not written whole is dropped.

    Attributes:
        path: The first process's file.
        is_first: Whether this is the first process.

    Args:
        folder: Where the files are; all processes see the same one.
        process: Number of the process, from 0.
    """

    def __init__(self, folder: Path, process: int = 0) -> None:
        self.path, self.is_first = folder / PROGRESS, not process
        self._own = folder / f'progress.{process}.jsonl' if process else self.path

    def settings(self) -> Record:
        """What the run was started with; empty if there is no file."""
        if not self.path.is_file():
            return {}
        try:
            with self.path.open(encoding='utf-8') as file:
                return json.loads(file.readline())['settings']
        except (ValueError, KeyError, TypeError):
            return {}

    def start(self, settings: Record) -> None:
        """Begin anew; done by the first process."""
        for path in self._of_others():
            path.unlink()
        with write_atomically(self.path) as temporary:
            Path(temporary).write_text(json.dumps(dict(settings=settings)) + '\n', encoding='utf-8')

    def add(self, number: int, record: Record) -> None:
        """Add a picture; it is on the disk when this returns.

        Args:
            number: Of the picture.
            record: What was measured on it.

        Raises:
            OutputError: If it cannot be written; what was added before stays.
        """
        append_line(self._own, json.dumps(dict(number=number, record=record)))

    def merge(self) -> None:
        """Merge the files of all processes into the first one's; done by the first process.

        Killed in between, it loses nothing: the others' files go when the merged one is there.
        """
        places = self._places()
        others = self._of_others()
        with write_atomically(self.path) as temporary, open(temporary, 'wb') as merged:
            with self.path.open('rb') as file:
                merged.write(file.readline())
            for _, (path, begin) in sorted(places.items()):
                merged.write(_line_at(path, begin))
        for path in others:
            path.unlink()

    def numbers(self) -> List[int]:
        """The pictures that are in the files, in order."""
        return sorted(self._places())

    def records(self) -> Iterator[Record]:
        """What was measured, in the order of the pictures, one record at a time."""
        for _, (path, begin) in sorted(self._places().items()):
            yield json.loads(_line_at(path, begin).decode('utf-8'))['record']

    def _of_others(self) -> List[Path]:
        return sorted(path for path in self.path.parent.glob('progress.*.jsonl') if _OF_OTHERS.fullmatch(path.name))

    def _places(self) -> Dict[int, Tuple[Path, int]]:
        """Picture -> the file that holds it, and where its line begins there."""
        found: Dict[int, Tuple[Path, int]] = {}
        for path in (self.path, *self._of_others()):
            begin = 0
            with path.open('rb') as file:
                for line in file:
                    if line.endswith(b'\n') and line.startswith(b'{"number": '):
                        found.setdefault(int(line[len(b'{"number": ') : line.index(b',')]), (path, begin))
                    begin += len(line)
        return found


def _line_at(path: Path, begin: int) -> bytes:
    with path.open('rb') as file:
        file.seek(begin)
        return file.readline()
