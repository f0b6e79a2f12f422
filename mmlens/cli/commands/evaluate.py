"""``mmlens evaluate``: measures how true the maps of a detector are, on a test set, beside baselines."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ...choices import LAUNCHERS
from ...errors import MmlensError, count
from ...files import write_picture, write_text
from ..arguments import Parser, add_weights, fraction, key_value, parse, positive, rank
from ..figure_report import report_figures
from ..guard import DONE, FAILED, guarded, quiet
from ..job import load_detector
from ..outputs import check_writable
from ..progress import progress_bar
from ..reporting import Reporting, add_report
from ..sources import find_sources

if TYPE_CHECKING:
    from ...evaluation import Case, CocoFile, Row, Table
    from ...models.detector import Detector

DEFAULT_FOLDER = './output/evaluation'


EXAMPLES = (
    ('mmlens evaluate config.py checkpoint.pth --dry-run', "how long it takes on the config's own test set"),
    (
        'mmlens evaluate config.py checkpoint.pth --ann coco.json --images pictures --methods gradcam --number 50',
        'a method and the baselines, on 50 annotated pictures',
    ),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens evaluate``."""
    parser = Parser(
        prog='mmlens evaluate',
        parameters={'layers': 'target_layers'},
        description='Measure how true the maps of a detector are: every box of every method and baseline, by deletion, '
        'insertion, pointing, energy and more, with 95 % intervals.',
        examples=EXAMPLES,
    )
    add_weights(parser)
    _add_pictures(parser)
    _add_methods(parser)
    _add_run(parser)
    return parser


def _add_pictures(parser: Parser) -> None:
    group = parser.add_argument_group('pictures')
    group.add_argument(
        '--ann', metavar='FILE', help="annotations in COCO's format (default: the config's own test set)"
    )
    group.add_argument(
        '--images', metavar='DIR', help='folder of their pictures; without --ann, of pictures without annotations'
    )
    group.add_argument('--number', type=positive, metavar='N', help='measure on N pictures, drawn at random')
    group.add_argument('--seed', type=rank, default=0, metavar='S', help='which ones (default: 0)')


def _add_methods(parser: Parser) -> None:
    group = parser.add_argument_group('what is compared')
    group.add_argument(
        '--methods',
        nargs='+',
        default=['default'],
        metavar='ROW',
        help='methods, or "NAME: METHOD/LAYERS/FUSION/AGAINST/KEY=VALUE" with layers, classes and options joined by + '
        '(default: the default method)',
    )
    group.add_argument('--target-layers', nargs='+', metavar='LAYER', help='layers of methods that stand alone')
    group.add_argument('--fusion', metavar='FUSION', help='fusion of methods that stand alone')
    group.add_argument('--against', nargs='+', metavar='CLASS', help='contrast of methods that stand alone')
    group.add_argument(
        '--method-options',
        nargs='+',
        type=key_value,
        metavar='KEY=VALUE',
        help='options of methods of many passes that stand alone, such as num_masks=500',
    )
    group.add_argument(
        '--score-thr', type=fraction, default=0.3, metavar='S', help='ignore boxes with a lower score (default: 0.3)'
    )
    group.add_argument(
        '--maps-only', action='store_true', help='leave out deletion and insertion, which take many passes'
    )
    group.add_argument(
        '--sanity',
        action='store_true',
        help='compare each map with that of the network drawn anew from head to neck, which takes two more of each map',
    )


def _add_run(parser: Parser) -> None:
    group = parser.add_argument_group('the run')
    group.add_argument('--batch-size', type=positive, metavar='B', help='altered pictures that run at a time')
    group.add_argument(
        '--out-dir', default=DEFAULT_FOLDER, metavar='DIR', help='folder for the results (default: %(default)s)'
    )
    group.add_argument('--resume', action='store_true', help='go on with what --out-dir holds')
    add_report(parser)
    group.add_argument(
        '--launcher',
        choices=LAUNCHERS,
        default='none',
        help='what started several processes, which share the pictures out: torchrun, slurm or mpi (default: none)',
    )
    group.add_argument('--dry-run', action='store_true', help='tell how many passes it takes, and stop')


def read_annotations(args: argparse.Namespace) -> Optional[CocoFile]:
    """Read the annotation file that was named, before a model is loaded; ``None`` if there is none.

    Raises:
        MmlensError: If it is of other pictures, or its folder was not named.
    """
    if not args.ann:
        return None
    if not args.images:
        raise MmlensError('--ann needs --images, the folder of its pictures.')
    from ...evaluation import CocoFile

    return CocoFile(Path(args.ann), Path(args.images))


def cases_of(args: argparse.Namespace, file: Optional[CocoFile], detector: Detector) -> List[Case]:
    """The pictures to measure on.

    Raises:
        MmlensError: If there are none, or their classes are not the detector's.
    """
    from ...evaluation import bare_case, sample, test_set

    if file is not None:
        cases = file.cases(detector.class_names)
    elif args.images:
        sources = [source for source in find_sources(args.images, Path(args.out_dir)) if not source.is_video]
        cases = [bare_case(source.name, source.path) for source in sources]
    else:
        with quiet():
            cases = test_set(detector.cfg)
    return sample(cases, args.number, args.seed)


