"""``mmlens report``: one HTML file in which every box of many pictures can be looked at."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional

from ...downloads import is_address
from ...errors import MmlensError, count
from ..arguments import (
    Parser,
    add_loading,
    add_look,
    add_network,
    fraction,
    parse,
    words,
)
from ..given import Annotations
from ..guard import DONE, guarded, report_failures
from ..job import load_detector
from ..pass_options import add_pass_options, asked, passes_of
from ..progress import progress_bar
from ..reporting import Reporting
from ..run import Drawn, Picture, Run
from ..sources import find_sources
from .boxam import add_boxes, add_method, describe, settle_shape

if TYPE_CHECKING:
    from ...models.detector import Detector
    from ...results.boxes import BoxExplanation

DEFAULT_FILE = './output/report.html'
_WEIGHTS = ('.pth', '.pt', '.pkl', '.ckpt', '.bin', '.safetensors')

EXAMPLES = (
    ('mmlens report config.py checkpoint.pth pictures -o report.html', 'every box of every picture of a folder'),
    (
        'mmlens report config.py checkpoint.pth pictures --ann coco.json --method evidencecam gradcam',
        'two maps a box, with what is wrong or missed by the annotations',
    ),
    ('mmlens report results/*.npz -o report.html', 'what `--save-maps` saved, without a model'),
)


class Words(NamedTuple):
    """What the words of the command line stand for.

    Attributes:
        config, checkpoint: The model; the config is empty for saved results.
        pictures: What is explained, or the files of the saved results.
    """

    config: str
    checkpoint: Optional[str]
    pictures: List[str]


def build_parser() -> Parser:
    """Build the parser of ``mmlens report``."""
    parser = Parser(
        prog='mmlens report',
        usage='%(prog)s [options] CONFIG [CHECKPOINT] PICTURE [PICTURE ...], or %(prog)s [options] FILE.npz ...',
        parameters={'layers': 'target_layers', 'picture': 'words'},
        description='Write one HTML file in which every box of many pictures can be looked at with a browser: its map '
        'by each method, its score, what is wrong with it. The file holds everything and asks no network.',
        examples=EXAMPLES,
    )
    parser.add_argument(
        'words',
        nargs='+',
        metavar='PICTURE',
        help='config or name of a model, its checkpoint, then pictures, folders, quoted patterns or lists; or .npz '
        'files that --save-maps or save() wrote, which need no model',
    )
    add_loading(parser)
    parser.group('model').add_argument(
        '--resize-only', action='store_true', help="replace the test pipeline's letterbox, pad and the like by a resize"
    )
    add_network(parser)
    _add_what(parser)
    group = parser.group('results')
    group.add_argument('-o', '--out-file', metavar='FILE', help=f'the HTML file (default: {DEFAULT_FILE})')
    group.add_argument('--title', metavar='WORDS', help='what the page is headed with (default: the name of the model)')
    add_look(parser)
    return parser


def _add_what(parser: Parser) -> None:
    parser.group('what to look at').add_argument(
        '--target-layers', nargs='+', metavar='LAYER', help='layers to look at (default: what each method is made for)'
    )
    add_method(parser, several=True)
    add_pass_options(parser)
    add_boxes(parser)
    group = parser.group('boxes')
    group.add_argument(
        '--score-thr', type=fraction, default=0.3, metavar='S', help='ignore boxes with a lower score (default: 0.3)'
    )
    group.add_argument(
        '--ann',
        metavar='COCO.json',
        help="annotations of COCO's kind: boxes are told by what is wrong with them, and missed objects are explained",
    )


def read_words(args: argparse.Namespace) -> Words:
    """Tell saved results, a model and pictures apart.

    Raises:
        MmlensError: If something is missing.
    """
    given = list(args.words)
    saved = [word for word in given if word.lower().endswith('.npz')]
    if len(given) == 1 and Path(given[0]).is_dir():
        saved = given = sorted(str(path) for path in Path(given[0]).glob('*.npz'))
        if not saved:
            raise MmlensError(
                f'{args.words[0]} holds no .npz that --save-maps wrote: name a config first for pictures.'
            )
    if saved and len(saved) == len(given):
        return Words('', None, saved)
    if saved:
        raise MmlensError(f'{saved[0]} is a saved result, which needs no model: give saved results alone.')
    rest = given[1:]
    checkpoint = rest.pop(0) if rest and _is_checkpoint(rest[0]) else None
    if not rest:
        raise MmlensError('There is no picture to report on: name some after the config and the checkpoint.')
    return Words(given[0], checkpoint, rest)


def _is_checkpoint(word: str) -> bool:
    return (word.split('?')[0] if is_address(word) else word).lower().endswith(_WEIGHTS)


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens report``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    given = read_words(args)
    place, title = args.out_file or DEFAULT_FILE, {'title': args.title} if args.title else {}
    if given.config:
        args.config, args.checkpoint = given.config, given.checkpoint
        return _explain(args, given.pictures, Reporting.of(args, place, **title))
    look = dict(colormap=args.colormap, alpha=args.alpha)
    subtitle = count(len(given.pictures), 'saved result')
    return _gather([Path(name) for name in given.pictures], Reporting(place, args.title or 'Saved', subtitle, **look))


def _gather(paths: List[Path], reporting: Reporting) -> int:
    """A report of saved results; one that cannot be opened is told at the end."""
    from ...results.loading import load

    failures: List[str] = []
    reporting.expect_number(len(paths))
    with reporting, progress_bar(len(paths)) as bar:
        task = bar.add_task('results', total=len(paths))
        for path in paths:
            try:
                reporting.add(load(path), path.stem)
            except MmlensError as error:
                failures.append(str(error))
            bar.advance(task)
    return report_failures(failures, len(paths), 'result', 'shown') if failures else DONE


def _explain(args: argparse.Namespace, pictures: List[str], reporting: Reporting) -> int:
    """A report of a detector's boxes."""
    annotations = Annotations(Path(args.ann)) if args.ann else None
    max_shape = settle_shape(args.max_shape)
    with tempfile.TemporaryDirectory(prefix='mmlens-') as downloads, reporting:
        sources = [source for word in pictures for source in find_sources(word, Path(downloads))]
        reporting.expect(sources)
        if annotations is not None:
            annotations.check(source.path for source in sources)
        methods = {method: _settings(args, method, max_shape) for method in dict.fromkeys(args.method)}
        args.method = next(iter(methods))
        passes = next(
            filter(None, (passes_of(argparse.Namespace(**{**vars(args), 'method': m})) for m in methods)), None
        )
        detector = load_detector(args)

        def draw(picture: Picture) -> Drawn:
            with passes.of_a_picture() if passes else contextlib.nullcontext():
                asks = [dict(settings, progress=passes) for settings in methods.values()]
                return _of_picture(detector, picture, asks, reporting, annotations)

        return Run(draw, passes=passes).over(sources, [None] * len(sources))


