"""Whose line of code raised an error."""

import json
import os

import pytest

import mmlens.cli.guard
import mmlens.compat
from mmlens.code_lines import culprit, whose


def raised(place, code='1 / 0', module='anything', then=None):
    """The error that a line of code at a place raises."""
    names = {'__name__': module, 'then': then}
    try:
        exec(compile(f'def act():\n    {code}\nact()', str(place), 'exec'), names)
    except Exception as error:
        return error.with_traceback(error.__traceback__.tb_next)


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'net.py').write_text('import torch\nx = torch.ones(1)  # odd\n')
    return tmp_path / 'net.py'


def test_the_users_line_is_named_as_they_would(theirs):
    line = culprit(raised(theirs))
    assert (str(line), line.function, line.code) == ('net.py, line 2', 'act', 'x = torch.ones(1)  # odd')
    os.chdir('/')
    assert str(culprit(raised(theirs))).endswith('net.py, line 2')


def test_whose_line_it_is(theirs):
    ours, shim = mmlens.cli.guard.__file__, mmlens.compat.__file__
    assert whose(raised(theirs)) == 'user'
    assert whose(raised(ours)) == 'mmlens'
    assert whose(raised('/x/site-packages/mmdet/a.py', module='mmdet.a')) == 'library'
    assert whose(raised(theirs, module='mmdet.models.a')) == 'library'  # installed from a folder of sources
    assert whose(raised(shim)) == 'library'  # stands in for a library's code
    assert whose(raised('/x/site-packages/numpy/a.py', module='numpy.a')) == 'mmlens'  # nobody else called it
    assert whose(ValueError('never raised')) == 'mmlens'


def test_the_innermost_of_them_counts(theirs):
    inner = raised(theirs, 'then()', then=lambda: json.loads('{'))
    assert str(culprit(inner)) == f'{__file__}, line {inner.__traceback__.tb_next.tb_next.tb_lineno}'
    through = raised(mmlens.cli.guard.__file__, 'raise then', then=inner)
    assert whose(through) == 'user'


def test_an_error_that_a_library_raised_in_its_place_leads_to_it(theirs):
    code = 'raise KeyError("class Net in net.py: no") from then'
    wrapped = raised('/x/site-packages/mmengine/build.py', code, 'mmengine.build', raised(theirs))
    assert str(culprit(wrapped)) == 'net.py, line 2'
    other = raised('/x/site-packages/mmengine/build.py', code, 'mmengine.build', raised('/y.py', module='mmcv'))
    assert culprit(other).file.endswith('build.py')


def test_circles_of_causes_end():
    one, two = ValueError('a'), ValueError('b')
    one.__cause__, two.__cause__ = two, one
    assert culprit(one) is None
