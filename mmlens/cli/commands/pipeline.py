"""``mmlens pipeline``: draws what each transform of a data pipeline does to the samples of a dataset."""

from __future__ import annotations

import argparse
import os
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional

from ...choices import MODES, PHASES
from ...errors import MmlensError, PictureError, count
from ...files import UniqueNames, fitting_name, write_picture
from ..arguments import Parser, add_cfg_options, add_index, parse, positive, read_cfg_options, window_size
from ..guard import DONE, guarded, quiet, report_failures, say, tell
from ..index import Index
from ..outputs import DEFAULT_FOLDER, Inputs, check_writable, result_ending
from ..progress import progress_bar
from ..reading import add_window, window_of
from ..window import check_display, show_picture

if TYPE_CHECKING:
    from ...results.samples import SampleSteps
    from ...samples import Samples

# More sentences than this say nothing new: usually the pictures' folder is missing.
_MOST_FAILURES_TOLD = 10
# Pixels. A sheet may hold dozens of pictures of this size.
_LONGEST_EDGE = 4096


EXAMPLES = (
    ('mmlens pipeline config.py --number 8 --mode pipeline', 'eight training samples, a picture a transform'),
    ('mmlens pipeline config.py --phase val --shuffle --number 8', 'eight validation samples, drawn at random'),
    ('mmlens pipeline config.py --phase tta --number 1', 'all views of a sample that test-time augmentation makes'),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens pipeline``: MMClassification's options with their meanings, and more."""
    parser = Parser(
        prog='mmlens pipeline',
        parameters={'skip_types': 'skip_type', 'size': 'window_size'},
        description='Draw what each transform of a data pipeline does to the samples of a dataset: pictures, boxes, '
        'labels and masks.',
        examples=EXAMPLES,
    )
    parser.add_argument(
        'config', help='config file, or the name of one of an installed package: rtmdet_tiny_8xb32-300e_coco'
    )
    add_cfg_options(parser)
    _add_samples(parser)
    _add_drawing(parser)
    _add_results(parser)
    return parser


def _add_samples(parser: Parser) -> None:
    group = parser.add_argument_group('samples')
    group.add_argument(
        '--phase',
        '-p',
        choices=PHASES,
        default='train',
        help='which dataset; tta: the test set through tta_pipeline (default: train)',
    )
    group.add_argument(
        '--number', '--show-number', '-n', type=positive, metavar='N', help='number of samples (default: all)'
    )
    group.add_argument('--shuffle', action='store_true', help='pick samples at random instead of from the start')
    group.add_argument(
        '--seed',
        type=_seed,
        help='seed for everything random; the same seed draws the same pictures (default: random)',
    )
    group.add_argument(
        '--skip-type', nargs='*', default=[], metavar='TRANSFORM', help='transforms to leave out (default: none)'
    )


def _add_drawing(parser: Parser) -> None:
    group = parser.add_argument_group('drawing')
    group.add_argument(
        '--mode',
        '-m',
        choices=MODES,
        default='concat',
        help='the picture as loaded, after the last transform, both, or after each transform (default: concat)',
    )
    group.add_argument(
        '--adaptive',
        action='store_true',
        help='scale each picture to fit the edge lengths below; small ones are enlarged',
    )
    group.add_argument(
        '--min-edge-length', type=_edge_length, default=200, metavar='PIXELS', help='with --adaptive (default: 200)'
    )
    group.add_argument(
        '--max-edge-length', type=_edge_length, default=1000, metavar='PIXELS', help='with --adaptive (default: 1000)'
    )
    add_window(group, 'what the transforms see stays as it is')
    group.add_argument('--bgr2rgb', action='store_true', help='swap the red and blue channels of what is drawn')


def _add_results(parser: Parser) -> None:
    group = parser.group('results')
    group.add_argument(
        '--output-dir', '--out-dir', '-o', metavar='DIR', help=f'folder for the results (default: {DEFAULT_FOLDER})'
    )
    group.add_argument(
        '--show', action='store_true', help='show the results in a window; files are written only with --output-dir'
    )
    group.add_argument(
        '--window-size',
        type=window_size,
        default=(12, 7),
        metavar='W*H',
        help='size of the window in inches (default: 12*7)',
    )
    add_index(parser)


def _edge_length(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST_EDGE:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of pixels from 1 to {_LONGEST_EDGE}')
    return int(text)


def _seed(text: str) -> int:
    if not re.fullmatch(r'\d{1,9}', text):
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number from 0 to 999999999')
    return int(text)


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens pipeline``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    from ...rendering import check_size

    check_size(args.window_size)
    if args.min_edge_length > args.max_edge_length:
        raise MmlensError(
            f'--min-edge-length {args.min_edge_length} is above --max-edge-length {args.max_edge_length}.'
        )
    folder = None if args.show and not args.output_dir else Path(args.output_dir or DEFAULT_FOLDER)
    if folder:
        check_writable(folder)
    if args.show:
        check_display()
    seed = random.randrange(10**9) if args.seed is None else args.seed
    return _Browser(args, _load(args, seed), folder).run()


def _load(args: argparse.Namespace, seed: int) -> Samples:
    with quiet():
        from ...samples import Samples

        samples = Samples(
            args.config,
            args.phase,
            cfg_options=read_cfg_options(args.cfg_options),
            skip_types=args.skip_type,
            seed=seed,
            window=window_of(args),
        )
    if samples.unknown_types:
        say('warning', f'--skip-type: the {args.phase} pipeline has no {" or ".join(samples.unknown_types)}.')
    if args.seed is None:
        print(f'--seed {seed} draws these pictures again')
    return samples


class _Browser:
    """Goes through the samples: draws, writes and shows each, and says what became of it."""

    def __init__(self, args: argparse.Namespace, samples: Samples, folder: Optional[Path]) -> None:
        self._args = args
        self._samples = samples
        self._folder = folder
        self._index = Index(None if args.no_index else folder, 'mmlens pipeline')
        self._unique = UniqueNames()  # samples are repeated, and folders hold files of the same name
        self._inputs: Optional[Inputs] = None

    def run(self) -> int:
        """Work through the samples, past those that fail.

        Returns:
            The exit status.
        """
        order = self._samples.order(self._args.number, self._args.shuffle)
        failures: List[str] = []
        finished = 0
        try:
            with progress_bar(len(order)) as bar, self._index:
                task = bar.add_task(self._args.phase, total=len(order))
                for index in order:
                    try:
                        self._one(index)
                    except PictureError as error:
                        failures.append(str(error))
                    finished += 1
                    bar.advance(task)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f'{finished - len(failures)} of {len(order)} samples were done.') from None
        return report_failures(failures, len(order), 'sample', most=_MOST_FAILURES_TOLD) if failures else DONE

    def _one(self, index: int) -> None:
        args = self._args
        with quiet():  # datasets and transforms print too
            sample = self._samples.record(index)
        edges = (args.min_edge_length, args.max_edge_length) if args.adaptive else None
        drawn = sample.draw(args.mode, edges, args.bgr2rgb)
        place = self._place(sample)
        if place:
            write_picture(place, drawn)
            self._index.add(place, drawn, _summary(sample))
        name = sample.path or f'sample {index}'
        print(f'{name}: {_summary(sample)}' + (f' -> {place}' if place else ''))
        for note in sample.notes:
            tell(f'  {note}')
        if args.show:
            show_picture(drawn, Path(name).name, size=args.window_size)

    def _place(self, sample: SampleSteps) -> Optional[Path]:
        """Where the drawing goes: named after the picture, and unique."""
        if self._folder is None:
            return None
        source = Path(sample.path or f'{sample.index}.png')
        ending = result_ending(source.name)
        place = self._folder / f'{self._unique(fitting_name(source.stem, ending))}{ending}'
        if os.path.exists(place):
            if self._inputs is None:  # asking a large dataset for all of its pictures takes a while
                self._inputs = Inputs(Path(path) for path in self._samples.paths())
            self._inputs.check_kept(place)
        return place


def _summary(sample: SampleSteps) -> str:
    views = sample.transformed.views
    sizes = ' and '.join(dict.fromkeys(' x '.join(map(str, view.shape)) for view in views))
    shape = f'{count(len(views), "view")} of {sizes}' if len(views) > 1 else sizes
    parts = [count(len(sample.steps), 'step'), shape, *_boxes([len(view.boxes) for view in views])]
    return ', '.join([*parts, *(sample.name_of(label) for label in views[0].classes)])


def _boxes(numbers: List[int]) -> List[str]:
    """How many boxes there are: in each view, if all have the same."""
    if not any(numbers):
        return []
    if len(numbers) > 1 and len(set(numbers)) == 1:
        return [f'{count(numbers[0], "box")} each']
    return [count(sum(numbers), 'box')]
