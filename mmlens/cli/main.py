"""The ``mmlens`` command: finds the module of the command that was named, and runs it."""

from __future__ import annotations

import argparse
import difflib
import importlib
import signal
import sys
from typing import List, Optional

from ..version import __version__
from .arguments import Parser

COMMANDS = {
    'featmap': 'draw the feature maps of any layer over the picture',
    'boxam': 'draw, for every box of a detector, the evidence for that box',
    'cam': 'draw the evidence in a picture for the classes of a classifier',
    'report': 'write one HTML file in which every box of many pictures can be looked at with a browser',
    'evaluate': 'measure how true the maps of a detector are, on a test set, beside baselines',
    'errors': 'find what a detector does wrong on annotated pictures, what it costs in mAP, and why',
    'compare': 'compare two checkpoints, or one under two settings: the same objects, side by side',
    'sanity': 'check whether maps change when the weights of the network are drawn anew',
    'pipeline': 'draw what each transform of a data pipeline does to the samples of a dataset',
    'lr': 'draw the learning rate, momentum or weight decay over a training run',
    'history': 'show how the drawings of the training hooks changed over a training run',
    'layers': 'list the layers of a model by the names that --target-layers takes',
    'info': 'show what is installed, which families work, and what a config would import',
    'completion': 'print the script that completes commands and options in a shell',
}


EXAMPLES = (('mmlens boxam dog.jpg rtmdet_tiny_8xb32-300e_coco',),)


def build_parser() -> Parser:
    """Build the parser that answers ``--help`` and ``--version`` and knows the names of the commands."""
    width = max(map(len, COMMANDS))
    parser = Parser(
        prog='mmlens',
        usage='%(prog)s [-h] [--version] COMMAND ...',
        examples=EXAMPLES,
        verbosity=False,
        description='See what an OpenMMLab model looks at.',
        epilog='commands:\n'
        + '\n'.join(f'  {name:<{width}}  {purpose}' for name, purpose in COMMANDS.items())
        + '\n\n`mmlens COMMAND --help` explains a command, in groups and with examples.',
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    parser.add_argument('command', metavar='COMMAND', type=_command, help='one of the commands below')
    return parser


def _command(word: str) -> str:
    if word not in COMMANDS:
        near = difflib.get_close_matches(word, COMMANDS, 1)
        meant = f'did you mean {near[0]}?' if near else f'there are {", ".join(COMMANDS)}'
        raise argparse.ArgumentTypeError(f'there is no command {word!r}: {meant}')
    return word


def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens``.

    Args:
        argv: The words after ``mmlens``. Defaults to those of the process.

    Returns:
        The exit status: 0 done, 1 some pictures failed, 2 an error, 70 a crash, 130 interrupted, 143 terminated.
    """
    argv = sys.argv[1:] if argv is None else argv
    # Only the first word is parsed here; the rest belongs to the command's own parser.
    command = build_parser().parse_args(argv[:1]).command
    return importlib.import_module(f'.commands.{command}', __package__).main(argv[1:])


def run(command: Optional[str] = None) -> None:
    """Be the process of ``mmlens``, or of a script that stands for one command, and exit with its status."""
    from ..compat import lazy_registries

    lazy_registries.install()
    status = main(None if command is None else [command, *sys.argv[1:]])
    # All is done: Ctrl-C must not make a failure of it while Python ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # After a Ctrl-C within exec() of a text, as when a dataclass is made, Python ends by that signal whatever the
    # status is, unless it runs another text.
    exec('')
    sys.exit(status)
