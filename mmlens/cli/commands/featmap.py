"""``mmlens featmap``: draws the feature maps of any layer over the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Tuple

from ...choices import REDUCTIONS
from ...errors import MmlensError, count
from ..arguments import (
    Parser,
    add_inspection,
    add_model,
    add_outputs,
    add_picture,
    parse,
    positive,
    positive_or_all,
    words,
)
from ..guard import guarded
from ..job import run_job
from ..run import Drawn, Picture

if TYPE_CHECKING:
    from ...models.network import Network
    from ...results.predicted import Predicted

TOPK = 4
NOTHING = 'nothing predicted that can be drawn'


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
        options = {} if args.alpha is None else {'alpha': args.alpha}
        names = ', '.join(f'{level.name} {"x".join(map(str, level.shape))}' for level in found)
        return Drawn(
            found.draw(arrangement=tuple(args.arrangement), **options),
            f'{describe(found.predicted)}; {names}',
            notes=found.notes,
            boxes=len(found.predicted.scores) if found.predicted else 0,
        )

    return run_job(args, draw, same_size=False)
