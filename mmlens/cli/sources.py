"""What ``img`` stands for: the pictures and videos of a file, folder, pattern, list or URL."""

from __future__ import annotations

import glob
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional

from ..downloads import download, file_name, is_address
from ..errors import MmlensWarning, PictureError, count

# The extensions that MMYOLO's scripts look for in a folder.
PICTURES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp')
# Pictures that moving or unusual formats hold: named where a folder has some, for nothing here reads all of them.
NOT_TAKEN = ('.gif', '.apng', '.heic', '.heif', '.avif', '.jp2', '.exr', '.hdr', '.dcm', '.nii', '.npy')
VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm')


@dataclass(frozen=True)
class Source:
    """One picture or video.

    Attributes:
        path: The file.
        name: Name of its result: the file's name, preceded by the folders that distinguish it from
            other sources (``a/1.jpg`` gives ``a_1.jpg``, as in MMYOLO).
    """

    path: Path
    name: str

    @property
    def is_video(self) -> bool:
        """Whether the file's extension is that of a video."""
        return self.path.suffix.lower() in VIDEOS


def find_sources(img: str, downloads: Path, results: Optional[Path] = None) -> List[Source]:
    """Find what ``img`` stands for.

    Args:
        img: A picture or video; a folder, searched with its subfolders for pictures; a glob pattern; a list
            file (``.txt``, one path per line, relative to the list's folder or else to the working folder); or
            an http(s) URL.
        downloads: Folder for downloads.
        results: Where results will go: a folder's pictures below it are left out, so that a second run does
            not explain the drawings of the first. Defaults to ``None``.

    Returns:
        At least one source. Those of a list file keep its order and may not exist, the others are sorted by path.

    Raises:
        PictureError: If nothing was found, or the list or URL cannot be read.
    """
    if is_address(img):
        target = downloads / file_name(img)
        download(img, target, PictureError)
        return [_named(target)]
    path = Path(img)
    if os.path.isdir(path):
        return _of_folder(path, results)
    if os.path.isfile(path):  # pathlib's raises for names that are too long
        return _of_list(path) if path.suffix.lower() == '.txt' else [_named(path)]
    if glob.has_magic(img):
        return _of_pattern(img)
    raise PictureError(f'{img} does not exist; give a picture, a video, a folder, a pattern, a list file or a URL.')


def _named(path: Path) -> Source:
    return Source(path, path.name)


def _of_folder(folder: Path, results: Optional[Path]) -> List[Source]:
    skipped = results.resolve() if results else None
    found: List[Path] = []
    left_out: List[str] = []
    for root, folders, files in os.walk(str(folder)):
        # Hidden files are not the user's pictures: macOS leaves `._1.jpg` next to `1.jpg`.
        folders[:] = [name for name in folders if not name.startswith('.') and (Path(root) / name).resolve() != skipped]
        files = [name for name in files if not name.startswith('.')]
        found += [Path(root) / name for name in files if name.lower().endswith(PICTURES)]
        left_out += [os.path.join(root, name) for name in files if name.lower().endswith(NOT_TAKEN)]
    if left_out:
        warnings.warn(_why_left_out(sorted(left_out)), MmlensWarning, stacklevel=3)
    if not found:
        raise PictureError(f'The folder {folder} has no pictures ({", ".join(PICTURES)}).')
    return _named_from(sorted(found), folder)


def _why_left_out(names: List[str]) -> str:
    told = ', '.join(names[:3]) + (', ...' if len(names) > 3 else '')
    return (
        f'Left out, for they are animated or of a kind that is not read: {told} ({count(len(names), "file")}); save '
        'their frames as PNG, or give one by its name.'
    )


def _of_pattern(pattern: str) -> List[Source]:
    found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    found = [path for path in found if path.suffix.lower() in PICTURES + VIDEOS and os.path.isfile(path)]
    if not found:
        raise PictureError(f'No picture or video matches {pattern}.')
    return _named_from(found)


def _of_list(file: Path) -> List[Source]:
    try:
        # Names of files need not be UTF-8.
        text = file.read_text(encoding='utf-8-sig', errors='surrogateescape')
    except OSError as error:
        raise PictureError(f'The list {file} cannot be read: {error.strerror}.') from error
    if '\0' in text:
        raise PictureError(f'The list {file} cannot be read as text.')
    paths = [Path(line.strip()) for line in text.splitlines() if line.strip()]
    if not paths:
        raise PictureError(f'The list {file} is empty; write the path of one picture on each line.')
    # Joining leaves absolute paths as they are.
    return _named_from([file.parent / path if os.path.exists(file.parent / path) else path for path in paths])


def _named_from(paths: List[Path], root: Optional[Path] = None) -> List[Source]:
    whole = [os.path.abspath(str(path)) for path in paths]
    base = os.path.abspath(str(root)) if root else os.path.commonpath([os.path.dirname(path) for path in whole])
    return [Source(path, os.path.relpath(name, base).replace(os.sep, '_')) for path, name in zip(paths, whole)]
