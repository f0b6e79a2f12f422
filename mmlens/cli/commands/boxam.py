"""``mmlens boxam``: draws, for every box of a detector, the evidence for that box."""

from __future__ import annotations

import argparse
import contextlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Optional, Tuple

from ...choices import LAYOUTS, TARGETS
from ...errors import MmlensError, count
from ..arguments import (
    Parser,
    add_contrast,
    add_fusion,
    add_inspection,
    add_look,
    add_model,
    add_outputs,
    add_picture,
    add_smooth_grad,
    parse,
    positive_or_all,
    rank,
    words,
)
from ..given import Given
from ..guard import guarded
from ..job import add_workers, run_job
from ..job import load as open_named
from ..pass_options import add_pass_options, asked, check_resume, passes_of
from ..region import add_region, region_of
from ..reporting import Reporting, add_report
from ..run import Drawn, Picture
from ..sources import Source

if TYPE_CHECKING:
    from ...models.detector import Detector
    from ...models.network import Network
    from ...results.boxes import BoxExplanation, BoxMap


EXAMPLES = (
    ('mmlens boxam dog.jpg rtmdet_tiny_8xb32-300e_coco', 'a model by its name; its weights are downloaded once'),
    ('mmlens boxam pictures config.py checkpoint.pth --layout panels', 'every picture of a folder, a panel a box'),
    (
        'mmlens boxam dog.jpg config.py checkpoint.pth --class dog --against auto',
        'why is it a dog, and not the class next to it?',
    ),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens boxam``: MMYOLO's options with their meanings, and more."""
    parser = Parser(
        prog='mmlens boxam',
        parameters={'layers': 'target_layers', 'picture': 'img'},
        description='Draw, for every box of a detector, the evidence for that box.',
        examples=EXAMPLES,
    )
    add_picture(parser)
    add_model(parser)
    add_inspection(parser, default_layers='what the method is made for: auto for evidencecam, else the neck')
    add_method(parser)
    add_region(parser)
    add_boxes(parser)
    add_given(parser)
    add_pass_options(parser, together=True)
    add_outputs(parser)
    add_workers(parser)
    add_report(parser)
    parser.group('drawing').add_argument(
        '--layout', choices=LAYOUTS, default='overlay', help='all boxes on one picture, or one panel per box'
    )
    add_look(parser, 'plasma, or blue-red with --signed')
    return parser


def add_method(parser: Parser, several: bool = False) -> None:
    """Add ``--method``, which takes several if ``several``, and how and of what it makes maps."""
    group = parser.group('what to look at')
    group.add_argument(
        '--method',
        nargs='+' if several else None,
        default=['evidencecam'] if several else 'evidencecam',
        type=str.lower,
        help="evidencecam (default), gradcam (MMYOLO's), gradcam++, layercam, hirescam, xgradcam, eigencam, "
        'eigengradcam, ablationcam, scorecam, reciprocam, drise, precisionsearch, integratedgradients, or a class of '
        'pytorch_grad_cam that needs only activations and gradients',
    )
    add_fusion(group, 'product for evidencecam, else sum')
    add_contrast(
        group,
        "explain why each box is of its class and not of this one: a class's name, several, auto (the class that "
        'scores second there) or background',
    )
    group.add_argument(
        '--target',
        choices=TARGETS,
        default='score',
        help="what to explain: the box's score (default), its edges, both, one of its edges, or its mask",
    )
    group.add_argument(
        '--max-shape',
        nargs='+',
        type=positive_or_all,
        metavar='N',
        help='downscale levels higher or wider than this (one number, or height and width) to save memory; '
        '-1 for no limit (default)',
    )
    group.add_argument(
        '--norm-in-bbox', action='store_true', help='normalise each map within its box, and clear it outside'
    )
    add_smooth_grad(group)


def add_boxes(parser: Parser) -> None:
    """Add the options for which boxes to explain."""
    group = parser.group('boxes')
    group.add_argument(
        '--topk',
        type=positive_or_all,
        default=-1,
        metavar='K',
        help='explain the K boxes with the highest scores (default: -1, all)',
    )
    group.add_argument('--class', dest='classes', nargs='+', metavar='NAME', help='explain only boxes of these classes')
    group.add_argument(
        '--instance',
        dest='instances',
        nargs='+',
        type=rank,
        metavar='I',
        help='explain only the boxes with these ranks by score, from 0',
    )


def add_given(parser: Parser) -> None:
    """Add ``--boxes`` and ``--ann``: boxes that the user gives, found or missed."""
    group = parser.group('boxes')
    group.add_argument(
        '--boxes',
        nargs=5,
        action='append',
        metavar=('X1', 'Y1', 'X2', 'Y2', 'CLASS'),
        help='explain this box and class instead of the detections, found or missed: the class score of the candidate '
        'that stands for it; repeatable',
    )
    group.add_argument(
        '--ann',
        metavar='COCO.json',
        help="explain the annotated objects of each picture instead, out of an annotation file of COCO's kind",
    )


def settle_shape(max_shape: Optional[List[int]]) -> Optional[Tuple[int, int]]:
    """Work out the limits on a level's height and width.

    Args:
        max_shape: The numbers given to ``--max-shape``.

    Returns:
        Height and width, -1 where there is no limit; ``None`` without any limit.

    Raises:
        MmlensError: If more than two numbers were given.
    """
    if max_shape is None:
        return None
    if len(max_shape) > 2:
        raise MmlensError(f'--max-shape takes one number or two (height and width), not {len(max_shape)}.')
    height, width = max_shape[0], max_shape[-1]
    return None if height == width == -1 else (height, width)


def check_sources(sources: List[Source], args: argparse.Namespace, given: Given) -> None:
    """Check that the options suit the sources.

    Raises:
        MmlensError: If an option for pictures meets a video, or an option for one picture meets several.
        PictureError: If annotations know none of the pictures.
    """
    check_resume(args, sources)
    if not any(source.is_video for source in sources):
        given.check(source.path for source in sources)
        return
    if args.save_maps:
        raise MmlensError('--save-maps works on pictures only: the maps of every frame of a video would fill the disk.')
    if args.layout == 'panels':
        raise MmlensError('--layout panels works on pictures only: the number of boxes changes from frame to frame.')
    if args.instances:
        raise MmlensError('--instance works on pictures only: ranks change from frame to frame; use --topk or --class.')
    if args.ann:
        raise MmlensError('--ann works on pictures only: an annotation file of COCO names no frames of videos.')


def describe(box: BoxMap) -> str:
    """One line about a box: rank, class, score, edges, candidate of a given one, contrast, and why its map is blank."""
    edges = ', '.join(f'{edge:.0f}' for edge in box.box)
    blank = f'  blank: {box.blank}' if box.blank else ''
    against = f'  not {box.against}' if box.against else ''
    index, candidate = (f'{box.index}' if box.index >= 0 else '-'), ''
    if box.candidate is not None:
        own = ', '.join(f'{edge:.0f}' for edge in box.candidate)
        candidate = f'  candidate rank {box.rank} [{own}], IoU {box.overlap:.2f}'
    return f'{index:>3}  {box.class_name:<16} {box.score:.2f}  [{edges}]{candidate}{against}{blank}'


def drawn_picture(explanation: BoxExplanation, layout: str, save_maps: bool = False, **options: Any) -> Drawn:
    """Draw a picture's boxes and describe each in one line.

    Args:
        explanation: The boxes.
        layout: ``'overlay'`` or ``'panels'``.
        save_maps: Whether to write the arrays too. Defaults to ``False``.
        **options: ``colormap``, ``alpha`` and ``signed``.
    """
    reasons = [box.blank for box in explanation if box.blank]
    return Drawn(
        partial(explanation.draw, layout=layout, **options),
        count(len(explanation), 'box') if len(explanation) else 'no detection, drawn plain',
        details=[describe(box) for box in explanation],
        # The line of a box already says why its map is blank.
        notes=[note for note in explanation.notes if not any(reason in note for reason in reasons)],
        boxes=len(explanation),
        save_maps=explanation.save if save_maps else None,
        unfinished=explanation.unfinished,
    )


def drawn_frame(explanation: BoxExplanation, **options: Any) -> Drawn:
    """Draw a frame of a video; without boxes it stays as it is, because a note below it would shrink it.

    Args:
        explanation: The boxes.
        **options: ``colormap``, ``alpha`` and ``signed``.
    """
    picture = partial(explanation.draw, **options) if len(explanation) else explanation.picture
    notes = explanation.notes if len(explanation) else []
    return Drawn(picture, '', notes=notes, boxes=len(explanation), unfinished=explanation.unfinished)


def load(args: argparse.Namespace) -> Network:
    """Open the network that the arguments name; it must be a detector for its boxes to be drawn."""
    network = open_named(args)
    if not args.preview_model:
        network.require('boxes')
    return network


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens boxam``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    max_shape = settle_shape(args.max_shape)
    wanted, passes = asked(args), passes_of(args)
    options = {name: getattr(args, name) for name in ('colormap', 'alpha') if getattr(args, name) is not None}
    options['signed'] = args.signed
    region = region_of(args)
    given, report = Given.of(args), Reporting.of(args)

    def explain(detector: Detector, picture: Any, **more: Any) -> Any:
        from ...explain.boxes import explain_boxes

        return explain_boxes(
            detector,
            picture,
            target=args.target,
            region=region,
            score_thr=args.score_thr,
            classes=args.classes,
            instances=args.instances,
            topk=args.topk,
            norm_in_bbox=args.norm_in_bbox,
            max_shape=max_shape,
            **words(args),
            **wanted,
            progress=passes,
            **more,
        )

    def drawn(explanation: BoxExplanation, picture: Picture) -> Drawn:
        if isinstance(picture, Path):
            report.add(explanation, picture)
            return drawn_picture(explanation, args.layout, args.save_maps, **options)
        return drawn_frame(explanation, **options)

    def draw(detector: Detector, picture: Picture) -> Drawn:
        with passes.of_a_picture() if passes else contextlib.nullcontext():
            return drawn(explain(detector, picture, **given.of_picture(detector, picture)), picture)

    def draw_together(detector: Detector, pictures: List[Picture]) -> List[Drawn]:
        found = explain(detector, pictures, batch_size=len(pictures))
        return [drawn(*each) for each in zip(found, pictures)]

    def check(sources: List[Source]) -> None:
        check_sources(sources, args, given)
        report.expect(sources)

    with report:
        together = None if args.boxes or args.ann else draw_together
        return run_job(args, draw, True, check_sources=check, load=load, passes=passes, together=together)
