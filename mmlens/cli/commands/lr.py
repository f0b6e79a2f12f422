"""``mmlens lr``: draws the learning rate, momentum or weight decay over a training run."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ...choices import PARAMS
from ...errors import OutputError
from ...files import check_name, write_atomically, write_picture
from ..arguments import Parser, add_cfg_options, parse, positive, read_cfg_options, window_size
from ..guard import DONE, guarded, quiet, tell
from ..outputs import DEFAULT_FOLDER, check_writable
from ..window import check_display, show_picture

if TYPE_CHECKING:
    from ...schedules import Schedule

PIXELS, VECTORS = ('.png', '.jpg', '.jpeg'), ('.pdf', '.svg')


EXAMPLES = (
    (
        'mmlens lr rtmdet_tiny_8xb32-300e_coco --dataset-size 118287',
        'a config of an installed package, without its data set',
    ),
    ('mmlens lr config.py --param momentum --save-path momentum.pdf', 'momentum instead, as a figure for print'),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens lr``: the options of MMPretrain's tool with their meanings, and more."""
    parser = Parser(
        prog='mmlens lr',
        parameters={'size': 'window_size'},
        description="Draw the learning rate, momentum or weight decay over a training run, as the config's own "
        'schedulers and hooks set it. Nothing is trained, and no weights are created or loaded.',
        examples=EXAMPLES,
    )
    parser.add_argument(
        'config', help='config file, or the name of one of an installed package: rtmdet_tiny_8xb32-300e_coco'
    )
    add_cfg_options(parser)
    _add_training(parser)
    _add_figure(parser)
    _add_results(parser)
    return parser


def _add_training(parser: Parser) -> None:
    group = parser.add_argument_group('the training')
    group.add_argument(
        '--param',
        '--parameter',
        '-p',
        type=_param,
        default='lr',
        metavar=f'{{{",".join(PARAMS)}}}',
        help='what to draw (default: lr); wd is short for weight_decay, and the momentum of Adam is its first beta',
    )
    group.add_argument(
        '--dataset-size',
        '-d',
        type=positive,
        metavar='N',
        help='number of training pictures (default: build the training set, which reads its annotations)',
    )
    group.add_argument(
        '--ngpus', '-n', type=positive, default=1, metavar='N', help='number of GPUs to train on (default: 1)'
    )


def _add_figure(parser: Parser) -> None:
    group = parser.add_argument_group('the figure')
    group.add_argument(
        '--by',
        choices=('epoch', 'iter'),
        help="unit of the x axis and of the table's rows (default: the one that the config's training counts in)",
    )
    group.add_argument('--title', help='title of the figure (default: the name of the config, and what is drawn)')
    group.add_argument('--style', default='whitegrid', help='a matplotlib or seaborn style (default: whitegrid)')
    group.add_argument(
        '--window-size',
        type=window_size,
        default=(12, 7),
        metavar='W*H',
        help='size of the figure in inches (default: 12*7)',
    )


def _add_results(parser: Parser) -> None:
    group = parser.add_argument_group('results')
    group.add_argument(
        '--save-path',
        '-s',
        metavar='FILE',
        help=f'file for the figure ({", ".join(PIXELS + VECTORS)}); the table (.csv) is written next to it '
        f'(default: {DEFAULT_FOLDER}/<config>_<param>.png)',
    )
    group.add_argument(
        '--show', action='store_true', help='show the figure in a window; files are written only with --save-path'
    )
    group.add_argument(
        '--not-show',
        action='store_true',
        help='accepted for compatibility with MMPretrain: without --show there is no window anyway',
    )


def _param(text: str) -> str:
    param = {'wd': 'weight_decay'}.get(text, text)
    if param not in PARAMS:
        raise argparse.ArgumentTypeError(f'{text!r} is not one of {", ".join(PARAMS)}')
    return param


def plan_figure(save_path: Optional[str], config: str, param: str, show: bool) -> Optional[Path]:
    """Decide where the figure goes.

    Args:
        save_path: Value of ``--save-path``.
        config: The config's name.
        param: What is drawn.
        show: Whether it is shown, and so written only if there is a path.

    Returns:
        The file; ``None`` if nothing is to be written.

    Raises:
        OutputError: If the file cannot be written, or its format is unknown.
    """
    if save_path is None and show:
        return None
    path = Path(save_path) if save_path else Path(DEFAULT_FOLDER) / f'{name_of(config)}_{param}.png'
    if path.suffix.lower() not in PIXELS + VECTORS:
        raise OutputError(f'--save-path {path}: the name must end with {" or ".join(PIXELS + VECTORS)}.')
    if os.path.isdir(path):
        raise OutputError(f'--save-path {path} is a folder; give a file.')
    check_writable(path.parent)
    check_name(path)
    return path


def name_of(config: str) -> str:
    """The name of a config without its package, folders and extension."""
    return Path(config.split('::')[-1]).stem


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens lr``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    from ...rendering import check_size, check_style

    check_size(args.window_size)
    check_style(args.style)
    path = plan_figure(args.save_path, args.config, args.param, args.show)
    if args.show:
        check_display()
    schedule = _rehearse(args)
    by = args.by or ('epoch' if schedule.by_epoch else 'iter')
    if path:
        _write(path, schedule, by, args)
    _tell(args, schedule, by, path)
    if args.show:
        from ...rendering import draw_curves

        show_picture(draw_curves(**_figure(schedule, by, args)), '', size=args.window_size)
    return DONE


def _rehearse(args: argparse.Namespace) -> Schedule:
    with quiet():
        from ...schedules import rehearse

        return rehearse(
            args.config,
            args.param,
            dataset_size=args.dataset_size,
            ngpus=args.ngpus,
            cfg_options=read_cfg_options(args.cfg_options),
            count_epochs=args.by == 'epoch',
        )


def _write(path: Path, schedule: Schedule, by: str, args: argparse.Namespace) -> None:
    from ...rendering import curve_figure, draw_curves

    options = _figure(schedule, by, args)
    if path.suffix.lower() in PIXELS:
        write_picture(path, draw_curves(**options))
    else:
        from matplotlib import rc_context

        # Without the date, and with the same ids, the same curves are the same bytes.
        undated = {'Date' if path.suffix.lower() == '.svg' else 'CreationDate': None}
        with write_atomically(path) as temporary, rc_context({'svg.hashsalt': 'mmlens'}):
            curve_figure(**options).savefig(temporary, metadata=undated)
    schedule.save(path.with_suffix('.csv'), by)


def _figure(schedule: Schedule, by: str, args: argparse.Namespace) -> Dict[str, Any]:
    """The arguments of :func:`mmlens.rendering.curve_figure`."""
    from ...schedules.figure import figure_options

    options = figure_options(schedule, by, name_of(args.config), args.title)
    return dict(options, style=args.style, size=args.window_size)


def _tell(args: argparse.Namespace, schedule: Schedule, by: str, path: Optional[Path]) -> None:
    from ...schedules.figure import describe, summarise

    places = f' -> {path}, {path.with_suffix(".csv").name}' if path else ''
    print(f'{args.config}: {args.param} over {summarise(schedule)}{places}')
    for curve in schedule.curves:
        print(f'  {describe(curve)}')
    for note in schedule.notes:
        tell(f'note: {note}')
    if path and by == 'iter' and not schedule.every_iteration:
        print(f'note: the table has {len(schedule.iterations):,} of the {schedule.total:,} iterations')
