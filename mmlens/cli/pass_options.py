"""Options of the methods that run the network many times."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

from ..errors import MmlensError
from .arguments import Parser, positive, rank, share
from .guard import say
from .progress import Passes
from .sources import Source

PASS_METHODS = ('ablationcam', 'drise', 'integratedgradients', 'precisionsearch', 'reciprocam', 'scorecam')
# Option -> the methods that have it. The methods know this themselves, but asking them takes torch: a test compares.
CONCERNED: Dict[str, Tuple[str, ...]] = {
    'batch_size': PASS_METHODS,
    'memory': PASS_METHODS,
    'ratio_channels_to_ablate': ('ablationcam',),
    'ablated': ('ablationcam',),
    'num_masks': ('drise',),
    'exact': ('drise',),
    'seed': ('drise',),
    'steps': ('integratedgradients',),
    'baseline': ('integratedgradients',),
    'passes': ('precisionsearch',),
    'regions': ('precisionsearch',),
    'resume': ('drise', 'precisionsearch'),
}


def add_pass_options(parser: Parser, together: bool = False) -> None:
    """Add the options that only methods of many passes have.

    Args:
        parser: The parser.
        together: Whether in other methods ``--batch-size`` pictures go through the network together.
    """
    parser.set_defaults(together=together)
    of_pictures = (
        'pictures of one input size, or frames of a video, in a method of one pass (default: 1; up to 8 frames, where '
        'inputs are small); '
    )
    group = parser.add_argument_group('methods that run the network, or the part after the layers, many times')
    parser.group('results').add_argument(
        '--batch-size',
        type=positive,
        metavar='N',
        help=f'how many go through the network together: {of_pictures if together else ""}passes over a picture, in a '
        'method of many passes (default: as many as need little memory)',
    )
    group.add_argument('--memory', type=positive, metavar='MB', help='memory limit for the activations of these passes')
    group.add_argument(
        '--ratio-channels-to-ablate',
        type=share,
        metavar='R',
        help='share of the channels that AblationCAM tries, most promising first (default: 1, all of them)',
    )
    group.add_argument(
        '--ablated',
        choices=('zero', 'mean'),
        help='what AblationCAM replaces a channel with (default: zero; for classes, where a layer has negative '
        'activations, a value far below them, as in pytorch-grad-cam)',
    )
    group.add_argument(
        '--num-masks',
        type=positive,
        metavar='N',
        help='number of masks that D-RISE tries (default: 150, or 1000 with --exact)',
    )
    group.add_argument(
        '--exact',
        action='store_const',
        const=True,
        help='average over the masks, as D-RISE is published, instead of fitting what each part of them does',
    )
    group.add_argument('--seed', type=rank, metavar='N', help="seed of D-RISE's masks (default: 0)")
    group.add_argument(
        '--steps',
        type=positive,
        metavar='N',
        help='steps from the baseline that integratedgradients may take (default: 96)',
    )
    group.add_argument(
        '--baseline',
        choices=('blur', 'grey'),
        help='what integratedgradients starts from: the input blurred (default), or all of its mean colour',
    )
    group.add_argument(
        '--passes', type=positive, metavar='N', help='passes that precisionsearch may take for a box (default: 160)'
    )
    group.add_argument(
        '--regions', type=positive, metavar='N', help='regions that precisionsearch cuts the input into (default: 800)'
    )
    group.add_argument(
        '--resume',
        metavar='FILE',
        help='.npz file in which D-RISE and precisionsearch save their progress, and from which they resume',
    )


def pass_options(args: argparse.Namespace) -> Dict[str, Any]:
    """The options that were given and apply to the method; warns about those that do not apply."""
    given = {name: getattr(args, name) for name in CONCERNED if getattr(args, name) is not None}
    if args.together and args.method.lower() not in PASS_METHODS:
        given.pop('batch_size', None)  # of pictures
    idle = [name for name in given if args.method.lower() not in CONCERNED[name]]
    if idle:
        names = ' and '.join(f'--{name.replace("_", "-")}' for name in idle)
        say('warning', f'{names} {"has" if len(idle) == 1 else "have"} no effect on {args.method}.')
    return {name: value for name, value in given.items() if name not in idle}


def asked(args: argparse.Namespace) -> Dict[str, Any]:
    """What ``boxam`` and ``cam`` both ask for, by parameter: the method, where it looks, and its options."""
    return dict(
        method=args.method,
        layers=args.target_layers,
        fusion=args.fusion,
        against=args.against,
        signed=args.signed,
        method_options=pass_options(args),
        smooth_grad=args.smooth_grad,
        smooth_noise=args.smooth_noise,
    )


def passes_of(args: argparse.Namespace) -> Optional[Passes]:
    """The progress of what was asked for, if it takes many passes."""
    return Passes() if args.method.lower() in PASS_METHODS or args.smooth_grad else None


def check_resume(args: argparse.Namespace, sources: Sequence[Source]) -> None:
    """Check that ``--resume``, if given, is used with a single picture.

    Raises:
        MmlensError: If there are several pictures, or a video.
    """
    if args.resume and len(sources) > 1:
        raise MmlensError(f'--resume works on a single picture, but there are {len(sources)}: give one.')
    if args.resume and sources[0].is_video:
        raise MmlensError('--resume works on a single picture, not on the frames of a video.')


def check_resume_place(args: argparse.Namespace, places: Sequence[Optional[Path]]) -> None:
    """Check that no result overwrites the file in which progress is saved.

    Raises:
        MmlensError: If one would be.
    """
    results = [path for place in places if place for path in (place, place.with_suffix('.npz'))]
    resume = getattr(args, 'resume', None)
    if resume and Path(resume).resolve() in [path.resolve() for path in results]:
        raise MmlensError(f'--resume {resume} would be overwritten by a result: choose another file.')
