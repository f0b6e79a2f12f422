"""Where each result goes: decided before a model is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List, Optional

from ..errors import OutputError
from ..files import UniqueNames
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
        OutputError: If a place cannot be written to, is the source itself, or does not suit the source.
    """
    if out_dir and out_file:
        raise OutputError(f'--out-dir and {option} exclude each other; give only one of them.')
    if show and not out_dir and not out_file:
        return [None] * len(sources)
    folder = folder_of_results(out_dir, out_file)
    check_writable(folder)
    places = [_checked_file(sources, Path(out_file), option)] if out_file else _names(sources, folder)
    for source, place in zip(sources, places):
        check_keeps(source.path, place)
    return list(places)


def check_writable(folder: Path) -> None:
    """Check that files can be written to a folder that may not exist yet, without creating it.

    Raises:
        OutputError: If not.
    """
    known = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not known.is_dir():
        raise OutputError(f'Cannot write to {folder}: {known} is a file, not a folder. Choose another output folder.')
    if not os.access(str(known), os.W_OK | os.X_OK):
        raise OutputError(f'Cannot write to {folder}: no permission to write to {known}. Choose another output folder.')


def check_keeps(source: Path, place: Path) -> None:
    """Check that a result does not overwrite the picture it is made from.

    Raises:
        OutputError: If it would.
    """
    if place.exists() and source.exists() and place.samefile(source):
        raise OutputError(f'The result would overwrite the picture {source} itself; choose another place.')


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
    if file.is_dir():
        raise OutputError(f'{option} {file} is a folder; use --out-dir.')
    return file


def _names(sources: List[Source], folder: Path) -> List[Path]:
    unique = UniqueNames()
    places = []
    for source in sources:
        ending = '.mp4' if source.is_video else result_ending(source.name)
        places.append(folder / f'{unique(os.path.splitext(source.name)[0])}{ending}')
    return places
