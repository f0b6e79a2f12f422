"""``mmlens errors``: what a detector does wrong on annotated pictures, what it costs, and why."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ...choices import ERRORS, RANKS
from ...errors import MmlensError, count
from ...files import UniqueNames, write_picture
from ..arguments import (
    Parser,
    add_fusion,
    add_index,
    add_look,
    add_save_maps,
    add_weights,
    fraction,
    parse,
    positive,
    rank,
)
from ..guard import DONE, SOME_FAILED, guarded, quiet, say, tell
from ..index import Index
from ..job import load_detector
from ..outputs import check_writable
from ..progress import Passes, progress_bar
from ..reporting import Reporting, add_report

if TYPE_CHECKING:
    from ...failures import ErrorReport, Failure

DEFAULT_FOLDER = './output/errors'
_ALSO = {'class': 'classification', 'location': 'localisation'}  # shorter words for two of the types


EXAMPLES = (
    (
        'mmlens errors config.py checkpoint.pth --ann coco.json --images pictures',
        'all errors, and sheets of the 20 worst of each type',
    ),
    (
        'mmlens errors config.py checkpoint.pth --ann coco.json --images pictures --type missed class --rank cost',
        'what was missed or misnamed, by what it costs',
    ),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens errors``."""
    parser = Parser(
        prog='mmlens errors',
        parameters={'layers': 'target_layers', 'annotations': 'ann'},
        description="Find what a detector does wrong on annotated pictures: TIDE's types of errors, what each costs in "
        'mAP, and for the worst of each type a sheet with maps of why.',
        examples=EXAMPLES,
    )
    add_weights(parser)
    group = parser.add_argument_group('pictures')
    group.add_argument(
        '--ann', metavar='FILE', help="annotations in COCO's format (default: the config's own test set)"
    )
    group.add_argument('--images', metavar='DIR', help='folder of their pictures')
    group.add_argument('--number', type=positive, metavar='N', help='take N pictures, drawn at random')
    group.add_argument('--seed', type=rank, default=0, metavar='S', help='which ones (default: 0)')
    _add_errors(parser)
    _add_maps(parser)
    parser.group('results').add_argument(
        '--out-dir', default=DEFAULT_FOLDER, metavar='DIR', help='folder for the results (default: %(default)s)'
    )
    add_index(parser)
    add_save_maps(parser)
    add_report(parser)
    add_look(parser)
    return parser


def _add_errors(parser: Parser) -> None:
    group = parser.add_argument_group('errors')
    group.add_argument(
        '--score-thr',
        type=fraction,
        default=0.3,
        metavar='S',
        help='ignore boxes with a lower score (default: 0.3); 0 takes all, as tidecv does',
    )
    group.add_argument(
        '--type',
        dest='types',
        nargs='+',
        type=_type_of_error,
        choices=ERRORS,
        metavar='TYPE',
        default=list(ERRORS),
        help=f'types to draw: {", ".join(ERRORS)} (default: all)',
    )
    group.add_argument(
        '--worst', type=rank, default=20, metavar='N', help='draw the N worst of each type (default: 20)'
    )
    group.add_argument(
        '--rank',
        choices=RANKS,
        default='confidence',
        help='which are worst: those of the highest score (default), or those that cost most in mAP',
    )


def _add_maps(parser: Parser) -> None:
    group = parser.add_argument_group('maps')
    group.add_argument(
        '--method',
        default='evidencecam',
        type=str.lower,
        metavar='METHOD',
        help='see `mmlens boxam` (default: evidencecam)',
    )
    group.add_argument('--target-layers', nargs='+', metavar='LAYER', help='layers to look at (default: of the method)')
    add_fusion(group, 'product for evidencecam, else sum')


def _type_of_error(text: str) -> str:
    return _ALSO.get(text.lower(), text.lower())


def find(args: argparse.Namespace, passes: Passes) -> ErrorReport:
    """Go through the pictures."""
    if args.ann and args.images:
        with quiet():
            from ...evaluation import CocoFile

        CocoFile(Path(args.ann), Path(args.images))  # read before a model is loaded
    detector = load_detector(args)
    with quiet():
        from ...failures import check_asked, find_errors

        check_asked(args.method, args.fusion)  # before the work
        return find_errors(
            detector,
            annotations=args.ann,
            images=args.images,
            number=args.number,
            seed=args.seed,
            score_thr=args.score_thr,
            progress=passes,
        )


def draw_worst(report: ErrorReport, args: argparse.Namespace, sheets: Passes, page: Reporting) -> int:
    """Draw the worst errors of each type, and note where; how many were drawn."""
    chosen = [each for kind in dict.fromkeys(args.types) for each in report.worst(kind, args.worst, args.rank)]
    folder, names, drawn = Path(args.out_dir), UniqueNames(), 0
    options: Dict[str, Any] = dict(method=args.method, layers=args.target_layers, fusion=args.fusion)
    index = Index(None if args.no_index else folder, 'mmlens errors')
    if page:
        page.expect_number(len({each.picture for each in chosen}))
        tell_costs(page, report)
    for each in chosen:
        explained = report.explain(each, **options)
        name = names(f'{each.type}/{_order(report, each, args):03d}_{Path(each.picture).stem.replace(": ", "_")}')
        sheet, place = explained.draw(colormap=args.colormap, alpha=args.alpha), folder / f'{name}.png'
        write_picture(place, sheet)
        if args.save_maps:
            explained.save(place.with_suffix('.npz'))
        index.add(place, sheet, each.sentence)
        page.add(explained, each.picture)
        each.sheet = f'{name}.png'
        drawn += 1
        if not sheets(drawn, len(chosen)):
            break
    index.write()
    return drawn


def tell_costs(page: Reporting, report: ErrorReport) -> None:
    """Put the table of types above the errors of a page."""
    rows = [(kind, report.counts[kind], f'{report.costs.of_type[kind]:.2f}') for kind in ERRORS]
    page.report.table(f'mAP50 {report.costs.mean_ap:.2f}', ('type', 'errors', 'cost in mAP50'), rows)
    for note in report.notes:
        page.report.note(note)


def _order(report: ErrorReport, failure: Failure, args: argparse.Namespace) -> int:
    return 1 + report.worst(failure.type, args.worst, args.rank).index(failure)


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens errors``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    if args.images and not args.ann:
        raise MmlensError('--images is the folder of annotated pictures: name their file with --ann.')
    if args.ann and not args.images:
        raise MmlensError('--ann needs --images, the folder of its pictures.')
    folder = Path(args.out_dir)
    check_writable(folder)
    page = Reporting.of(args)
    pictures, sheets = Passes('pictures'), Passes('sheets')
    with progress_bar(2) as bar, pictures.shown_on(bar), sheets.shown_on(bar):
        with pictures.of_a_picture():
            report = find(args, pictures)
        report.write(folder)  # whatever becomes of the sheets
        drawn = 0
        if not pictures.stopped:
            with sheets.of_a_picture(), page:
                drawn = draw_worst(report, args, sheets, page)
    report.write(folder)
    print(report.summary())
    for note in report.notes:
        tell(f'note: {note}')
    print(f'{count(len(report), "error")} -> {folder}: errors.csv, errors.json, {count(drawn, "sheet")}')
    if pictures.stopped or sheets.stopped:
        raise KeyboardInterrupt(f'{folder} holds what was found so far.')
    if report.broken:
        words = '\n  '.join([f'{count(len(report.broken), "picture")} could not be read:', *report.broken])
        say('error', words)
        return SOME_FAILED
    return DONE
