"""Where each result goes: decided before a model is loaded."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Iterable, List, Optional, Tuple

from ..errors import OutputError
from ..files import UniqueNames, check_name, fitting_name
from .sources import PICTURES, Source

DEFAULT_FOLDER = './output'

# Endings that results can have: .pgm has no colours.
RESULTS = tuple(ending for ending in PICTURES if ending != '.pgm')


def folder_of_results(out_dir: Optional[str], out_file: Optional[str]) -> Path:
    """The folder that results are written to."""
    return Path(out_file).parent if out_file else Path(out_dir or DEFAULT_FOLDER)


def plan_outputs(
    sources: List[Source],
    out_dir: Optional[str] = None,
    out_file: Optional[str] = None,
    show: bool = False,
    option: str = '--out-file',
) -> List[Optional[Path]]:
    """Decide where the result of each source goes.

    Args:
        sources: The pictures and videos.
        out_dir: Folder for the results. Defaults to ``./output``.
        out_file: File for the only result. Defaults to ``None``.
        show: Whether results are shown, and so written only if ``out_dir`` or ``out_file`` is given.
        option: The command's option for ``out_file``. Defaults to ``'--out-file'``.

    Returns:
        One path per source, no two with the same stem (``a.jpg`` and ``a.png`` would share ``a.npz``); or
        ``None`` for each if nothing is to be written.

    Raises:
        OutputError: If a place cannot be written to, is that of a source, or does not suit its source.
    """
    if out_dir and out_file:
        raise OutputError(f'--out-dir and {option} exclude each other; give only one of them.')
    if show and not out_dir and not out_file:
        return [None] * len(sources)
    folder = folder_of_results(out_dir, out_file)
    check_writable(folder)
    places = [_checked_file(sources, Path(out_file), option)] if out_file else _names(sources, folder)
    inputs = Inputs(source.path for source in sources)
    for place in places:
        check_name(place)
        inputs.check_kept(place)
    return list(places)


def check_writable(folder: Path) -> None:
    """Check that files can be written to a folder that may not exist yet, without creating it.

    Raises:
        OutputError: If not.
    """
    check_name(folder)
    known = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.exists(path))
    if not known.is_dir():
        raise OutputError(f'Cannot write to {folder}: {known} is a file, not a folder. Choose another output folder.')
    if not os.access(str(known), os.W_OK | os.X_OK):
        raise OutputError(f'Cannot write to {folder}: no permission to write to {known}. Choose another output folder.')


class Inputs:
    """The pictures that a run reads, none of which it may write over.

    They are known by what they are on the disk: by links, other spellings of their paths, or other cases on a file
    system to which these are the same.

    Args:
        paths: The pictures; some may not exist.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._known = {key: path for path in paths for key in _identities(path)}

    def check_kept(self, place: Path) -> None:
        """Check that a result would not replace one of them.

        Raises:
            OutputError: If it would.
        """
        for key in _identities(place):
            if key in self._known:
                raise OutputError(f'A result would overwrite the picture {self._known[key]}; choose another place.')


def _identities(path: Path) -> List[Tuple[Any, ...]]:
    found: List[Tuple[Any, ...]] = []
    with contextlib.suppress(OSError, ValueError):  # a name that no file can have
        found.append((os.path.realpath(path),))
        status = os.stat(path)
        found.append((status.st_dev, status.st_ino))
    return found


def result_ending(name: str) -> str:
    """Extension of the result for a picture of this name: the same, or ``.png`` where results cannot have it."""
    ending = os.path.splitext(name)[1]
    return ending if ending.lower() in RESULTS else '.png'


def _checked_file(sources: List[Source], file: Path, option: str) -> Path:
    if len(sources) > 1:
        raise OutputError(f'{option} takes a single picture, but there are {len(sources)}; use --out-dir.')
    endings = ('.mp4',) if sources[0].is_video else RESULTS
    if file.suffix.lower() not in endings:
        raise OutputError(f'{option} {file}: the name must end with {" or ".join(endings)}.')
    if os.path.isdir(file):
        raise OutputError(f'{option} {file} is a folder; use --out-dir.')
    return file


def _names(sources: List[Source], folder: Path) -> List[Path]:
    unique = UniqueNames()
    places = []
    for source in sources:
        ending = '.mp4' if source.is_video else result_ending(source.name)
        name = fitting_name(os.path.splitext(source.name)[0], ending)
        places.append(folder / f'{unique(name)}{ending}')
    return places
