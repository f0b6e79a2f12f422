"""``mmlens compare``: the same objects by two checkpoints, or by one under two settings, side by side."""

from __future__ import annotations

import argparse
import contextlib
import csv
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

from ...errors import MmlensError, ModelError, count
from ...files import write_text
from ...model_names import find_model, is_name
from ..arguments import (
    Parser,
    add_cfg_options,
    add_fusion,
    add_index,
    add_look,
    add_random_weights,
    add_save_maps,
    fraction,
    parse,
    positive,
    read_cfg_options,
)
from ..guard import guarded, quiet
from ..index import Index
from ..model_files import check_model_files, fetch_weights
from ..outputs import plan_outputs
from ..reading import add_reading, reading
from ..reporting import Reporting, add_report
from ..run import Drawn, Picture, Run
from ..sources import Source, find_sources

if TYPE_CHECKING:
    from ...evaluation import CocoFile
    from ...models.detector import Detector
    from ...results.comparison import BoxComparison, BoxPair

DEFAULT_FOLDER = './output/compare'
_COLUMNS = ('picture', 'class', 'score_a', 'score_b', 'found_a', 'found_b', 'score_change', 'iou', 'change')
_OF_B = ('method', 'layers', 'fusion', 'against', 'target')


class Words(NamedTuple):
    """What the words of the command line stand for.

    Attributes:
        a, b: Config and checkpoint of each side; ``None`` for one model under two settings.
        pictures: The rest.
    """

    a: Tuple[str, str]
    b: Optional[Tuple[str, str]]
    pictures: List[str]


