"""The classes of errors, and what sentences are made of: another library's reason, counted things."""

import os

import pytest

from mmlens import errors
from mmlens.errors import MmlensError, MmlensWarning, count, missing_file, noted, reason, told, why

KINDS = [kind for name, kind in vars(errors).items() if name.endswith('Error') and name != 'JSONDecodeError']


@pytest.mark.parametrize('kind', KINDS)
def test_every_error_for_users_is_a_value_error(kind):
    assert issubclass(kind, MmlensError) and issubclass(kind, ValueError)
    with pytest.raises(ValueError, match=r'^Give more\.$'):
        raise kind('Give more.')


def test_a_warning_is_no_error():
    assert issubclass(MmlensWarning, UserWarning) and not issubclass(MmlensWarning, ValueError)


def test_whitespace_in_another_librarys_error_is_collapsed():
    assert reason(ValueError('  one   reason\twith gaps. \nand more')) == 'one reason with gaps.'
    assert reason(KeyError('a key')) == 'a key.'
    assert reason(ValueError()) == 'ValueError.'


def test_a_missing_file_is_found_among_the_causes():
    def error_of(look):
        try:
            try:
                look()
            except OSError as error:
                raise TypeError('cannot build it') from error
        except TypeError as error:
            return error

    assert missing_file(error_of(lambda: os.stat('nowhere/a.json'))) == 'nowhere/a.json'
    assert missing_file(error_of(lambda: os.listdir(__file__))) == '' == missing_file(ValueError())


def test_why_names_the_missing_file_or_else_the_reason():
    try:
        os.stat('nowhere/b.json')
    except OSError as error:
        assert why(error) == 'there is no nowhere/b.json.'
        wrapped = TypeError('cannot build it')
        wrapped.__cause__ = error
        assert why(wrapped) == 'there is no nowhere/b.json.'
    assert why(ValueError('no  good\nat all')) == 'no good.' and why(FileNotFoundError()) == 'FileNotFoundError.'


@pytest.mark.parametrize(
    ('number', 'thing', 'said'),
    [
        (1, 'box', '1 box'),
        (2, 'box', '2 boxes'),
        (0, 'box', '0 boxes'),
        (1, 'class', '1 class'),
        (2, 'class', '2 classes'),
        (2, 'batch', '2 batches'),
        (2, 'extra token', '2 extra tokens'),
        (1000, 'iteration', '1,000 iterations'),
    ],
)
def test_things_are_counted(number, thing, said):
    assert count(number, thing) == said


class Net:
    zero = 0

    def forward(self):
        raise AssertionError

    def divide(self):
        return 1 / self.zero


def error_of(act):
    try:
        act()
    except Exception as error:
        return error


def test_the_line_of_the_users_code_is_named():
    here = os.path.relpath(__file__) if not os.path.relpath(__file__).startswith('..') else __file__
    line = Net.divide.__code__.co_firstlineno + 1
    assert reason(error_of(Net().divide)) == f'division by zero ({here}, line {line}).'
    line = Net.forward.__code__.co_firstlineno + 1
    assert reason(error_of(Net().forward)) == f'AssertionError ({here}, line {line}: raise AssertionError).'
    assert told(error_of(Net().forward)) == f'AssertionError ({here}, line {line}, in forward: raise AssertionError).'


def test_an_error_without_text_quotes_a_librarys_line_too(tmp_path):
    from mmdet.datasets.transforms import Mosaic

    said = reason(error_of(lambda: Mosaic()(dict(img=None))))
    assert said.startswith('AssertionError (mmdet/datasets/transforms/transforms.py, line ')
    assert said.endswith(": assert 'mix_results' in results).")


def test_errors_of_other_code_get_a_note_and_ours_none():
    @noted
    def run(net):
        """Runs it."""
        return net.divide()

    @noted
    def fail():
        raise MmlensError('Give more.')

    error = error_of(lambda: run(Net()))
    assert isinstance(error, ZeroDivisionError) and str(error) == 'division by zero' and run.__doc__ == 'Runs it.'
    if hasattr(error, 'add_note'):
        (note,) = error.__notes__
        assert note.startswith('mmlens: ') and 'in divide: return 1 / self.zero' in note
    assert not hasattr(error_of(fail), '__notes__')
    net = Net()
    net.zero = 2
    assert run(net) == 0.5
