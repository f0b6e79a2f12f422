"""Arguments that several commands share, and the types of their values."""

from __future__ import annotations

import argparse
import re
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..choices import FAMILIES, FUSIONS
from ..errors import MmlensError
from .parser import Parser, files_after_dashes, words_of
from .reading import add_reading
from .verbosity import use
from .wording import use_options_of

__all__ = ['Parser']  # where commands look for it

_MOST = 10**9  # of any number: more is a slip, and too much for some library


def fraction(text: str) -> float:
    """Read a number in [0, 1]."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 0 to 1')
    return value


def share(text: str) -> float:
    """Read a number above 0, at most 1."""
    try:
        value = fraction(text)
    except argparse.ArgumentTypeError:
        value = 0.0
    if value == 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number above 0 and at most 1')
    return value


def positive(text: str) -> int:
    """Read a whole number above 0."""
    return _whole_number(text, 1, 'a whole number above 0')


def rank(text: str) -> int:
    """Read a whole number from 0 up."""
    return _whole_number(text, 0, 'a whole number from 0 (the best box) up')


def positive_or_all(text: str) -> int:
    """Read a whole number above 0, or -1 for no limit."""
    return -1 if text.strip() == '-1' else _whole_number(text, 1, 'a whole number above 0, or -1 for no limit')


def _whole_number(text: str, least: int, wanted: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f'{text!r} is not {wanted}')
    if value > _MOST:
        raise argparse.ArgumentTypeError(f'{text!r} is above {_MOST:,}')
    return value


def positive_to(most: int) -> Callable[[str], int]:
    """A type of arguments: a whole number above 0 and at most this."""

    def read(text: str) -> int:
        value = positive(text)
        if value > most:
            raise argparse.ArgumentTypeError(f'{text!r} is above {most:,}')
        return value

    return read


def key_value(text: str) -> str:
    """Check that a config option has the form KEY=VALUE; mmengine reads its value later."""
    if not text.partition('=')[0] or '=' not in text:
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form KEY=VALUE')
    return text


def window_size(text: str) -> Tuple[int, int]:
    """Read a width and a height of the form W*H."""
    found = re.fullmatch(r'(\d{1,6})\*(\d{1,6})', text)
    if not found:
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form W*H, such as 12*7')
    return int(found[1]), int(found[2])


def add_picture(parser: Parser, kinds: str = 'picture or video') -> None:
    """Add the positional ``img``; ``kinds`` says what it may be."""
    parser.add_argument(
        'img', help=f'{kinds}, folder, quoted glob pattern, list file (.txt, one path per line), or http(s) URL'
    )


def add_model(parser: Parser) -> None:
    """Add ``config``, ``checkpoint`` and the options that change how they are loaded, whatever the family."""
    add_weights(parser)
    add_network(parser)


def add_weights(parser: Parser) -> None:
    """Add ``config``, ``checkpoint`` and the options that change how they are loaded."""
    add_files(parser)
    parser.group('model').add_argument(
        '--resize-only',
        action='store_true',
        help="replace letterbox, keep-ratio and pad in the config's test pipeline with a plain resize",
    )


def add_random_weights(parser: Parser) -> None:
    """Add ``--random-weights``."""
    parser.group('model').add_argument(
        '--random-weights',
        action='store_true',
        help='go on without a checkpoint, or with one that lacks a head: what no checkpoint gives is random',
    )


def add_files(parser: Parser, example: str = 'rtmdet_tiny_8xb32-300e_coco') -> None:
    """Add ``config``, ``checkpoint`` and the options that change what they give; ``example`` is the name of a model."""
    parser.add_argument(
        'config', help=f'config file, or the name of a model or config of an installed package, such as {example}'
    )
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help="checkpoint file or URL (default: the weights that the package names for the model, else the config's "
        'load_from)',
    )
    add_loading(parser)


def add_loading(parser: Parser) -> None:
    """Add the options that change what config and checkpoint give, however these are named."""
    parser.group('model').add_argument('--device', help='cpu, cuda:0, ... (default: cuda:0 if available, else cpu)')
    add_cfg_options(parser)
    add_random_weights(parser)
    add_reading(parser)


def add_fusion(parser: argparse._ActionsContainer, default: str) -> None:
    """Add ``--fusion``; ``default`` says what it is without one."""
    parser.add_argument(
        '--fusion',
        metavar='{' + ','.join(FUSIONS) + '}',
        help=f'how the maps of levels and layers become one (default: {default})',
    )


def add_contrast(parser: argparse._ActionsContainer, what: str) -> None:
    """Add ``--against``, whose help is ``what``, and ``--signed``."""
    parser.add_argument('--against', nargs='+', metavar='CLASS', help=what)
    parser.add_argument(
        '--signed',
        action='store_true',
        help='draw what speaks for (red) and against (blue) in one map, with --against for the one and the other class',
    )


def add_smooth_grad(parser: argparse._ActionsContainer) -> None:
    """Add ``--smooth-grad`` and ``--smooth-noise``."""
    parser.add_argument(
        '--smooth-grad',
        type=positive,
        default=0,
        metavar='N',
        help='mean map of N noisy copies of the input (SmoothGrad), in a method of one pass that uses gradients',
    )
    parser.add_argument(
        '--smooth-noise',
        type=share,
        default=0.1,
        metavar='S',
        help="standard deviation of that noise, as a share of the input's range of values (default: 0.1)",
    )


def add_network(parser: Parser) -> None:
    """Add the options for the family of the network, and for the words it should look for."""
    group = parser.group('model')
    group.add_argument(
        '--family',
        choices=FAMILIES,
        help='family of the network (default: recognised from the model)',
    )
    group.add_argument(
        '--text', metavar='WORDS', help='what an open-vocabulary network should look for, such as "a dog. a bicycle."'
    )
    group.add_argument(
        '--custom-entities',
        action='store_true',
        help='treat each part of --text between full stops as one class, instead of extracting its nouns',
    )


def words(args: argparse.Namespace) -> Dict[str, Any]:
    """The values of ``--text`` and ``--custom-entities``, by parameter."""
    return dict(text=args.text, custom_entities=args.custom_entities or None)


def add_cfg_options(parser: Parser) -> None:
    """Add ``--cfg-options``; :func:`read_cfg_options` reads them."""
    parser.group('model').add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        type=key_value,
        metavar='KEY=VALUE',
        help='override settings of the config; lists as key="[a,b]" or key=a,b, nested as key="[(a,b),(c,d)]"',
    )


def add_outputs(parser: Parser) -> None:
    """Add the options for where results go and whether they are shown."""
    group = parser.group('results')
    group.add_argument('--out-dir', metavar='DIR', help='folder for the results (default: ./output)')
    group.add_argument('--out-file', metavar='FILE', help='file for the result, if there is only one picture or video')
    group.add_argument(
        '--show',
        action='store_true',
        help='show the results in a window; files are written only with --out-dir or --out-file',
    )
    add_index(parser)
    add_save_maps(parser)


def add_index(parser: Parser) -> None:
    """Add ``--no-index``, for commands that draw several pictures into a folder."""
    parser.group('results').add_argument(
        '--no-index', action='store_true', help='write no index.html, the page of thumbnails, beside several results'
    )


def add_save_maps(parser: Parser) -> None:
    """Add ``--save-maps``."""
    parser.group('results').add_argument(
        '--save-maps', action='store_true', help='also write the maps as arrays: an .npz file next to each picture'
    )


def add_look(parser: Parser, default: str = 'plasma') -> None:
    """Add ``--colormap`` and ``--alpha``; ``default`` says what the colour map is without one."""
    group = parser.group('drawing')
    group.add_argument(
        '--colormap', metavar='NAME', help=f'a colour map from OpenCV or matplotlib (default: {default})'
    )
    group.add_argument('--alpha', type=fraction, metavar='A', help='opacity of the maps over the picture, from 0 to 1')


def add_preview(parser: Parser) -> None:
    """Add ``--preview-model`` and ``--depth``."""
    group = parser.group('what to look at')
    group.add_argument(
        '--preview-model', action='store_true', help='list the layers with their output shapes instead of drawing'
    )
    group.add_argument(
        '--depth', type=positive, metavar='N', help='with --preview-model, how deep nested modules are listed (all)'
    )


def add_inspection(parser: Parser, default_layers: str) -> None:
    """Add the options for which layers to look at and which boxes to ignore."""
    group = parser.group('what to look at')
    group.add_argument(
        '--target-layers',
        nargs='+',
        metavar='LAYER',
        help=f'layers such as neck, backbone.stage4 or backbone.layer4[-1] (default: {default_layers})',
    )
    add_preview(parser)
    parser.group('boxes').add_argument(
        '--score-thr', type=fraction, default=0.3, metavar='S', help='ignore boxes with a lower score (default: 0.3)'
    )


def parse(parser: Parser, argv: Optional[List[str]] = None) -> argparse.Namespace:
    """Parse a command's arguments, options and positionals in any order; sentences are put in its options from now on.

    Args:
        parser: The command's parser.
        argv: The words after the command. Defaults to those of the process.
    """
    use_options_of(parser)
    parser.given = words_of(argv)
    parser.shorten_usage()  # before parsing, which sets one of all options
    # Plain parse_args() gives up on an optional positional as soon as an option comes before it.
    args = parser.parse_intermixed_args(files_after_dashes(parser.given))
    use(args)
    return args


def read_cfg_options(items: Optional[List[str]]) -> Optional[Dict[str, Any]]:
    """Read the values of ``--cfg-options`` as mmengine's own scripts do.

    Args:
        items: Texts of the form ``key=value``.

    Returns:
        The argument of ``Config.merge_from_dict``; ``None`` without options.

    Raises:
        MmlensError: If a value cannot be read.
    """
    if not items:
        return None
    from mmengine.config import DictAction

    action = DictAction(option_strings=['--cfg-options'], dest='options', nargs='+')
    read: Dict[str, Any] = {}
    for item in items:
        namespace = argparse.Namespace()
        try:
            action(argparse.ArgumentParser(), namespace, [item])
        except AssertionError:
            raise MmlensError(f'--cfg-options {item}: the brackets do not match.') from None
        except RecursionError:  # mmengine's parser takes a dict for a list that never ends
            raise MmlensError(f'--cfg-options {item}: a value is a word, a number or a list, not a dict.') from None
        read.update(namespace.options)
    return read
