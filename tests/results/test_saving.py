from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest

from mmlens.results.saving import Stack, whole, write_npz


def test_it_is_what_numpy_writes(tmp_path):
    parts = [np.full((2, 3), n, np.float32) for n in range(4)]
    columns = {'maps': Stack(lambda: parts, (4, 2, 3)), 'names': np.array(['a', 'bc']), 'n': np.array(3)}
    write_npz(tmp_path / 'own.npz', columns)
    expected = io.BytesIO()
    np.savez_compressed(expected, maps=np.array(parts), names=columns['names'], n=columns['n'])
    expected.seek(0)
    with np.load(tmp_path / 'own.npz') as own, np.load(expected) as theirs:
        assert own.files == theirs.files
        for name in own.files:
            assert own[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(own[name], theirs[name])
            np.testing.assert_array_equal(own[name], whole(columns)[name])


def test_an_empty_stack(tmp_path):
    write_npz(tmp_path / 'none.npz', {'maps': Stack(list, (0, 5, 7))})
    with np.load(tmp_path / 'none.npz') as saved:
        assert saved['maps'].shape == (0, 5, 7)


def test_parts_of_other_sizes_are_refused(tmp_path):
    stack = Stack(lambda: [np.zeros((2, 3)), np.zeros((3, 2))], (2, 2, 3))
    with pytest.raises(ValueError, match='3, 2'):
        stack.array()
    with pytest.raises(ValueError, match='3, 2'):
        write_npz(tmp_path / 'own.npz', {'maps': stack})


def test_one_part_at_a_time_is_held(tmp_path):
    side, number = 256, 40
    stack = Stack(lambda: (np.full((side, side), n, np.float32) for n in range(number)), (number, side, side))
    tracemalloc.start()
    write_npz(tmp_path / 'own.npz', {'maps': stack})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * side * side * 4  # of 40 maps


def test_what_needs_a_pickle_is_refused(tmp_path):
    with pytest.raises(ValueError, match='Object arrays'):
        write_npz(tmp_path / 'own.npz', {'words': np.array([None], object)})


def test_what_is_written_is_as_long_as_it_says(tmp_path, monkeypatch):
    """Python 3.8 counts a file's bytes by `len`, which of a view on a map is its height."""
    import zipfile

    lengths = []
    opened = zipfile.ZipFile.open

    def watched(self, *args, **kwargs):
        file = opened(self, *args, **kwargs)
        write = file.write
        file.write = lambda data: (lengths.append((len(data), memoryview(data).nbytes)), write(data))[1]
        return file

    monkeypatch.setattr(zipfile.ZipFile, 'open', watched)
    parts = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    write_npz(
        tmp_path / 'a.npz', {'raw': Stack(lambda: iter(parts), (2, 3, 4)), 'none': Stack(lambda: iter(()), (0, 3, 4))}
    )
    monkeypatch.undo()
    assert len(lengths) > 2 and all(length == size for length, size in lengths)
    with np.load(tmp_path / 'a.npz') as saved:
        assert (saved['raw'] == parts).all() and saved['none'].shape == (0, 3, 4)
