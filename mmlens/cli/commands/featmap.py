"""``mmlens featmap``: draws the feature maps of any layer over the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Tuple

from ...choices import REDUCTIONS
from ...errors import MmlensError, count
from ..arguments import Parser, add_inspection, add_model, add_outputs, add_picture, parse, positive, positive_or_all
from ..guard import guarded
from ..job import run_job
from ..run import Drawn, Picture

if TYPE_CHECKING:
    from ...models.detector import Detector

TOPK = 4


def build_parser() -> Parser:
    """Build the parser of ``mmlens featmap``: MMYOLO's options with their meanings."""
    parser = Parser(
        prog='mmlens featmap',
        parameters={'layers': 'target_layers', 'picture': 'img', 'reduction': 'channel_reduction'},
        description='Draw the feature maps of any layer over the picture.',
    )
    add_picture(parser)
    add_model(parser)
    add_outputs(parser)
    add_inspection(parser, default_layers='backbone')
    parser.add_argument(
        '--channel-reduction',
        choices=(*REDUCTIONS, 'None'),
        help='reduce all channels to one map: their mean, or the channel with the highest mean; None keeps channels '
        'separate (default: select_max, or None if --topk is given)',
    )
    parser.add_argument(
        '--topk',
        type=positive_or_all,
        metavar='K',
        help=f'without a reduction, draw the K strongest channels (default: {TOPK}); '
        '-1 draws all channels of a layer that has 1 or 3',
    )
    parser.add_argument(
        '--arrangement',
        nargs=2,
        type=positive,
        default=(2, 2),
        metavar=('ROWS', 'COLS'),
        help='layout of the K channels (default: 2 2)',
    )
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


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens featmap``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    reduction, topk = settle_channels(args.channel_reduction, args.topk, tuple(args.arrangement))

    def draw(detector: Detector, picture: Picture) -> Drawn:
        from ...explain.features import feature_maps

        found = feature_maps(
            detector,
            picture,
            layers=tuple(args.target_layers or ('backbone',)),
            reduction=reduction,
            topk=topk,
            score_thr=args.score_thr,
        )
        options = {} if args.alpha is None else {'alpha': args.alpha}
        names = ', '.join(f'{level.name} {"x".join(map(str, level.shape))}' for level in found)
        boxes = len(found.detections.scores) if found.detections else 0
        return Drawn(
            found.draw(arrangement=tuple(args.arrangement), **options), f'{count(boxes, "box")}; {names}', boxes=boxes
        )

    return run_job(args, draw, same_size=False)
