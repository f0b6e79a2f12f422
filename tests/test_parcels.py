import numpy as np
import pytest

from mmlens.parcels import Parcels


@pytest.fixture
def ends():
    pair = Parcels.pair(room=1000)
    yield pair
    for end in pair:
        end.connection.close()


def test_what_is_sent_arrives_whatever_it_is(ends):
    asking, working = ends
    arrays = [np.arange(7, dtype=np.uint8), np.ones((3, 5), np.float32)[:, ::2], np.zeros((0, 4))]
    for there, back in ((asking, working), (working, asking)):
        there.send({'name': 'a', 'arrays': arrays, 'nothing': None})
        found = back.receive()
        assert found['name'] == 'a' and found['nothing'] is None
        for one, other in zip(found['arrays'], arrays):
            assert one.dtype == other.dtype and one.shape == other.shape and (one == other).all()


def test_arrays_that_come_back_stay_what_they_are(ends):
    asking, working = ends
    working.send(np.full(9, 1))
    first = asking.receive()
    working.send(np.full(9, 2))
    second = asking.receive()
    assert (first == 1).all() and (second == 2).all()
    first += 1  # and may be written to
    assert (first == 2).all()


def test_arrays_that_go_there_are_a_view_of_the_memory(ends):
    asking, working = ends
    asking.send(np.full(9, 1))
    first = working.receive()
    asking.send(np.full(9, 2))
    working.receive()
    assert (first == 2).all()


def test_arrays_that_do_not_fit_arrive_all_the_same(ends):
    asking, working = ends
    large = np.arange(5000, dtype=np.int64)
    asking.send([large, np.ones(3)])
    found = working.receive()
    assert (found[0] == large).all() and (found[1] == 1).all()


def test_the_end_of_the_other_process_is_the_end(ends):
    asking, working = ends
    working.connection.close()
    with pytest.raises(EOFError):
        asking.receive()
