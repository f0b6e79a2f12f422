"""How much a command says: ``-q`` leaves errors and warnings, ``-v`` adds what it does and how long that takes."""

from __future__ import annotations

import argparse
import contextlib
import sys
from contextvars import ContextVar
from typing import Iterator

QUIET, USUAL, VERBOSE = -1, 0, 1

_level: ContextVar[int] = ContextVar('level', default=USUAL)
_answering: ContextVar[bool] = ContextVar('answering', default=False)


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """Add ``-q`` and ``-v``."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument('-q', '--quiet', action='store_true', help='print errors and warnings only')
    either.add_argument('-v', '--verbose', action='store_true', help='also print what is done, and how long it takes')


@contextlib.contextmanager
def of_a_command() -> Iterator[None]:
    """What a command sets within the block ends with it."""
    token = _level.set(_level.get())
    try:
        yield
    finally:
        _level.reset(token)


def use(args: argparse.Namespace) -> None:
    """Heed ``-q`` and ``-v`` from now on, until the command ends."""
    _level.set(QUIET if getattr(args, 'quiet', False) else VERBOSE if getattr(args, 'verbose', False) else USUAL)


def is_quiet() -> bool:
    """Whether only errors and warnings are wanted."""
    return _level.get() == QUIET


def is_muted() -> bool:
    """Whether what is printed now is dropped."""
    return is_quiet() and not _answering.get()


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """What is printed in the block is what the command was asked for: ``-q`` leaves it."""
    token = _answering.set(True)
    try:
        yield
    finally:
        _answering.reset(token)


def detail(sentence: str) -> None:
    """Print a line on stderr, with ``-v`` only."""
    if _level.get() == VERBOSE:
        with contextlib.suppress(OSError):
            print(f'mmlens: {sentence}', file=sys.stderr, flush=True)
