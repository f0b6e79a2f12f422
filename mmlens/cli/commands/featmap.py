"""``mmlens featmap``: draws the feature maps of any layer over the picture."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

from ...choices import REDUCTIONS
from ...errors import MmlensError, count
from ..arguments import (
    Parser,
    add_inspection,
    add_look,
    add_model,
    add_outputs,
    add_picture,
    parse,
    positive,
    positive_or_all,
    words,
)
from ..guard import guarded
from ..job import add_workers, run_job
from ..run import Drawn, Picture
from ..sources import Source

if TYPE_CHECKING:
    from ...models.network import Network
    from ...results.predicted import Predicted

TOPK = 4
NOTHING = 'nothing predicted that can be drawn'


EXAMPLES = (
    ('mmlens featmap dog.jpg rtmdet_tiny_8xb32-300e_coco', 'a model by its name; its weights are downloaded once'),
    ('mmlens featmap dog.jpg config.py checkpoint.pth --target-layers backbone neck', 'every level of two layers'),
    (
        'mmlens featmap dog.jpg config.py checkpoint.pth --target-layers neck --topk 6 --arrangement 2 3',
        'the six strongest channels, one by one',
    ),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens featmap``: MMYOLO's options with their meanings."""
    parser = Parser(
        prog='mmlens featmap',
        parameters={'layers': 'target_layers', 'picture': 'img', 'reduction': 'channel_reduction'},
        description='Draw the feature maps of any layer over the picture.',
        examples=EXAMPLES,
    )
    add_picture(parser)
    add_model(parser)
    add_inspection(parser, default_layers='backbone')
    group = parser.group('what to look at')
    group.add_argument(
        '--channel-reduction',
        choices=(*REDUCTIONS, 'None'),
        help='reduce all channels to one map: their mean, or the channel with the highest mean; None keeps channels '
        'separate (default: select_max, or None if --topk is given)',
    )
    group.add_argument(
        '--topk',
        type=positive_or_all,
        metavar='K',
        help=f'without a reduction, draw the K strongest channels (default: {TOPK}); '
        '-1 draws all channels of a layer that has 1 or 3',
    )
    parser.group('drawing').add_argument(
        '--arrangement',
        nargs=2,
        type=positive,
        default=(2, 2),
        metavar=('ROWS', 'COLS'),
        help='layout of the K channels (default: 2 2)',
    )
    add_outputs(parser)
    add_workers(parser)
    add_look(parser)
    return parser


def settle_channels(
    reduction: Optional[str], topk: Optional[int], arrangement: Tuple[int, int]
) -> Tuple[Optional[str], int]:
    """Decide how channels are shown: reduced to one map, or the strongest ones separately.

    Args:
        reduction: Value of ``--channel-reduction``; ``None`` if it was not given.
        topk: Value of ``--topk``; ``None`` if it was not given.
        arrangement: Rows and columns.

    Returns:
        The reduction, or ``None``, and how many channels to draw without one.

    Raises:
        MmlensError: If both were given, or the arrangement is too small.
    """
    from ...rendering import check_arrangement

    if reduction in REDUCTIONS:
        if topk is not None:
            raise MmlensError(
                f'--topk {topk} and --channel-reduction {reduction} exclude each other; '
                'leave one of them out, or set --channel-reduction None.'
            )
        return reduction, TOPK
    if reduction is None and topk is None:
        return 'select_max', TOPK
    topk = TOPK if topk is None else topk
    check_arrangement(topk, arrangement)
    return None, topk


def describe(predicted: Optional[Predicted]) -> str:
    """What a network predicts, in a few words: ``3 boxes``, ``segments of 5 classes``, ``dog 0.86``."""
    if predicted is None:
        return NOTHING
    parts = [] if predicted.boxes is None else [count(len(predicted.boxes), 'box')]
    if predicted.seg_map is not None:
        present = {int(index) for index in set(predicted.seg_map.ravel().tolist()) if index >= 0}
        parts.append(f'segments of {count(len(present), "class")}')
    parts += [f'{name} {score:.2f}' for name, score in predicted.classes[:1]]
    return ', '.join(parts) or NOTHING


def check_sources(sources: Sequence[Source], args: argparse.Namespace) -> None:
    """Check that the options suit the sources.

    Raises:
        MmlensError: If maps of a video are to be saved.
    """
    if args.save_maps and any(source.is_video for source in sources):
        raise MmlensError('--save-maps works on pictures only: the maps of every frame of a video would fill the disk.')


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens featmap``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    reduction, topk = settle_channels(args.channel_reduction, args.topk, tuple(args.arrangement))

    def draw(network: Network, picture: Picture) -> Drawn:
        from ...explain.features import feature_maps

        found = feature_maps(
            network,
            picture,
            layers=tuple(args.target_layers or ('backbone',)),
            reduction=reduction,
            topk=topk,
            score_thr=args.score_thr,
            **words(args),
        )
        options = {name: getattr(args, name) for name in ('alpha', 'colormap') if getattr(args, name) is not None}
        names = ', '.join(f'{level.name} {"x".join(map(str, level.shape))}' for level in found)
        return Drawn(
            partial(found.draw, arrangement=tuple(args.arrangement), **options),
            f'{describe(found.predicted)}; {names}',
            notes=found.notes,
            boxes=len(found.predicted.scores) if found.predicted else 0,
            save_maps=found.save if args.save_maps else None,
        )

    return run_job(args, draw, same_size=False, check_sources=lambda sources: check_sources(sources, args))
