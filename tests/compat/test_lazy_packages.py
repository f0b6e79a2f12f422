"""Packages that import what they are asked for, in fresh interpreters; and which packages can."""

from __future__ import annotations

import pytest

from mmlens.compat.lazy_packages import exports_of

LAZY = """
import sys
from mmlens.compat import lazy_packages
lazy_packages.PACKAGES = ('outer',)
sys.meta_path.insert(0, lazy_packages.PackageFinder())
"""

FILES = {
    '__init__.py': '''
        """Nothing but imports."""
        from .one import ONE, shared as renamed
        from . import two
        from .three import *
        from .same import same
        from .deep import *
        try:
            from .optional import OPTIONAL
        except ImportError:
            OPTIONAL = None
        if ONE == 1:
            from .four import FOUR
            __all__.append('FOUR')
        LIMIT = 7
        __all__ = ['ONE', 'renamed', 'THREE', 'same', 'LIMIT']
        ''',
    'one.py': 'print("one runs")\nONE, shared = 1, "shared"',
    'two.py': 'print("two runs")\nTWO = 2',
    'three.py': 'print("three runs")\n__all__ = ["THREE"]\nTHREE, other = 3, "other"',
    'four.py': 'print("four runs")\nFOUR = 4',
    'same.py': 'print("same runs")\nbeside = 1\ndef same(): return "same"',
    'optional.py': 'import no_such_module',
    'deep/__init__.py': 'from .down import DOWN\nfrom .never import NEVER',
    'deep/down.py': 'print("down runs")\nDOWN = "down"',
    'deep/never.py': 'print("never runs")\nNEVER = 0',
    'busy/__init__.py': 'print("busy runs")\nfrom ..one import ONE',
}


@pytest.fixture
def package(tmp_path):
    import textwrap

    for name, text in FILES.items():
        (tmp_path / 'outer' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'outer' / name).write_text(textwrap.dedent(text))
    return tmp_path


@pytest.mark.parametrize(
    ('code', 'printed'),
    [
        ('import outer; print(outer.LIMIT)', ['7']),
        ('from outer import ONE; print(ONE)', ['one runs', '1']),
        ('import outer; print(outer.renamed, outer.renamed)', ['one runs', 'shared shared']),
        ('from outer import two; print(two.TWO)', ['two runs', '2']),
        ('import outer; print(outer.two.TWO)', ['two runs', '2']),
        ('from outer import THREE; print(THREE)', ['three runs', '3']),
        ('from outer import FOUR; print(FOUR)', ['four runs', '4']),
        ('from outer import DOWN; print(DOWN)', ['three runs', 'down runs', 'down']),
        ('import outer.deep.down as d; print(d.DOWN)', ['down runs', 'down']),
        # A module and what the package takes from it may have the same name, whichever is imported first.
        ('from outer.same import beside; from outer import same; print(same())', ['same runs', 'same']),
        ('from outer import same; import outer.same; print(outer.same())', ['same runs', 'same']),
        ('import outer.busy; print(outer.busy.ONE)', ['busy runs', 'one runs', '1']),
        (
            'from outer import *; print(ONE, renamed, THREE, same(), LIMIT)',
            ['one runs', 'three runs', 'same runs', '1 shared 3 same 7'],
        ),
        ('from outer.deep import *; print(DOWN, NEVER)', ['down runs', 'never runs', 'down 0']),
        ('import outer; print(hasattr(outer, "no"), hasattr(outer, "__wrapped__"))', ['three runs', 'False False']),
        ('import outer; print({"ONE", "two", "LIMIT"} <= set(dir(outer)), outer.__doc__)', ['True None']),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_imported_and_nothing_else(fresh, package, code, printed):
    done = fresh(LAZY + code, package)
    assert done.stdout.splitlines() == printed, done.stderr


@pytest.mark.parametrize('code', ['from outer import OPTIONAL', 'import outer; outer.OPTIONAL'])
def test_what_is_optional_is_missing_when_it_is_asked_for(fresh, package, code):
    assert "No module named 'no_such_module'" in fresh(LAZY + code, package).stderr


def test_completed_they_are_as_if_they_had_run(fresh, package):
    code = 'import outer\nlazy_packages.complete("outer")\nprint(sorted(n for n in sys.modules if "outer" in n))'
    done = fresh(LAZY + code, package)
    names = ['', '.deep', '.deep.down', '.deep.never', '.four', '.one', '.same', '.three', '.two']
    assert done.stdout.splitlines()[-1] == str([f'outer{name}' for name in names]), done.stderr
    again = 'import outer\nprint(lazy_packages.complete_all(), lazy_packages.complete_all())'
    assert fresh(LAZY + again, package).stdout.splitlines()[-1] == 'True False'


@pytest.mark.parametrize(
    'text', ['print()', 'x = print()', 'import os', 'def f(): pass', 'try:\n    import a\nexcept KeyError: pass', '(']
)
def test_packages_that_do_something_run(tmp_path, text):
    file = tmp_path / '__init__.py'
    file.write_text(f'from .one import ONE\n{text}')
    assert exports_of('any', str(file)) is None