def _settings(args: argparse.Namespace, method: str, max_shape: Any) -> Dict[str, Any]:
    """The arguments of :func:`mmlens.explain_boxes` for one of the methods."""
    own = argparse.Namespace(**{**vars(args), 'method': method})
    return dict(
        asked(own),
        target=args.target,
        score_thr=args.score_thr,
        norm_in_bbox=args.norm_in_bbox,
        max_shape=max_shape,
        selected=dict(classes=args.classes, instances=args.instances, topk=args.topk),
        **words(args),
    )


def _of_picture(
    detector: Detector,
    picture: Picture,
    asks: List[Dict[str, Any]],
    reporting: Reporting,
    annotations: Optional[Annotations],
) -> Drawn:
    """Add a picture's boxes by all methods and, with annotations, the objects that were missed."""
    from ...explain.boxes import explain_boxes

    found: List[BoxExplanation] = []
    missed: List[Any] = []
    name = picture if isinstance(picture, Path) else ''
    truth = None if annotations is None else annotations.objects(picture, detector.class_names)
    for ask in asks:
        options = {key: value for key, value in ask.items() if key != 'selected'}
        found.append(explain_boxes(detector, picture, **ask['selected'], **options))
        missed = reporting.add(found[-1], name, truth=truth) or missed
        truth = None  # the errors are those of the first pass
        if missed:
            boxes: Dict[str, Any] = dict(boxes=[list(box) for box, _ in missed], labels=[each for _, each in missed])
            reporting.add(explain_boxes(detector, picture, **boxes, **options), name)
    what = count(len(found[0]), 'box') + (f', {len(missed)} missed' if missed else '')
    notes = [note for each in found for note in each.notes]
    unfinished = any(each.unfinished for each in found)
    return Drawn(found[0].picture, what, [describe(box) for box in found[0]], notes, unfinished=unfinished)
