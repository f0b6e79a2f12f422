"""The tests mirror the package: every module that does something has a test of its own name in the same place."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'mmlens'


def does_something(path: Path) -> bool:
    """Whether a module defines a function or class of its own; lists of names and the version do not."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    return any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in tree.body)


def test_every_module_has_a_namesake_test():
    missing = []
    for path in sorted(PACKAGE.rglob('*.py')):
        place = path.relative_to(PACKAGE)
        if place.stem.startswith('__') or '.mim' in place.parts or not does_something(path):
            continue
        test = ROOT / 'tests' / place.parent / f'test_{place.name}'
        if not test.exists() or 'def test_' not in test.read_text(encoding='utf-8'):
            missing.append(str(place))
    assert not missing
