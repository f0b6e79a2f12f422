"""The file in which methods of many passes keep what they found; D-RISE's and precisionsearch's tests resume it."""

import pytest
import torch

from mmlens.attribution.methods.kept import KeptFile
from mmlens.errors import MethodError, OutputError


def kept(made, path, settings=(1, 2), **changes):
    job = made.job('drise', resume=None if path is None else str(path), **changes)
    return KeptFile(job, 'a method', 'numbers', settings)


def test_without_the_option_nothing_is_kept(made, tmp_path):
    file = kept(made, None)
    file.save(torch.ones(2))
    assert file.path is None and file.load() is None and not list(tmp_path.iterdir())


def test_what_was_kept_comes_back(made, tmp_path):
    path = tmp_path / 'kept.npz'
    file = kept(made, path)
    assert file.load() is None
    file.save(torch.tensor([[1.5, -2.0]], dtype=torch.float64))
    assert kept(made, path).load().tolist() == [[1.5, -2.0]]
    file.save(torch.zeros(3))
    assert kept(made, path).load().tolist() == [0, 0, 0]


def test_now_and_then_is_at_once_and_then_not_before_a_second(made, tmp_path):
    file = kept(made, tmp_path / 'kept.npz')
    file.save_now_and_then(torch.zeros(1))
    file.save_now_and_then(torch.ones(1))
    assert file.load().tolist() == [0]


def test_something_else_is_refused_in_a_sentence(made, tmp_path):
    path = tmp_path / 'kept.npz'
    kept(made, path).save(torch.zeros(1))
    with pytest.raises(MethodError) as error:
        kept(made, path, settings=(1, 3)).load()
    assert str(error.value) == (
        f'{path} was started with another picture, other boxes or other options: delete it, or name another file with '
        '`resume`.'
    )
    path.write_text('no archive')
    with pytest.raises(MethodError) as error:
        kept(made, path).load()
    assert str(error.value) == f'{path} holds no progress of a method: delete it, or name another file with `resume`.'


def test_a_place_that_cannot_be_written_to_is_told(made, tmp_path):
    with pytest.raises(OutputError) as error:
        kept(made, tmp_path).save(torch.zeros(1))
    assert str(error.value) == f'Cannot write {tmp_path}: name another file with `resume`.'