EXAMPLES = (
    ('mmlens compare config.py before.pth config.py after.pth pictures', 'what more training changed'),
    ('mmlens compare config.py checkpoint.pth pictures --method-b gradcam', 'one model, two methods'),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens compare``."""
    parser = Parser(
        prog='mmlens compare',
        usage='%(prog)s [options] CONFIG CHECKPOINT [CONFIG_B CHECKPOINT_B] [PICTURE ...]',
        parameters={'layers': 'target_layers', 'annotations': 'ann'},
        description='Compare two checkpoints, or one under two settings: the same objects, both maps on one scale, '
        'their difference, and what one found and the other did not.',
        examples=EXAMPLES,
    )
    parser.add_argument('config', help='config of A')
    parser.add_argument('checkpoint', help='checkpoint of A')
    parser.add_argument(
        'rest',
        nargs='*',
        metavar='PICTURE',
        help='config and checkpoint of B, if there is one, then pictures, folders, quoted patterns or lists',
    )
    parser.group('model').add_argument('--device', help='cpu, cuda:0, ... (default: cuda:0 if available, else cpu)')
    add_cfg_options(parser)
    add_random_weights(parser)
    add_reading(parser)
    group = parser.add_argument_group('pictures and objects')
    group.add_argument('--ann', metavar='FILE', help="annotations in COCO's format: objects are matched by them")
    group.add_argument('--images', metavar='DIR', help='folder of their pictures')
    group.add_argument(
        '--score-thr', type=fraction, default=0.3, metavar='S', help='ignore objects that both score lower (0.3)'
    )
    group.add_argument('--most', type=positive, default=6, metavar='N', help='objects a sheet, most changed first (6)')
    _add_settings(parser)
    group = parser.group('results')
    group.add_argument('--names', nargs=2, default=('A', 'B'), metavar='NAME', help='what the two are called')
    group.add_argument(
        '--out-dir', default=DEFAULT_FOLDER, metavar='DIR', help='folder for the results (default: %(default)s)'
    )
    add_index(parser)
    add_save_maps(parser)
    add_report(parser)
    add_look(parser)
    return parser


def _add_settings(parser: Parser) -> None:
    group = parser.add_argument_group('maps of both, and what is different for B')
    group.add_argument(
        '--method', default='evidencecam', type=str.lower, metavar='METHOD', help='see `mmlens boxam` (evidencecam)'
    )
    group.add_argument('--method-b', type=str.lower, metavar='METHOD', help='method of B')
    group.add_argument('--target-layers', nargs='+', metavar='LAYER', help='layers to look at')
    group.add_argument('--layers-b', nargs='+', metavar='LAYER', help='layers of B')
    add_fusion(group, 'product for evidencecam, else sum')
    group.add_argument('--fusion-b', metavar='FUSION', help='fusion of B')
    group.add_argument('--against', nargs='+', metavar='CLASS', help='contrast with these classes; see `mmlens boxam`')
    group.add_argument('--against-b', nargs='+', metavar='CLASS', help='contrast of B')
    group.add_argument(
        '--target', default='score', metavar='TARGET', help='what is explained; see `mmlens boxam` (score)'
    )
    group.add_argument('--target-b', metavar='TARGET', help='target of B')
    group.add_argument(
        '--dtype-b',
        choices=('float32', 'float16', 'bfloat16'),
        default='float32',
        help='precision of B (mixed, by autocast)',
    )


def read_words(args: argparse.Namespace) -> Words:
    """Tell a second model from pictures: a config ends with .py, or goes by a name in a package.

    Raises:
        MmlensError: If something is missing.
    """
    rest, second = list(args.rest), None
    if rest and _is_config(rest[0]):
        if len(rest) < 2:
            raise MmlensError(f'Name the checkpoint of B after its config {rest[0]}.')
        second, rest = (rest[0], rest[1]), rest[2:]
    if not rest and not args.ann:
        raise MmlensError('There is no picture to compare on: name some after the checkpoints, or give --ann.')
    if rest and args.ann:
        raise MmlensError('--ann brings its own pictures, those in --images: leave out the others.')
    if bool(args.ann) != bool(args.images):
        raise MmlensError('--ann needs --images, the folder of its pictures, and the other way round.')
    if second is None and args.dtype_b == 'float32' and not settings_b(args):
        raise MmlensError(
            'There is nothing to compare with: name the config and the checkpoint of B after those of A, or give a '
            'setting of B such as --method-b or --layers-b.'
        )
    return Words((args.config, args.checkpoint), second, rest)


def _is_config(word: str) -> bool:
    if word.lower().endswith('.py') or '::' in word:
        return True
    try:
        return is_name(word) and bool(find_model(word))
    except ModelError:
        return False


def settings_b(args: argparse.Namespace) -> Dict[str, Any]:
    """The settings of B that are other than those of both."""
    return {name: getattr(args, f'{name}_b') for name in _OF_B if getattr(args, f'{name}_b') is not None}


def _sides(words: Words) -> str:
    return ' and '.join(' · '.join(side) for side in (words.a, words.b) if side)


def _annotations(args: argparse.Namespace) -> Optional[CocoFile]:
    if not args.ann:
        return None
    with quiet():
        from ...evaluation import CocoFile

    return CocoFile(Path(args.ann), Path(args.images))


def _sources(words: Words, file: Optional[CocoFile], args: argparse.Namespace, downloads: Path) -> List[Source]:
    if file is not None:
        return [Source(file.images / each['file_name'], Path(each['file_name']).name) for each in file.pictures]
    found = [source for word in words.pictures for source in find_sources(word, downloads, Path(args.out_dir))]
    videos = [source for source in found if source.is_video]
    if videos:
        raise MmlensError(f'{videos[0].path} is a video: `mmlens compare` takes pictures.')
    return found


def _truths(file: Optional[CocoFile], detector: Detector) -> Dict[str, Dict[str, Any]]:
    """The annotated objects of each picture, by its path."""
    if file is None:
        return {}
    found = {}
    for case in file.cases(detector.class_names):
        picture, truth = case.read()
        assert truth is not None
        known = truth.labels >= 0
        names = [detector.class_name(int(label)) for label in truth.labels[known]]
        found[str(picture)] = dict(truths=truth.boxes[known], truth_names=names)
    return found


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens compare``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    words = read_words(args)
    compared: List[Tuple[str, BoxPair]] = []
    with tempfile.TemporaryDirectory(prefix='mmlens-') as downloads, contextlib.ExitStack() as after:
        file = _annotations(args)
        sources = _sources(words, file, args, Path(downloads))
        places = plan_outputs(sources, args.out_dir)
        report = after.enter_context(Reporting.of(args, title=' and '.join(args.names), subtitle=_sides(words)))
        report.expect(sources)
        for config, checkpoint in filter(None, (words.a, words.b)):
            side = argparse.Namespace(**{**vars(args), 'config': config, 'checkpoint': checkpoint})
            check_model_files(side)
            fetch_weights(side)
        options = dict(
            device=args.device,
            cfg_options=read_cfg_options(args.cfg_options),
            random_weights=True if args.random_weights else None,
            **reading(args),
        )
        with quiet():
            from ...explain.networks import open_detector

            a, b = (side and open_detector(*side, **options) for side in (words.a, words.b))
        assert a is not None
        truths = _truths(file, a)
        after.callback(_write_table, compared, Path(args.out_dir))

        def draw(picture: Picture) -> Drawn:
            found = _compare(a, b, picture, args, truths.get(str(picture), {}))
            compared.extend((Path(str(picture)).name, pair) for pair in found)
            report.add(found, Path(str(picture)))
            return _drawn(found, args)

        index = Index(None if args.no_index else Path(args.out_dir), 'mmlens compare')
        return Run(draw, index=index).over(sources, places)


def _compare(
    a: Detector, b: Optional[Detector], picture: Picture, args: argparse.Namespace, truths: Dict[str, Any]
) -> BoxComparison:
    from ...explain.comparing import compare_boxes

    return compare_boxes(
        a,
        b,
        picture,
        settings_b=settings_b(args),
        dtype_b=args.dtype_b,
        names=tuple(args.names),  # type: ignore[arg-type]
        score_thr=args.score_thr,
        method=args.method,
        layers=args.target_layers,
        fusion=args.fusion,
        against=args.against,
        target=args.target,
        **truths,
    )


def _drawn(found: BoxComparison, args: argparse.Namespace) -> Drawn:
    return Drawn(
        partial(found.draw, most=args.most, colormap=args.colormap, alpha=args.alpha),
        count(len(found), 'object'),
        details=[describe(pair, found.names) for pair in found],
        notes=found.notes,
        save_maps=found.save if args.save_maps else None,
    )


def describe(pair: BoxPair, names: Tuple[str, str]) -> str:
    """An object in a line."""
    sides = zip(names, (pair.a, pair.b), pair.found)
    scores = '  '.join(f'{name} {f"{box.score:.2f}" if box and there else "not found"}' for name, box, there in sides)
    return f'{pair.class_name:<16} {scores}  change {pair.change:.2f}'


def _write_table(compared: List[Tuple[str, BoxPair]], folder: Path) -> None:
    """Write ``compare.csv``: all objects, first those that only one found, then the others, the most changed first."""
    if not compared:
        return
    compared = sorted(compared, key=lambda each: (all(each[1].found), -each[1].change))
    with write_text(folder / 'compare.csv') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(_COLUMNS)
        for picture, pair in compared:
            scores = ['' if box is None else round(box.score, 6) for box in (pair.a, pair.b)]
            rest = (
                *(int(each) for each in pair.found),
                round(pair.score_change, 6),
                round(pair.overlap, 6),
                round(pair.change, 6),
            )
            writer.writerow([picture, pair.class_name, *scores, *rest])
