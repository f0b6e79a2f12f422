"""What CONTRIBUTING.md promises of the size of files and functions."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for path in sorted((ROOT / 'mmlens').rglob('*.py')) if '.mim' not in path.parts]


def test_no_file_is_longer_than_330_lines():
    lengths = {str(path): len(path.read_text(encoding='utf-8').splitlines()) for path in FILES}
    assert lengths and not {path: lines for path, lines in lengths.items() if lines > 330}


def test_at_most_one_function_in_twenty_is_longer_than_30_lines():
    """The docstring counts."""
    lengths = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lengths[f'{path.name}:{node.lineno} {node.name}'] = node.end_lineno - node.lineno + 1
    long = {name: lines for name, lines in lengths.items() if lines > 30}
    assert len(long) <= len(lengths) / 20, f'{len(long)} of {len(lengths)}: {long}'
