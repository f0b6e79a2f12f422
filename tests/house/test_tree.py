"""The tree in CONTRIBUTING.md names the modules that exist, one line a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parents[2]


def paths_in_tree() -> List[str]:
    """The files and folders of the tree, by their paths in the repository; each line has a few words."""
    text = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    tree = text[text.index('\n    mmlens/') + 1 :].partition('\n\n')[0]
    found: List[str] = []
    parents: List[str] = []
    for line in tree.splitlines():
        indent, name, words = re.fullmatch(r' {4}( *)([\w.]+/?) +(\S.*)', line).groups()
        assert words
        del parents[len(indent) // 2 :]
        found.append('/'.join([*parents, name.rstrip('/')]))
        if name.endswith('/'):
            parents.append(name.rstrip('/'))
    return found


def test_the_tree_names_every_module_and_no_other():
    package = ROOT / 'mmlens'
    modules = {path for path in package.rglob('*.py') if path.name != '__init__.py' and '.mim' not in path.parts}
    folders = {path.parent for path in package.rglob('__init__.py')}
    expected = sorted(str(path.relative_to(ROOT)) for path in modules | folders)
    listed = paths_in_tree()
    assert sorted(listed) == expected
    assert len(set(listed)) == len(listed)