def rows_of(args: argparse.Namespace, detector: Detector) -> List[Row]:
    """What is compared: the methods that were asked for, and the baselines."""
    from ...evaluation import baselines, read_options, read_row

    layers, against = (tuple(given) if given else None for given in (args.target_layers, args.against))
    shared = dict(
        layers=layers, fusion=args.fusion, against=against, method_options=read_options(args.method_options or ())
    )
    methods = [read_row(text, **shared) for text in args.methods]
    return methods + baselines(detector)


def load(args: argparse.Namespace) -> Detector:
    """Open the detector that the arguments name."""
    detector = load_detector(args)
    if detector.needs_words:
        raise MmlensError(f'{detector.name} looks for words: `mmlens evaluate` measures detectors of fixed classes.')
    return detector


def tell_cost(detector: Detector, cases: List[Case], rows: List[Row], args: argparse.Namespace) -> None:
    """Print what the run will take, by the first few pictures."""
    from ...evaluation import cost_of

    cost = cost_of(detector, cases, rows, args.score_thr)
    boxes = round(cost['boxes'])
    passes = 0 if args.maps_only else round(cost['passes'])
    each = f', {passes / boxes:.0f} a box' if boxes else ''
    minutes = (passes + cost['own']) * cost['seconds'] / 60
    own = f'at most {cost["own"]:,.0f} passes of methods, ' if cost['own'] else ''
    twice = '; --sanity computes the maps of methods of one pass twice more' if args.sanity else ''
    print(
        f'{count(len(cases), "picture")}, about {count(boxes, "box")}, {count(len(rows), "row")}: about '
        f'{passes:,} passes on altered pictures{each}, {own}{minutes:.1f} minutes at {cost["seconds"]:.3f} s a pass; '
        f"the maps' own time comes on top{twice}."
    )


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens evaluate``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    if args.launcher == 'none':
        return _evaluate(args)
    with quiet():
        from ...processes import is_first, joined

    with joined(args.launcher, args.device) as args.device:
        try:
            return _evaluate(args)
        except MmlensError:
            if is_first():
                raise
            return FAILED  # the first process says what all of them have to say


def _evaluate(args: argparse.Namespace) -> int:
    folder = Path(args.out_dir)
    with quiet():
        from ... import evaluation
        from ...processes import alike_everywhere, is_first
    with alike_everywhere():
        check_writable(folder)
        page = Reporting.of(args)
        file = read_annotations(args)
        detector = load(args)
        cases, rows = cases_of(args, file, detector), rows_of(args, detector)
        evaluation.check_rows(detector, rows, cases)
        if is_first():
            tell_cost(detector, cases, rows, args)
    if args.dry_run:
        return DONE
    table = _measure(args, detector, cases, rows)
    if is_first():
        write_results(table, folder)
        if page:
            report_figures(page, detector, cases, rows, table, args.score_thr)
    return DONE


def _measure(args: argparse.Namespace, detector: Detector, cases: List[Case], rows: List[Row]) -> Table:
    from ...evaluation import evaluate_cases
    from ...processes import is_first

    with progress_bar(len(cases) if is_first() else 1) as bar:
        task = bar.add_task('pictures', total=len(cases))
        try:
            return evaluate_cases(
                detector,
                cases,
                rows,
                score_thr=args.score_thr,
                batch_size=args.batch_size,
                maps_only=args.maps_only,
                sanity=args.sanity,
                folder=Path(args.out_dir),
                resume=args.resume,
                shared=args.launcher != 'none',
                settings=_settings(args),
                progress=lambda done, total: bar.update(task, completed=done),
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f'what was measured is kept in {args.out_dir}; go on with --resume.') from None


def _settings(args: argparse.Namespace) -> Dict[str, Any]:
    """What figures depend on and the pictures' names do not tell."""
    annotations = hashlib.sha256(Path(args.ann).read_bytes()).hexdigest() if args.ann else ''
    return dict(config=args.config, cfg_options=args.cfg_options, resize_only=args.resize_only, annotations=annotations)


def write_results(table: Table, folder: Path) -> None:
    """Write all files, and print the table over all boxes."""
    from ...evaluation import draw_means, markdown, means_of, pairs_of, report, write_means, write_pairs

    means = means_of(table)
    table.write_boxes(folder / 'boxes.csv')
    files = ['boxes.csv'] + ['boxes.parquet'] * table.write_parquet(folder / 'boxes.parquet')
    write_means(means, folder / 'summary.csv')
    write_pairs(pairs_of(table), folder / 'pairs.csv')
    with write_text(folder / 'tables.md') as file:
        file.write(report(table, means))
    write_picture(folder / 'figures.png', draw_means(table, means))
    print(markdown(table, means, intervals=False))
    files += ['summary.csv', 'pairs.csv', 'tables.md', 'figures.png']
    print(f'{count(len(table), "box")} -> {folder}: {", ".join(files)}')
