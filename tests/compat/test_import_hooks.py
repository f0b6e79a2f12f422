"""What happens around an import: real modules in a fresh interpreter."""

from __future__ import annotations

import pytest

AROUND = """
import contextlib, sys
from mmlens.compat.import_hooks import around_import

def noting(word):
    @contextlib.contextmanager
    def around(name):
        print(word, name)
        try:
            yield
        finally:
            print('after', name)
    return around
"""


@pytest.fixture
def modules(tmp_path):
    """A folder with a package `outer` that imports its `inner`, and a module that fails."""
    (tmp_path / 'outer').mkdir()
    (tmp_path / 'outer' / '__init__.py').write_text('from . import inner\nprint("outer runs")')
    (tmp_path / 'outer' / 'inner.py').write_text('print("inner runs")')
    (tmp_path / 'broken.py').write_text('print("broken runs")\nraise ZeroDivisionError')
    return tmp_path


def test_a_module_runs_within_the_context_when_it_is_first_imported(fresh, modules):
    code = "around_import('outer.inner', noting('before'))\nprint('nothing yet')\nimport outer, outer.inner"
    done = fresh(AROUND + code, modules)
    assert done.stdout.splitlines() == [
        'nothing yet',
        'before outer.inner',
        'inner runs',
        'after outer.inner',
        'outer runs',
    ], done.stderr


def test_contexts_of_a_name_are_nested_each_once_and_each_name_has_its_own(fresh, modules):
    code = """
first = noting('first')
around_import('outer.inner', first)
around_import('outer.inner', noting('second'))
around_import('outer.inner', first)
around_import('outer', noting('another'))
print(len([finder for finder in sys.meta_path if type(finder).__module__.startswith('mmlens')]))
import outer
"""
    done = fresh(AROUND + code, modules)
    assert done.stdout.splitlines() == [
        '1',
        'another outer',
        'first outer.inner',
        'second outer.inner',
        'inner runs',
        'after outer.inner',
        'after outer.inner',
        'outer runs',
        'after outer',
    ], done.stderr


def test_what_is_imported_already_is_left_alone(fresh, modules):
    code = "import outer\naround_import('outer', noting('before'))\nimport outer"
    assert fresh(AROUND + code, modules).stdout.splitlines() == ['inner runs', 'outer runs']


def test_errors_pass_through_the_context(fresh, modules):
    code = """
for name in ('broken', 'no_such_module'):
    around_import(name, noting('before'))
    try:
        __import__(name)
    except Exception as error:
        print(type(error).__name__, name in sys.modules)
"""
    done = fresh(AROUND + code, modules)
    assert done.stdout.splitlines() == [
        'before broken',
        'broken runs',
        'after broken',
        'ZeroDivisionError False',
        'ModuleNotFoundError False',
    ], done.stderr


def test_the_loader_still_answers_for_the_module(fresh, modules):
    code = """
import importlib.util, inspect
around_import('outer.inner', noting('before'))
import outer
spec = outer.inner.__spec__
print(spec.origin.endswith('inner.py'), inspect.getsource(outer.inner).strip(), spec.loader.is_package('outer.inner'))
"""
    done = fresh(AROUND + code, modules)
    assert done.stdout.splitlines()[-1] == 'True print("inner runs") False', done.stderr
