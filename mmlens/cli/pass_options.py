"""Options of the methods that run the network many times."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

from ..errors import MmlensError
from .arguments import Parser, positive, rank, share
from .guard import say
from .sources import Source

PASS_METHODS = ('ablationcam', 'drise', 'reciprocam', 'scorecam')
# Option of the method -> the methods that have it. A test compares with what the methods say of themselves, which
# cannot be asked here: it takes torch.
CONCERNED: Dict[str, Tuple[str, ...]] = {
    'batch_size': PASS_METHODS,
    'memory': PASS_METHODS,
    'ratio_channels_to_ablate': ('ablationcam',),
    'ablated': ('ablationcam',),
    'num_masks': ('drise',),
    'seed': ('drise',),
    'resume': ('drise',),
}


def add_pass_options(parser: Parser) -> None:
    """Add what concerns AblationCAM, ScoreCAM, ReciproCAM and D-RISE only."""
    group = parser.add_argument_group('methods that run the network, or what follows the layers, many times')
    group.add_argument(
        '--batch-size', type=positive, metavar='N', help='how many passes at a time (default: what takes little memory)'
    )
    group.add_argument('--memory', type=positive, metavar='MB', help='how much memory their activations may take')
    group.add_argument(
        '--ratio-channels-to-ablate',
        type=share,
        metavar='R',
        help='share of the channels that AblationCAM tries, the most promising first (default: 1, all of them)',
    )
    group.add_argument(
        '--ablated',
        choices=('zero', 'mean'),
        help='what AblationCAM sets a channel to (default: zero; for classes, where a layer has negative activations, '
        'far below them, as pytorch-grad-cam does)',
    )
    group.add_argument('--num-masks', type=positive, metavar='N', help='how many masks D-RISE tries (default: 1000)')
    group.add_argument('--seed', type=rank, metavar='N', help="seed of D-RISE's masks (default: 0)")
    group.add_argument('--resume', metavar='FILE', help='an .npz that D-RISE keeps what it found in, and goes on from')


def pass_options(args: argparse.Namespace) -> Dict[str, Any]:
    """The options that were given and concern the method; warns of those that do not."""
    given = {name: getattr(args, name) for name in CONCERNED if getattr(args, name) is not None}
    idle = [name for name in given if args.method.lower() not in CONCERNED[name]]
    if idle:
        names = ' and '.join(f'--{name.replace("_", "-")}' for name in idle)
        say('warning', f'{names} {"has" if len(idle) == 1 else "have"} no effect on {args.method}.')
    return {name: value for name, value in given.items() if name not in idle}


def check_resume(args: argparse.Namespace, sources: Sequence[Source]) -> None:
    """Check that what D-RISE found is kept for one picture, if at all.

    Raises:
        MmlensError: If there are several pictures, or a video.
    """
    if args.resume and len(sources) > 1:
        raise MmlensError(f'--resume is for one picture, and there are {len(sources)}: name one.')
    if args.resume and sources[0].is_video:
        raise MmlensError('--resume is for one picture, not for the frames of a video.')


def check_resume_place(args: argparse.Namespace, places: Sequence[Optional[Path]]) -> None:
    """Check that no result is written over the file that D-RISE keeps what it found in.

    Raises:
        MmlensError: If one would be.
    """
    results = [path for place in places if place for path in (place, place.with_suffix('.npz'))]
    resume = getattr(args, 'resume', None)
    if resume and Path(resume).resolve() in [path.resolve() for path in results]:
        raise MmlensError(f'--resume {resume} is where a result goes: name another file.')
