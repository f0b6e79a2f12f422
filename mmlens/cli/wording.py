"""The library's sentences name its parameters and functions; here they become the options and commands of mmlens.

Errors, warnings and notes of the library put them in backticks: `norm_in_bbox`, `device='cpu'`, `list_layers()`.
Whatever else stands in backticks stays as it is.
"""

from __future__ import annotations

import ast
import contextlib
import re
import shlex
from contextvars import ContextVar
from typing import TYPE_CHECKING, Iterator, List, Match, Optional

if TYPE_CHECKING:
    from .arguments import Parser

# What is called in Python, and the command that does the same.
COMMANDS = {
    'check_sanity': 'sanity',
    'compare_boxes': 'compare',
    'explain_boxes': 'boxam',
    'explain_classes': 'cam',
    'feature_maps': 'featmap',
    'find_errors': 'errors',
    'list_layers': 'layers',
    'rehearse': 'lr',
    'Samples': 'pipeline',
}

_QUOTED = re.compile('`([^`]+)`')
_CALL = re.compile(r'(\w+)(\(.*\))?')
_SETTING = re.compile(r'(\w+)(?:=(.+))?')

# The parser of the command that runs, as the only item; empty until it has parsed; None outside of any command.
_parser: ContextVar[Optional[List[Parser]]] = ContextVar('parser', default=None)


@contextlib.contextmanager
def of_a_command() -> Iterator[None]:
    """The block is a command: sentences within it can be put in its options, and those after it cannot."""
    token = _parser.set([])
    try:
        yield
    finally:
        _parser.reset(token)


def use_options_of(parser: Parser) -> None:
    """Put sentences in the options of this parser from now on, until the command ends; outside of one, do nothing."""
    running = _parser.get()
    if running is not None:
        running[:] = [parser]


def running() -> str:
    """The name of the command that runs: ``mmlens boxam``; ``mmlens`` outside of one."""
    parsers = _parser.get()
    return parsers[0].prog if parsers else 'mmlens'


def in_options(sentence: str) -> str:
    """A sentence of the library as users of the command that runs should read it.

    Example:
        In ``mmlens boxam``, ``leave out `layers`, or use `device='cpu'` `` becomes
        ``leave out --target-layers, or use --device cpu``.
    """
    return _QUOTED.sub(_in_options, sentence)


def _in_options(quoted: Match[str]) -> str:
    text, parsers = quoted[1], _parser.get()
    call = _CALL.fullmatch(text)
    if call and call[1] in COMMANDS:
        return f'`mmlens {COMMANDS[call[1]]}`'
    setting = _SETTING.fullmatch(text)
    option = parsers[0].option_of(setting[1]) if parsers and setting else ''
    if not option or not setting:
        return quoted[0]
    return f'{option} {_words(setting[2])}' if setting[2] and setting[2] != 'True' else option


def _words(value: str) -> str:
    """A value as it is written after an option: ``{'a.b': 1, 'c': N}`` becomes ``a.b=1 c=N``."""
    try:
        return _written(ast.parse(value, mode='eval').body)
    except (SyntaxError, TypeError):
        return value


def _written(node: ast.AST) -> str:
    if isinstance(node, (ast.List, ast.Tuple)):
        return ' '.join(map(_written, node.elts))
    if isinstance(node, ast.Dict):
        return ' '.join(f'{_written(key)}={_written(item)}' for key, item in zip(node.keys, node.values) if key)
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f'-{_written(node.operand)}'
    if isinstance(node, ast.Constant):
        return shlex.quote(str(node.value)) if ' ' in str(node.value) else str(node.value)
    raise TypeError(f'{type(node).__name__} is not written after options')
