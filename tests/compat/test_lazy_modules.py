"""Modules that run when something is asked of them, in fresh interpreters."""

from __future__ import annotations

import pytest

DEFERRED = """
import sys
from mmlens.compat import lazy_modules, lazy_packages
lazy_modules.UNUSED.clear()
lazy_modules.UNUSED.update({'heavy': {'instead': lambda x: -x}, 'heavy.parts': {'work': None}})
sys.meta_path.insert(0, lazy_packages.PackageFinder())
"""


@pytest.fixture
def heavy(tmp_path):
    (tmp_path / 'heavy').mkdir()
    (tmp_path / 'heavy' / '__init__.py').write_text('print("heavy runs")\nVALUE = 1\nfrom . import parts')
    (tmp_path / 'heavy' / 'parts.py').write_text('print("parts run")\nVALUE = 2\ndef work(x): return x + VALUE')
    (tmp_path / 'heavy' / 'other.py').write_text('from . import VALUE\nprint("other runs")')
    return tmp_path


@pytest.mark.parametrize(
    ('code', 'printed'),
    [
        ('import heavy, heavy.parts; import heavy; print(heavy.__name__)', ['heavy']),
        ('import heavy; print(heavy.VALUE, heavy.VALUE)', ['heavy runs', '1 1']),
        (
            'from heavy.parts import work; print("nothing yet"); print(work(3), work(4))',
            ['nothing yet', 'heavy runs', 'parts run', '5 6'],
        ),
        (
            'import heavy; print(heavy.instead(3)); heavy.VALUE; print(hasattr(heavy, "instead"))',
            ['-3', 'heavy runs', 'False'],
        ),
        ('import heavy.parts; print(heavy.parts.VALUE)', ['heavy runs', 'parts run', '2']),
        ('import heavy.other', ['heavy runs', 'other runs']),
        ('import heavy; print(hasattr(heavy, "__no__"))', ['False']),
        ('from heavy import *; print(VALUE)', ['heavy runs', '1']),
        ('import heavy; print(hasattr(heavy, "no"))', ['heavy runs', 'False']),
    ],
)  # fmt: skip
def test_it_runs_when_something_is_asked_of_it(fresh, heavy, code, printed):
    done = fresh(DEFERRED + code, heavy)
    assert done.stdout.splitlines() == printed, done.stderr


def test_a_module_that_is_missing_is_missing_at_once(fresh, tmp_path):
    assert "No module named 'heavy'" in fresh(DEFERRED + 'import heavy', tmp_path).stderr
