"""What the hooks drew of each picture over a training, read back: contact sheets and animations."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from .errors import PictureError, count
from .files import UniqueNames, write_atomically, write_picture
from .results.explanation import Shown

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from .rendering import Drawing

MOST_FRAMES = 200  # of an animation: 80 seconds at 400 milliseconds a frame
# What the hooks call their files: mmlens.engine.timing.Timing.file_name.
_FILE = re.compile(r'(epoch|iter)_(\d+)\.png')
_LAST_STAYS = 4  # times as long as the other frames
LONGEST = 65535 * 10 // _LAST_STAYS  # milliseconds: GIF counts in hundredths of a second, with 16 bits

Files = List[Tuple[int, Path]]


@dataclass(repr=False)
class History(Shown):
    """The drawings of one picture; a notebook shows them side by side.

    Attributes:
        name: ``boxam_000005``: the kind of drawing, and the picture.
        picture: ``000005``.
        unit: ``'epoch'`` or ``'iter'``.
        files: Number of epochs (iterations) done, and the drawing made then; in order.
    """

    name: str
    picture: str
    unit: str
    files: Files

    def __repr__(self) -> str:
        titles = self.titles()
        return f'<History {self.name}: {count(len(titles), "drawing")}, {titles[0]} to {titles[-1]}>'

    def drawing(self, most: int = 12, columns: Optional[int] = None) -> Drawing:  # type: ignore[override]
        """Draw a contact sheet.

        Args:
            most: How many drawings are shown, evenly spaced.
            columns: Drawings in a row. Defaults to as many as make the sheet roughly landscape.

        Raises:
            PictureError: If a drawing cannot be read.
        """
        from .rendering import Drawing
        from .rendering.history import draw_contact_sheet

        shown = self.spread(most)
        return Drawing(draw_contact_sheet(list(read_drawings(shown)), shown.titles(), columns))

    def titles(self) -> List[str]:
        """A title for each drawing."""
        word = 'epoch' if self.unit == 'epoch' else 'iteration'
        return [f'{word} {step}' for step, _ in self.files]

    def spread(self, most: int) -> History:
        """At most this many of the drawings, evenly spaced; always the last, and of two or more the first."""
        last = len(self.files) - 1
        if last < most:
            return self
        places = {last, *(round(place * last / (most - 1)) for place in range(most - 1))}
        return replace(self, files=[self.files[place] for place in sorted(places)])


def find_histories(folder: Union[str, Path], wanted: Optional[Sequence[str]] = None) -> List[History]:
    """Find what the hooks drew below a folder.

    Args:
        folder: Any folder above the drawings.
        wanted: Names of pictures or of histories. Defaults to all.

    Raises:
        PictureError: If there is no drawing, or none of a picture that is wanted.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise PictureError(f'No folder {folder}: give the out_dir of the hooks, such as work_dirs/my_config/mmlens.')
    found: Dict[Tuple[Path, str], Files] = {}
    for path in sorted(folder.resolve().rglob('*.png')):
        match = _FILE.fullmatch(path.name)
        if match:
            found.setdefault((path.parent, match[1]), []).append((int(match[2]), path))
    if not found:
        raise PictureError(
            f"No drawing in {folder}: give the out_dir of mmlens's hooks, where they write epoch_0001.png and so on."
        )
    histories = _named(folder.resolve(), found)
    known = {name for history in histories for name in (history.name, history.picture)}
    missing = [name for name in wanted or () if name not in known]
    if missing:
        names = ', '.join(history.name for history in histories)
        raise PictureError(f"No drawings of '{missing[0]}' in {folder}: there are {names}.")
    return [history for history in histories if not wanted or history.name in wanted or history.picture in wanted]


def _named(root: Path, found: Dict[Tuple[Path, str], Files]) -> List[History]:
    """Histories with unique names, because files are named after them."""
    unique = UniqueNames()  # a_b/c and a/b_c
    histories: List[History] = []
    for (place, unit), files in found.items():
        below = place.relative_to(root).parts
        name = '_'.join(below if len(below) > 1 else place.parts[-2:])
        if {(place, 'epoch'), (place, 'iter')} <= found.keys():
            name = f'{name}_{unit}'
        histories.append(History(unique(name), place.name, unit, sorted(files)))
    return histories


def without_damaged(history: History) -> Tuple[History, List[Path]]:
    """Leave out drawings that cannot be read: the disk was full, or the training was killed.

    Returns:
        The history of the sound drawings, and the damaged files.
    """
    from PIL import Image

    sound, damaged = [], []
    for step, path in history.files:
        try:
            with Image.open(path) as file:
                file.verify()
            sound.append((step, path))
        except Exception:  # Pillow raises whatever it likes on a damaged file
            damaged.append(path)
    return replace(history, files=sound), damaged


def read_drawings(history: History) -> Iterator[np.ndarray]:
    """Read the drawings one after the other.

    Yields:
        Pictures of shape (H, W, 3), uint8, BGR.

    Raises:
        PictureError: If a file is not a picture.
    """
    import cv2

    for _, path in history.files:
        drawing = cv2.imread(str(path))
        if drawing is None:
            raise PictureError(f'Cannot read {path}: it is not a picture, or it is damaged.')
        yield drawing


def write_sheet(path: Path, history: History, columns: Optional[int] = None) -> None:
    """Write a contact sheet of a history.

    Args:
        path: The file; its extension sets the format.
        history: At least one drawing; all of them are shown.
        columns: Drawings in a row. Defaults to as many as make the sheet roughly landscape.

    Raises:
        OutputError: If it cannot be written.
        PictureError: If a drawing cannot be read.
    """
    write_picture(path, history.draw(len(history.files), columns))


def write_animation(path: Path, history: History, milliseconds: int) -> None:
    """Write a history as a GIF that loops.

    Args:
        path: The file.
        history: At least one drawing; :data:`MOST_FRAMES` at most are shown, evenly spaced.
        milliseconds: How long each is shown. The last one stays longer.

    Raises:
        OutputError: If it cannot be written.
        PictureError: If a drawing cannot be read.
    """
    from .rendering.history import animation_frames

    shown = history.spread(MOST_FRAMES)
    durations = [milliseconds] * (len(shown.files) - 1) + [milliseconds * _LAST_STAYS]
    write_gif(path, animation_frames(lambda: read_drawings(shown), shown.titles()), durations)


def write_gif(path: Path, frames: Iterable[np.ndarray], milliseconds: Sequence[int]) -> None:
    """Write a GIF that loops.

    Args:
        path: The file.
        frames: uint8 BGR pictures of one size, at least one. They are not held together in memory.
        milliseconds: How long each is shown.

    Raises:
        OutputError: If it cannot be written.
    """
    import numpy as np
    from PIL import Image

    pictures = (_with_palette(Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))) for frame in frames)
    with write_atomically(path) as temporary:
        next(pictures).save(
            temporary, format='GIF', save_all=True, append_images=pictures, duration=list(milliseconds), loop=0
        )


def _with_palette(frame: Image.Image) -> Image.Image:
    """Reduce a frame to 256 colours of its own, dithered: heat maps would show steps otherwise."""
    return frame.quantize(palette=frame.quantize(256))
