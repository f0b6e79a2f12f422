"""A saved result is opened as what it was."""

from __future__ import annotations

import numpy as np
import pytest

import mmlens
from mmlens.errors import MmlensError
from mmlens.results.loading import load


@pytest.mark.parametrize('kind', ['boxes', 'classes', 'features'])
def test_every_kind_is_opened_as_what_it_was(kind, request, tmp_path):
    result = request.getfixturevalue(kind)
    path = result.save(tmp_path / 'saved.npz')
    opened = load(path)
    assert type(opened) is type(result) and opened == result
    assert mmlens.load(str(path)) == result


def test_a_kind_that_this_version_does_not_know(tmp_path):
    path = tmp_path / 'saved.npz'
    np.savez(path, kind=np.array('video maps'), format=np.array(1))
    with pytest.raises(MmlensError) as raised:
        load(path)
    assert str(raised.value) == f'{path} holds video maps, which this mmlens does not know: upgrade mmlens to open it.'
