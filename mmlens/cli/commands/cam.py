"""``mmlens cam``: draws the evidence in a picture for the classes of a classifier, or for the boxes of a detector."""

from __future__ import annotations

import argparse
import contextlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Optional, Sequence

from ...choices import CLASS_LAYOUTS, FRAMES
from ...errors import MmlensError, count
from ..arguments import (
    Parser,
    add_contrast,
    add_files,
    add_fusion,
    add_index,
    add_look,
    add_network,
    add_picture,
    add_preview,
    add_save_maps,
    add_smooth_grad,
    parse,
    words,
)
from ..guard import guarded
from ..job import add_workers, run_job
from ..job import load as open_named
from ..pass_options import add_pass_options, asked, check_resume, passes_of
from ..reporting import Reporting, add_report
from ..run import Drawn, Picture
from ..sources import Source
from .boxam import drawn_picture

if TYPE_CHECKING:
    from ...models.network import Network
    from ...results.classes import ClassExplanation, ClassMap


EXAMPLES = (
    ('mmlens cam dog.jpg resnet18_8xb32_in1k', 'a model by its name; its weights are downloaded once'),
    ('mmlens cam dog.jpg config.py checkpoint.pth --target-category 1 2', 'two classes, side by side'),
    ('mmlens cam dog.jpg config.py checkpoint.pth --against auto', 'why this class, and not the one next to it?'),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens cam``: the options of MMPretrain's vis_cam with their meanings, and more."""
    parser = Parser(
        prog='mmlens cam',
        parameters={
            'layers': 'target_layers',
            'categories': 'target_category',
            'classes': 'target_category',
            'picture': 'img',
        },
        description='Draw the evidence in a picture for the classes of a classifier, or for the boxes of a detector.',
        examples=EXAMPLES,
    )
    add_picture(parser, 'picture')
    add_files(parser, 'resnet18_8xb32_in1k')
    add_network(parser)
    _add_what(parser)
    _add_smoothing(parser)
    add_pass_options(parser, together=True)
    _add_results(parser)
    return parser


def _add_what(parser: Parser) -> None:
    group = parser.group('what to look at')
    group.add_argument(
        '--target-layers',
        nargs='+',
        metavar='LAYER',
        help='layers such as backbone.layer4[-1] or backbone.layers[-1].ln1; the mean of their maps is shown (default: '
        'the last norm layer of the backbone at which the prediction still depends on the patches)',
    )
    add_preview(parser)
    group.add_argument(
        '--method',
        default='GradCAM',
        help='GradCAM (default), GradCAM++, XGradCAM, EigenCAM, EigenGradCAM, LayerCAM, HiResCAM, AblationCAM, '
        'ScoreCAM, ReciproCAM, DRISE, PrecisionSearch, IntegratedGradients, EvidenceCAM, or another class of '
        'pytorch_grad_cam; case-insensitive',
    )
    add_fusion(group, 'mean; for boxes sum')
    group.add_argument(
        '--target-category',
        nargs='+',
        metavar='CLASS',
        help='classes to explain, by index or name; several are drawn side by side (default: the predicted class; for '
        'a detector, all boxes)',
    )
    group.add_argument('--task', metavar='NAME', help='which head to ask, of a classifier with one for each task')
    add_contrast(
        group,
        "explain why it is this class and not that one: a class's index or name, several, or auto (the other class "
        'that scores highest)',
    )
    group.add_argument(
        '--vit-like',
        action='store_true',
        help="accepted for compatibility with MMPretrain's vis_cam: token layers are recognised by their output",
    )
    group.add_argument(
        '--num-extra-tokens',
        type=_tokens,
        metavar='N',
        help='number of tokens before the patch tokens (default: taken from the backbone)',
    )


def _add_smoothing(parser: Parser) -> None:
    group = parser.group('what to look at')
    group.add_argument(
        '--eigen-smooth',
        '--eigen_smooth',
        action='store_true',
        help='keep only the first principal component of the weighted activations, which reduces noise',
    )
    group.add_argument(
        '--aug-smooth',
        '--aug_smooth',
        action='store_true',
        help='average over mirrored and brightened copies of the picture: six times the work',
    )
    group.add_argument(
        '--guided-backprop',
        action='store_true',
        help='also draw guided gradients times the map, which look sharp but prove little: see the documentation',
    )
    add_smooth_grad(group)


def _add_results(parser: Parser) -> None:
    group = parser.group('results')
    group.add_argument(
        '--save-path',
        '--out-file',
        dest='out_file',
        metavar='FILE',
        help='file for the result, if there is only one picture',
    )
    group.add_argument('--out-dir', metavar='DIR', help='folder for the results (default: ./output)')
    group.add_argument(
        '--show',
        action='store_true',
        help='show the results in a window; files are written only with --out-dir or --save-path',
    )
    add_index(parser)
    add_save_maps(parser)
    add_report(parser)
    add_workers(parser)
    group = parser.group('drawing')
    group.add_argument(
        '--on',
        choices=FRAMES,
        default='picture',
        help='draw on the original picture (default), with the part cropped away dimmed, or on the network input',
    )
    group.add_argument(
        '--layout',
        choices=CLASS_LAYOUTS,
        help='one map on the picture, or a labelled sheet (default: overlay for one class, sheet for several)',
    )
    add_look(parser, 'plasma, or blue-red with --signed')


def _tokens(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number from 0 up')
    return int(text)


def check_options(sources: Sequence[Source], args: argparse.Namespace) -> None:
    """Check that the options suit each other and the sources.

    Raises:
        MmlensError: If there is a video, or an overlay that would leave out something that was asked for.
    """
    check_resume(args, sources)
    for source in sources:
        if source.is_video:
            raise MmlensError(f'mmlens cam takes pictures, but {source.path} is a video: save its frames as pictures.')
    if args.layout == 'overlay' and args.guided_backprop:
        raise MmlensError('--guided-backprop needs a panel of its own: use --layout sheet, or leave out --layout.')


def describe(each: ClassMap) -> str:
    """One line about a class: index, name, score, rank, what it was contrasted with, and, if its map is blank, why."""
    blank = f'  blank: {each.blank}' if each.blank else ''
    against = f'  not {each.against}' if each.against else ''
    return f'{each.category:>4}  {each.class_name:<24} {each.score:.3f}  rank {each.rank}{against}{blank}'


def drawn(explanation: ClassExplanation, save_maps: bool = False, **options: Any) -> Drawn:
    """Draw a picture's classes and describe each in one line.

    Args:
        explanation: The classes.
        save_maps: Whether to write the arrays too. Defaults to ``False``.
        **options: See :func:`mmlens.rendering.class_maps.draw_class_maps`.
    """
    where = f' at {", ".join(explanation.layers)}' if explanation.layers else ''
    reasons = [each.blank for each in explanation if each.blank]
    return Drawn(
        partial(explanation.draw, **options),
        f'{explanation.method}{where}, {count(len(explanation), "class map")}',
        details=[describe(each) for each in explanation],
        # The line of a class already says why its map is blank.
        notes=[note for note in explanation.notes if not any(reason in note for reason in reasons)],
        save_maps=explanation.save if save_maps else None,
        unfinished=explanation.unfinished,
    )


def check_classifier(args: argparse.Namespace) -> None:
    """Check the options that mean something else for detectors.

    Raises:
        MmlensError: If an overlay is to show several classes. (That of a detector shows all boxes.)
    """
    if args.layout == 'overlay' and len(args.target_category or []) > 1:
        raise MmlensError('--layout overlay shows a single class: name one, or use --layout sheet.')


def check_detector(args: argparse.Namespace) -> None:
    """Check that no option was given that only classifiers have.

    Raises:
        MmlensError: If one was.
    """
    given = {
        '--eigen-smooth': args.eigen_smooth,
        '--aug-smooth': args.aug_smooth,
        '--guided-backprop': args.guided_backprop,
        '--num-extra-tokens': args.num_extra_tokens is not None,
        '--on input': args.on == 'input',
        '--task': args.task is not None,
    }
    for option in (option for option, is_given in given.items() if is_given):
        raise MmlensError(f'{option} works with classifiers only, and {args.config} is not one: leave it out.')


def load(args: argparse.Namespace) -> Network:
    """Load the network that the arguments name, and check that the other arguments suit it."""
    network = open_named(args)
    from ...models.detector import Detector

    if args.preview_model:
        return network
    if isinstance(network, Detector):
        check_detector(args)
    else:
        network.require('classes')
        check_classifier(args)
    return network


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens cam``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    look = {name: getattr(args, name) for name in ('colormap', 'alpha') if getattr(args, name) is not None}
    look['signed'] = args.signed
    wanted, passes, report = asked(args), passes_of(args), Reporting.of(args)

    def of_classes(classifier: Network, picture: Any, **more: Any) -> Any:
        from ...explain.classes import explain_classes

        return explain_classes(
            classifier,
            picture,
            classes=args.target_category,
            task=args.task,
            eigen_smooth=args.eigen_smooth,
            aug_smooth=args.aug_smooth,
            num_extra_tokens=args.num_extra_tokens,
            guided_backprop=args.guided_backprop,
            **wanted,
            progress=passes,
            **more,
        )

    def of_boxes(detector: Network, picture: Any, **more: Any) -> Any:
        from ...explain.boxes import explain_boxes

        return explain_boxes(
            detector, picture, classes=args.target_category, **words(args), **wanted, progress=passes, **more
        )

    def explain(network: Network, picture: Any, **more: Any) -> Any:
        from ...models.detector import Detector

        return (of_boxes if isinstance(network, Detector) else of_classes)(network, picture, **more)

    def draw_one(explanation: Any, picture: Picture) -> Drawn:
        if isinstance(picture, Path):
            report.add(explanation, picture)
        from ...results.classes import ClassExplanation

        if isinstance(explanation, ClassExplanation):
            return drawn(explanation, args.save_maps, layout=args.layout, on=args.on, **look)
        return drawn_picture(explanation, 'panels' if args.layout == 'sheet' else 'overlay', args.save_maps, **look)

    def draw(network: Network, picture: Picture) -> Drawn:
        with passes.of_a_picture() if passes else contextlib.nullcontext():
            return draw_one(explain(network, picture), picture)

    def draw_together(network: Network, pictures: List[Picture]) -> List[Drawn]:
        found = explain(network, pictures, batch_size=len(pictures))
        return [draw_one(*each) for each in zip(found, pictures)]

    def check(sources: List[Source]) -> None:
        check_options(sources, args)
        report.expect(sources)

    with report:
        work = partial(run_job, check_sources=check, load=load, passes=passes, together=draw_together)
        return work(args, draw, same_size=True, option='--save-path')
