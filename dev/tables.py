"""What the scripts that fill a table of the docs share: a process per row, the versions, Markdown."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence, Tuple, TypeVar

HERE = Path(__file__).resolve().parent
STACK = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'mmyolo')

Row = TypeVar('Row')


def ask_own_process(script: str, question: Dict[str, Any], timeout: float) -> Tuple[Dict[str, Any], str]:
    """Run a script of this folder in a new interpreter.

    Returns:
        The content of its last line and ``''``; or an empty dict, and why it ended without a result.
    """
    command = [sys.executable, '-W', 'ignore', str(HERE / script), json.dumps(question)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {}, f'No result within {timeout:g} s.'
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        return json.loads(lines[-1]), ''
    last = (done.stderr.strip().splitlines() or ['no message'])[-1]
    return {}, f'The process ended with status {done.returncode}: {last}'


def stack() -> Tuple[Dict[str, str], str]:
    """The installed versions, and whether mmcv's ops are compiled."""
    from mmlens import compat
    from mmlens.compat import mmcv_ops

    compat.prepare()
    import mmcv.ops  # noqa: F401

    return compat.versions(), ", mmcv's ops served by mmlens's stand-in" if mmcv_ops.in_use() else ''


def place(text: str) -> Path:
    """Read the name of a writable folder: minutes of measuring must not be lost at the end."""
    from mmlens.cli.outputs import check_writable
    from mmlens.errors import OutputError

    try:
        check_writable(Path(text))
    except OutputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Path(text)


def page(text: str) -> Path:
    """Read the name of a writable file, and create its folder."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f'{text} is a folder: name a file.')
    place(str(path.parent)).mkdir(parents=True, exist_ok=True)
    return path


def made_with(device: str, versions: Dict[str, str], ops: str) -> str:
    """The sentence of a page on what its rows were made with.

    Args:
        device: Such as ``the CPU``.
        versions, ops: See :func:`stack`.
    """
    packages = ', '.join(f'{name} {versions[name]}' for name in STACK if name in versions)
    return f'Python {platform.python_version()}, {packages}, on {device}{ops}'


def table(rows: Sequence[Row], columns: Dict[str, Callable[[Row], str]]) -> str:
    """A table of Markdown.

    Args:
        rows: One per line.
        columns: Heading -> the cell of a row.
    """
    lines = [list(columns), ['---'] * len(columns), *([cell(row) for cell in columns.values()] for row in rows)]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def tick(value: Optional[bool]) -> str:
    """A cell for yes, no, or unknown."""
    return {True: 'yes', False: '**no**', None: '-'}[value]


def in_a_cell(text: str) -> str:
    """Text, made fit for a cell."""
    return text.replace('|', '\\|').replace('<', '&lt;')
