"""``mmlens sanity``: checks whether maps change when the network's weights are drawn anew."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional

from ...errors import MmlensError, count
from ...files import write_picture
from ..arguments import (
    Parser,
    add_fusion,
    add_model,
    add_picture,
    fraction,
    parse,
    positive,
    positive_or_all,
    rank,
    words,
)
from ..guard import DONE, guarded, tell
from ..job import load as open_named
from ..outputs import Inputs, check_writable
from ..progress import progress_bar
from ..sources import find_sources

if TYPE_CHECKING:
    from ...results.sanity import SanityCheck

DEFAULT_FOLDER = './output/sanity'


EXAMPLES = (
    ('mmlens sanity dog.jpg config.py checkpoint.pth', 'do the maps of its boxes change with the weights?'),
    (
        'mmlens sanity pictures config.py checkpoint.pth --methods evidencecam gradcam --draws 5',
        'two methods, on a folder',
    ),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens sanity``."""
    parser = Parser(
        prog='mmlens sanity',
        parameters={'layers': 'target_layers', 'picture': 'img', 'pictures': 'img'},
        description='Check that maps show what a network has learnt: draw its weights anew from the head down, and see '
        'whether the maps of the same boxes or classes change.',
        examples=EXAMPLES,
    )
    add_picture(parser, kinds='picture')
    add_model(parser)
    group = parser.add_argument_group('what is checked')
    group.add_argument(
        '--methods',
        nargs='+',
        metavar='METHOD',
        help='methods of one pass (default: evidencecam for boxes, gradcam for classes)',
    )
    group.add_argument('--target-layers', nargs='+', metavar='LAYER', help='layers, for all methods')
    add_fusion(group, 'that of each method')
    group.add_argument(
        '--score-thr', type=fraction, default=0.3, metavar='S', help='ignore boxes with a lower score (default: 0.3)'
    )
    group.add_argument('--class', dest='classes', nargs='+', metavar='NAME', help='only boxes of these classes')
    group.add_argument(
        '--topk', type=positive_or_all, default=-1, metavar='K', help='the K boxes with the highest scores of a picture'
    )
    group = parser.add_argument_group('the run')
    group.add_argument(
        '--draws', type=positive, default=3, metavar='N', help='how often weights are drawn (default: 3)'
    )
    group.add_argument('--seed', type=rank, default=0, metavar='S', help='of the first draw (default: 0)')
    group.add_argument(
        '--out-dir', default=DEFAULT_FOLDER, metavar='DIR', help='folder for the results (default: %(default)s)'
    )
    return parser


def table(check: SanityCheck) -> str:
    """The mean correlations as lines of text: a row a part, a column a method."""
    means = {(method, part): mean for method, part, mean, _, _ in check.rows()}
    width = max(map(len, ('drawn anew', *check.parts)))
    heads = [max(len(method), 6) for method in check.methods]
    lines = ['  '.join([f'{"drawn anew":<{width}}', *(f'{m:>{head}}' for m, head in zip(check.methods, heads))])]
    for part in check.parts:
        values = [means[method, part] for method in check.methods]
        shown = ['-' if math.isnan(value) else f'{value:.2f}' for value in values]
        lines.append('  '.join([f'{part:<{width}}', *(f'{text:>{head}}' for text, head in zip(shown, heads))]))
    return '\n'.join(line.rstrip() for line in lines)


def write_results(check: SanityCheck, folder: Path) -> None:
    """Write the figure and the numbers, and print the table and the verdicts."""
    image = check.draw()
    check.write_csv(folder / 'sanity.csv')
    write_picture(folder / 'sanity.png', image)
    print(table(check))
    for method in check.methods:
        tell(check.sentence(method))
    for note in check.notes:
        tell(note)
    print(f'{count(len(check.boxes), "map")} of each method -> {folder}: sanity.csv, sanity.png')


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens sanity``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    folder = Path(args.out_dir)
    check_writable(folder)
    with tempfile.TemporaryDirectory(prefix='mmlens-') as downloads:
        sources = find_sources(args.img, Path(downloads), folder)
        Inputs(source.path for source in sources).check_kept(folder / 'sanity.png')
        if any(source.is_video for source in sources):
            raise MmlensError('`mmlens sanity` works on pictures only.')
        network = open_named(args)
        from ...explain.sanity import check_sanity

        with progress_bar(2) as bar:
            task = bar.add_task('steps', total=None)
            check = check_sanity(
                network,
                [source.path for source in sources],
                methods=args.methods,
                layers=args.target_layers,
                fusion=args.fusion,
                score_thr=args.score_thr,
                classes=args.classes,
                topk=args.topk,
                **words(args),
                draws=args.draws,
                seed=args.seed,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    write_results(check, folder)
    return DONE
