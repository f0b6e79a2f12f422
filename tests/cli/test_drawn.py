import pickle
from functools import partial

import cv2
import numpy as np
import pytest

from mmlens.cli.drawn import Drawn, smaller
from mmlens.errors import OutputError

PICTURE = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


def save(path):
    np.savez(str(path), maps=[1, 2])


def test_it_is_drawn_once_when_it_is_looked_at():
    calls = []

    def draw():
        calls.append(1)
        return PICTURE

    drawn = Drawn(draw, '')
    assert not calls
    assert drawn.image() is drawn.image() is PICTURE and calls == [1]


def test_picture_and_maps_are_written_next_to_each_other(tmp_path):
    Drawn(PICTURE, '', save_maps=save).write(tmp_path / 'a.png')
    assert (cv2.imread(str(tmp_path / 'a.png')) == PICTURE).all()
    assert np.load(str(tmp_path / 'a.npz'))['maps'].tolist() == [1, 2]
    Drawn(PICTURE, '', save_maps=save).write(None)
    assert len(list(tmp_path.iterdir())) == 2


def test_packed_and_sent_it_writes_the_same(tmp_path):
    plain, packed = Drawn(PICTURE, '', save_maps=save), Drawn(partial(PICTURE.copy), '', save_maps=save)
    plain.write(tmp_path / 'plain' / 'a.png')
    packed.packed(tmp_path / 'sent' / 'a.png', tmp_path)
    sent = pickle.loads(pickle.dumps(packed))
    sent.write(tmp_path / 'sent' / 'a.png')
    for name in ('a.png', 'a.npz'):
        assert (tmp_path / 'sent' / name).read_bytes() == (tmp_path / 'plain' / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['plain', 'sent']  # what waited is gone


def test_a_frame_is_packed_as_it_is(tmp_path):
    drawn = Drawn(lambda: PICTURE, '', save_maps=save)
    drawn.packed(None, tmp_path)
    assert drawn.file is None and (pickle.loads(pickle.dumps(drawn)).picture == PICTURE).all()


def test_what_no_file_holds_is_told_before_it_is_sent(tmp_path):
    with pytest.raises(OutputError, match='cannot be written as .xyz'):
        Drawn(PICTURE, '').packed(tmp_path / 'a.xyz', tmp_path)


def test_what_is_only_looked_at_is_small():
    assert smaller(np.zeros((1000, 2000, 3), np.uint8)).shape == (320, 640, 3)
    assert smaller(PICTURE) is PICTURE
