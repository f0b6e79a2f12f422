"""``mmlens history``: a contact sheet and an animation of what mmlens's hooks drew of a picture during a training."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

from ..errors import PictureError
from ..files import write_atomically
from .arguments import Parser, parse, positive
from .guard import DONE, guarded
from .job import count
from .outputs import DEFAULT_FOLDER, check_writable, write_picture

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

FORMATS = ('sheet', 'gif')
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
        """At most so many of the drawings, evenly spread, the last always among them."""
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
        help='how long the animation shows each (default: 400)',
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
    histories = [_history(folder.resolve(), place, unit, sorted(files)) for (place, unit), files in found.items()]
    known = [name for history in histories for name in (history.name, history.picture)]
    missing = [name for name in wanted or () if name not in known]
    if missing:
        names = ', '.join(history.name for history in histories)
        raise PictureError(f"No drawings of '{missing[0]}' in {folder}: there are {names}.")
    return [history for history in histories if not wanted or history.name in wanted or history.picture in wanted]


def _history(root: Path, place: Path, unit: str, files: List[Tuple[int, Path]]) -> History:
    below = place.relative_to(root).parts
    parts = below if len(below) > 1 else place.parts[-2:]
    return History('_'.join(parts), place.name, unit, files)


def read_drawings(history: History) -> List[np.ndarray]:
    """Read what was drawn.

    Raises:
        PictureError: If a file is no picture.
    """
    import cv2

    drawings = []
    for _, path in history.files:
        drawing = cv2.imread(str(path))
        if drawing is None:
            raise PictureError(f'Cannot read {path}: it is not a picture, or a damaged one.')
        drawings.append(drawing)
    return drawings


def write_animation(path: Path, frames: Sequence[np.ndarray], milliseconds: int) -> None:
    """Write a GIF that is shown again and again, with a rest at its end.

    Args:
        path: The file.
        frames: uint8 BGR pictures of one size.
        milliseconds: How long each is shown.

    Raises:
        OutputError: If it cannot be written.
    """
    import numpy as np
    from PIL import Image

    first, *others = [_with_palette(Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))) for frame in frames]
    durations = [milliseconds] * len(others) + [milliseconds * _LAST_STAYS]
    with write_atomically(path) as temporary:
        first.save(temporary, format='GIF', save_all=True, append_images=others, duration=durations, loop=0)


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
    from ..rendering.history import animation_frames, draw_contact_sheet

    for history in histories:
        written = []
        if 'sheet' in args.format:
            chosen = history.spread(args.most)
            written.append(out_dir / f'{history.name}.png')
            write_picture(written[-1], draw_contact_sheet(read_drawings(chosen), chosen.titles(), args.columns))
        if 'gif' in args.format:
            written.append(out_dir / f'{history.name}.gif')
            frames = animation_frames(read_drawings(history), history.titles())
            write_animation(written[-1], frames, args.milliseconds)
        titles = history.titles()
        names = ', '.join(str(path) for path in written)
        print(f'{history.name}: {count(len(titles), "drawing")}, {titles[0]} to {titles[-1]} -> {names}')
    return DONE
