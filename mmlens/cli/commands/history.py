"""``mmlens history``: a contact sheet and an animation of what mmlens's hooks drew of a picture during a training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional

from ...errors import count
from ..arguments import Parser, add_index, parse, positive, positive_to
from ..guard import DONE, guarded, report_failures
from ..index import Index
from ..outputs import DEFAULT_FOLDER, Inputs, check_writable

if TYPE_CHECKING:
    from ...histories import History

FORMATS = ('sheet', 'gif')
# Those of mmlens/histories.py, which draws: a test compares.
MOST_FRAMES = 200
LONGEST = 163837  # milliseconds

EXAMPLES = (
    ('mmlens history work_dirs/shapes/mmlens', 'a sheet and an animation of each picture'),
    (
        'mmlens history work_dirs/shapes/mmlens --pictures 000005 --format gif --milliseconds 200',
        'one picture, as a quick animation',
    ),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens history``."""
    parser = Parser(
        prog='mmlens history',
        description='Show how what a model looks at changed during its training: a contact sheet and an animation of '
        "each picture that mmlens's hooks drew.",
        examples=EXAMPLES,
    )
    parser.add_argument('folder', metavar='DIR', help='out_dir of the hooks (<work_dir>/mmlens), or a folder in it')
    group = parser.group('drawing')
    group.add_argument(
        '--pictures', nargs='+', metavar='NAME', help='only these: 000005, or boxam_000005 (default: all)'
    )
    group.add_argument(
        '--format', nargs='+', choices=FORMATS, default=list(FORMATS), help='what to make of each (default: both)'
    )
    group.add_argument(
        '--most',
        type=positive,
        default=12,
        metavar='N',
        help='drawings on a sheet at most, evenly spaced over the training (default: 12)',
    )
    group.add_argument('--columns', type=positive, metavar='N', help='drawings in a row of the sheet')
    group.add_argument(
        '--milliseconds',
        type=positive_to(LONGEST),
        default=400,
        metavar='N',
        help=f'how long the animation shows each drawing (default: 400); it has at most {MOST_FRAMES}, evenly spaced',
    )
    parser.group('results').add_argument(
        '--out-dir', default=DEFAULT_FOLDER, metavar='DIR', help=f'folder for the results (default: {DEFAULT_FOLDER})'
    )
    add_index(parser)
    return parser


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens history``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    from ...histories import find_histories, read_drawings, without_damaged

    check_writable(Path(args.out_dir))
    histories = find_histories(Path(args.folder), args.pictures)
    inputs = Inputs(path for history in histories for _, path in history.files)
    for history in histories:
        for place in _places(history, args):
            inputs.check_kept(place)
    damaged: List[Path] = []
    several = len(histories) > 1 and not args.no_index
    with Index(Path(args.out_dir) if several else None, 'mmlens history') as index:
        for history in histories:
            sound, left_out = without_damaged(history)
            damaged += left_out
            if sound.files:
                places, titles = _write(sound, args), sound.titles()
                words = f'{count(len(titles), "drawing")}, {titles[0]} to {titles[-1]}'
                print(f'{history.name}: {words} -> {", ".join(map(str, places))}')
                last = next(read_drawings(sound.spread(1)))
                for place in places:
                    index.add(place, last, words)
    if not damaged:
        return DONE
    failures = [f'Cannot read {path}: it is not a picture, or it is damaged.' for path in damaged]
    return report_failures(failures, sum(len(history.files) for history in histories), 'drawing', 'read')


def _places(history: History, args: argparse.Namespace) -> List[Path]:
    """The files that are made of a history, in the order of :data:`FORMATS`."""
    endings = {'sheet': '.png', 'gif': '.gif'}
    return [Path(args.out_dir) / f'{history.name}{endings[each]}' for each in FORMATS if each in args.format]


def _write(history: History, args: argparse.Namespace) -> List[Path]:
    """Write the formats that were asked for; returns the files."""
    from ...histories import write_animation, write_sheet

    places = _places(history, args)
    for place in places:
        if place.suffix == '.png':
            write_sheet(place, history.spread(args.most), args.columns)
        else:
            write_animation(place, history, args.milliseconds)
    return places
