"""Ctrl-C during the many passes over a picture."""

import signal
import threading

import pytest

from mmlens.cli.progress import Passes


@pytest.fixture
def heeding():
    """Whatever started the tests may have Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_ends_the_passes_and_the_second_interrupts(heeding):
    passes = Passes()
    with passes.of_a_picture():
        assert passes(1, 9)
        signal.raise_signal(signal.SIGINT)
        assert not passes(2, 9) and passes.stopped
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with passes.of_a_picture():
        assert passes(1, 9) and not passes.stopped


def test_what_is_to_ignore_it_does(heeding):
    """As scripts have it of what they run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    passes = Passes()
    with passes.of_a_picture():
        signal.raise_signal(signal.SIGINT)
        assert passes(1, 9) and not passes.stopped
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_threads_get_no_signals(heeding):
    told = []

    def work():
        with Passes().of_a_picture():
            told.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == [signal.default_int_handler]
