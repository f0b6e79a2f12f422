"""``mmlens completion``: prints the script that completes commands, options and files in a shell."""

from __future__ import annotations

import argparse
import importlib
from typing import Dict, List, Optional

from ...errors import MmlensError
from ..arguments import Parser, parse
from ..guard import DONE, guarded
from ..verbosity import answering

SHELLS = ('bash', 'zsh')
EXAMPLES = (
    ('mmlens completion bash', 'the script itself'),
    ('mmlens completion bash > ~/.local/share/bash-completion/completions/mmlens', 'bash: from the next shell on'),
    ('mmlens completion zsh > ~/.zfunc/_mmlens', 'zsh: with ~/.zfunc in fpath, before compinit'),
)

# shtab's own words for files and folders; it has to be asked for them where it is installed.
_FILES = ('img', 'config', 'checkpoint', 'rest', 'ann', 'out_file', 'save_path', 'resume', 'region')
_FOLDERS = ('folder', 'out_dir', 'output_dir', 'images')


def build_parser() -> Parser:
    """Build the parser of ``mmlens completion``."""
    parser = Parser(
        prog='mmlens completion',
        description='Print the script that completes the commands of mmlens, their options and files in a shell.',
        examples=EXAMPLES,
    )
    parser.add_argument('shell', metavar='SHELL', choices=SHELLS, help=' or '.join(SHELLS))
    return parser


def whole_parser() -> argparse.ArgumentParser:
    """One parser of all commands: that of ``mmlens`` reads the first word alone."""
    from ..main import COMMANDS
    from ..main import build_parser as build_main

    main_parser = argparse.ArgumentParser(prog='mmlens', description=build_main().description)
    main_parser.add_argument('--version', action='version', version='', help='show the version')
    commands = main_parser.add_subparsers(dest='command')
    for name, purpose in COMMANDS.items():
        own = importlib.import_module(f'.{name}', __package__).build_parser()
        # What a command's own parser writes into its usage is no part of the script.
        commands.add_parser(name, parents=[own], add_help=False, help=purpose, description=purpose)
    return main_parser


def _know_files(parser: argparse.ArgumentParser, kinds: Dict[str, Dict[str, str]]) -> None:
    """Mark what stands for files and folders, as shtab wants it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _know_files(command, kinds)
        elif action.dest in kinds and action.choices is None:
            action.complete = kinds[action.dest]  # type: ignore[attr-defined]


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens completion``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    try:
        import shtab
    except ImportError:
        raise MmlensError('Completion is made by shtab, which is not installed; run `pip install shtab`.') from None
    parser = whole_parser()
    _know_files(parser, {**dict.fromkeys(_FILES, shtab.FILE), **dict.fromkeys(_FOLDERS, shtab.DIRECTORY)})
    with answering():
        print(shtab.complete(parser, shell=args.shell))
    return DONE
