import os
import signal
import threading

import pytest

from mmlens.cli.interrupts import held_back


@pytest.fixture(autouse=True)
def heeding():
    """Shells let what runs in their background ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_it_has_its_effect_when_the_block_ends():
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        press()
        done.append('written')
        done.append('counted')
    assert done == ['written', 'counted']


def test_a_second_one_does_not_wait():
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        press()
        press()
        done.append('never')
    assert not done


def test_it_comes_after_an_error_too():
    with pytest.raises(KeyboardInterrupt) as interrupt, held_back():
        press()
        raise ZeroDivisionError
    assert isinstance(interrupt.value.__context__, ZeroDivisionError)


def test_without_one_nothing_happens():
    with held_back():
        pass
    with pytest.raises(ZeroDivisionError), held_back():
        raise ZeroDivisionError


def test_one_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_back():
        press()
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_other_threads_are_left_alone():
    seen = []
    thread = threading.Thread(target=lambda: [seen.append(1) for _ in [held_back().__enter__()]])
    thread.start()
    thread.join()
    assert seen == [1]
