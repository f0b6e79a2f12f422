"""``mmlens history``: a contact sheet and an animation of what mmlens's hooks drew of a picture during a training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import List, Optional

from ...errors import count
from ...histories import MOST_FRAMES, History, find_histories, without_damaged, write_animation, write_sheet
from ..arguments import Parser, parse, positive
from ..guard import DONE, guarded, report_failures
from ..outputs import DEFAULT_FOLDER, Inputs, check_writable

FORMATS = ('sheet', 'gif')


def build_parser() -> Parser:
    """Build the parser of ``mmlens history``."""
    parser = Parser(
        prog='mmlens history',
        description='Show how what a model looks at changed during its training: a contact sheet and an animation of '
        "each picture that mmlens's hooks drew.",
    )
    parser.add_argument('folder', metavar='DIR', help='out_dir of the hooks (<work_dir>/mmlens), or a folder in it')
    parser.add_argument(
        '--pictures', nargs='+', metavar='NAME', help='only these: 000005, or boxam_000005 (default: all)'
    )
    parser.add_argument(
        '--format', nargs='+', choices=FORMATS, default=list(FORMATS), help='what to make of each (default: both)'
    )
    parser.add_argument(
        '--most',
        type=positive,
        default=12,
        metavar='N',
        help='drawings on a sheet at most, evenly spaced over the training (default: 12)',
    )
    parser.add_argument('--columns', type=positive, metavar='N', help='drawings in a row of the sheet')
    parser.add_argument(
        '--milliseconds',
        type=positive,
        default=400,
        metavar='N',
        help=f'how long the animation shows each drawing (default: 400); it has at most {MOST_FRAMES}, evenly spaced',
    )
    parser.add_argument(
        '--out-dir', default=DEFAULT_FOLDER, metavar='DIR', help=f'folder for the results (default: {DEFAULT_FOLDER})'
    )
    return parser


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens history``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    check_writable(Path(args.out_dir))
    histories = find_histories(Path(args.folder), args.pictures)
    inputs = Inputs(path for history in histories for _, path in history.files)
    for history in histories:
        for place in _places(history, args):
            inputs.check_kept(place)
    damaged: List[Path] = []
    for history in histories:
        sound, left_out = without_damaged(history)
        damaged += left_out
        if sound.files:
            names = ', '.join(str(path) for path in _write(sound, args))
            titles = sound.titles()
            print(f'{history.name}: {count(len(titles), "drawing")}, {titles[0]} to {titles[-1]} -> {names}')
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
    places = _places(history, args)
    for place in places:
        if place.suffix == '.png':
            write_sheet(place, history.spread(args.most), args.columns)
        else:
            write_animation(place, history, args.milliseconds)
    return places
