"""``mmlens history``: a contact sheet and an animation of what mmlens's hooks drew of a picture during a training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import List, Optional

from ...errors import count
from ...histories import MOST_FRAMES, History, find_histories, without_damaged, write_animation, write_sheet
from ..arguments import Parser, parse, positive
from ..guard import DONE, guarded, report_failures
from ..outputs import DEFAULT_FOLDER, check_writable

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
    out_dir = Path(args.out_dir)
    check_writable(out_dir)
    histories = find_histories(Path(args.folder), args.pictures)
    damaged: List[Path] = []
    for history in histories:
        sound, left_out = without_damaged(history)
        damaged += left_out
        if sound.files:
            names = ', '.join(str(path) for path in _write(sound, args, out_dir))
            titles = sound.titles()
            print(f'{history.name}: {count(len(titles), "drawing")}, {titles[0]} to {titles[-1]} -> {names}')
    if not damaged:
        return DONE
    failures = [f'Cannot read {path}: it is not a picture, or it is damaged.' for path in damaged]
    return report_failures(failures, sum(len(history.files) for history in histories), 'drawing', 'read')


def _write(history: History, args: argparse.Namespace, out_dir: Path) -> List[Path]:
    """Write the formats that were asked for; returns the files."""
    written = []
    if 'sheet' in args.format:
        written.append(out_dir / f'{history.name}.png')
        write_sheet(written[-1], history.spread(args.most), args.columns)
    if 'gif' in args.format:
        written.append(out_dir / f'{history.name}.gif')
        write_animation(written[-1], history, args.milliseconds)
    return written
