"""``mmlens history``: a contact sheet and an animation of what mmlens's hooks drew of a picture during a training."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ...errors import PictureError, count
from ...files import UniqueNames, write_atomically, write_picture
from ..arguments import Parser, parse, positive
from ..guard import DONE, guarded, report_failures
from ..outputs import DEFAULT_FOLDER, check_writable

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from PIL import Image

FORMATS = ('sheet', 'gif')
MOST_FRAMES = 200  # of an animation: 80 seconds, unless asked otherwise
# What the hooks call their files: mmlens.engine.timing.Timing.file_name.
_FILE = re.compile(r'(epoch|iter)_(\d+)\.png')
_LAST_STAYS = 4  # times as long as the other frames


@dataclass
class History:
    """What was drawn of one picture.

    Attributes:
        name: ``boxam_000005``: what the drawings are of, and the picture.
        picture: ``000005``.
        unit: ``'epoch'`` or ``'iter'``.
        files: By the number of epochs (iterations) that were done, in order.
    """

    name: str
    picture: str
    unit: str
    files: List[Tuple[int, Path]]

    def titles(self) -> List[str]:
        """A title for each drawing."""
        word = 'epoch' if self.unit == 'epoch' else 'iteration'
        return [f'{word} {step}' for step, _ in self.files]

    def spread(self, most: int) -> History:
        """At most so many of the drawings, evenly spread: the last, and if they are two or more the first."""
        last = len(self.files) - 1
        if last < most:
            return self
        places = {last, *(round(place * last / (most - 1)) for place in range(most - 1))}
        return replace(self, files=[self.files[place] for place in sorted(places)])


def build_parser() -> Parser:
    """Build the parser of ``mmlens history``."""
    parser = Parser(
        prog='mmlens history',
        description='Show how what a model looks at changed during its training: a contact sheet and an animation of '
        "each picture that mmlens's hooks drew.",
    )
    parser.add_argument('folder', metavar='DIR', help='out_dir of the hooks (<work_dir>/mmlens), or a folder in it')
    parser.add_argument(
        '--pictures', nargs='+', metavar='NAME', help='only these: 000005, or boxam_000005 (default: all there are)'
    )
    parser.add_argument(
        '--format', nargs='+', choices=FORMATS, default=list(FORMATS), help='what is made of each (default: both)'
    )
    parser.add_argument(
        '--most', type=positive, default=12, metavar='N', help='drawings on a sheet, evenly spread (default: 12)'
    )
    parser.add_argument('--columns', type=positive, metavar='N', help='drawings in a row of the sheet')
    parser.add_argument(
        '--milliseconds',
        type=positive,
        default=400,
        metavar='N',
        help=f'how long the animation shows each, {MOST_FRAMES} of them at most, evenly spread (default: 400)',
    )
    parser.add_argument(
        '--out-dir', default=DEFAULT_FOLDER, metavar='DIR', help=f'folder for the results (default: {DEFAULT_FOLDER})'
    )
    return parser


def find_histories(folder: Path, wanted: Optional[Sequence[str]] = None) -> List[History]:
    """Find what the hooks drew below a folder.

    Args:
        folder: Any folder above the drawings.
        wanted: Names of pictures or of histories. Defaults to all.

    Raises:
        PictureError: If there is no drawing, or none of a picture that is wanted.
    """
    if not folder.is_dir():
        raise PictureError(f'No folder {folder}: give the out_dir of the hooks, such as work_dirs/my_config/mmlens.')
    found: Dict[Tuple[Path, str], List[Tuple[int, Path]]] = {}
    for path in sorted(folder.resolve().rglob('*.png')):
        match = _FILE.fullmatch(path.name)
        if match:
            found.setdefault((path.parent, match[1]), []).append((int(match[2]), path))
    if not found:
        raise PictureError(
            f"No drawing in {folder}: give the out_dir of mmlens's hooks, where they write epoch_0001.png and so on."
        )
    histories = _named(folder.resolve(), found)
    known = [name for history in histories for name in (history.name, history.picture)]
    missing = [name for name in wanted or () if name not in known]
    if missing:
        names = ', '.join(history.name for history in histories)
        raise PictureError(f"No drawings of '{missing[0]}' in {folder}: there are {names}.")
    return [history for history in histories if not wanted or history.name in wanted or history.picture in wanted]


def _named(root: Path, found: Dict[Tuple[Path, str], List[Tuple[int, Path]]]) -> List[History]:
    """Histories whose names, and so the files made of them, are unlike each other."""
    histories: List[History] = []
    unique = UniqueNames()  # a_b/c and a/b_c
    for (place, unit), files in found.items():
        below = place.relative_to(root).parts
        name = '_'.join(below if len(below) > 1 else place.parts[-2:])
        if {(place, 'epoch'), (place, 'iter')} <= found.keys():
            name = f'{name}_{unit}'
        histories.append(History(unique(name), place.name, unit, sorted(files)))
    return histories


def without_damaged(history: History) -> Tuple[History, List[Path]]:
    """Leave out drawings that cannot be read: the disk was full, the training was killed. Gives these, too."""
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
    """Read what was drawn, one after the other.

    Raises:
        PictureError: If a file is no picture.
    """
    import cv2

    for _, path in history.files:
        drawing = cv2.imread(str(path))
        if drawing is None:
            raise PictureError(f'Cannot read {path}: it is not a picture, or it is damaged.')
        yield drawing


def write_animation(path: Path, frames: Iterable[np.ndarray], milliseconds: Sequence[int]) -> None:
    """Write a GIF that is shown again and again.

    Args:
        path: The file.
        frames: uint8 BGR pictures of one size, at least one.
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
    """256 colours of the frame's own, dithered: heat maps would have steps otherwise."""
    return frame.quantize(palette=frame.quantize(256))


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens history``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    out_dir = Path(args.out_dir)
    check_writable(out_dir)
    histories = find_histories(Path(args.folder), args.pictures)
    damaged: List[Path] = []
    for history in histories:
        sound, left_out = without_damaged(history)
        damaged += left_out
        if sound.files:
            written = _write(sound, args, out_dir)
            names = ', '.join(str(path) for path in written)
            titles = sound.titles()
            print(f'{history.name}: {count(len(titles), "drawing")}, {titles[0]} to {titles[-1]} -> {names}')
    if not damaged:
        return DONE
    failures = [f'Cannot read {path}: it is not a picture, or it is damaged.' for path in damaged]
    return report_failures(failures, sum(len(history.files) for history in histories), 'drawing', 'read')


def _write(history: History, args: argparse.Namespace, out_dir: Path) -> List[Path]:
    """Write what is asked for, and tell the files."""
    from ...rendering.history import animation_frames, draw_contact_sheet

    written = []
    if 'sheet' in args.format:
        chosen = history.spread(args.most)
        written.append(out_dir / f'{history.name}.png')
        write_picture(written[-1], draw_contact_sheet(list(read_drawings(chosen)), chosen.titles(), args.columns))
    if 'gif' in args.format:
        chosen = history.spread(MOST_FRAMES)
        written.append(out_dir / f'{history.name}.gif')
        durations = [args.milliseconds] * (len(chosen.files) - 1) + [args.milliseconds * _LAST_STAYS]
        frames = animation_frames(lambda: read_drawings(chosen), chosen.titles())
        write_animation(written[-1], frames, durations)
    return written
