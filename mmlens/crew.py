"""Several processes at one work on the CPU, where small networks gain little from several threads.

They are forked from a process that has loaded the network and explained a picture, so they start at once and share its
memory. They only compute: whatever is written or told, the process writes and tells that forked them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import traceback
import warnings
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Callable, Deque, Dict, Generator, Iterable, Iterator, List, Optional, Tuple, cast

from .errors import MmlensError
from .parcels import Parcels

Work = Callable[[Any], Any]


def can_fork() -> bool:
    """Whether processes can be forked after torch has run.

    On other systems than Linux forking is unsafe or impossible, and torch forbids it where it knows of a GPU.
    """
    import torch

    return sys.platform == 'linux' and not torch.cuda.is_available()


def workers_for(model: Any, wanted: Optional[int]) -> int:
    """How many processes are to explain pictures.

    Args:
        model: Tells the device.
        wanted: What the user asked for. Defaults to as many as torch uses threads, on the CPU.

    Raises:
        MmlensError: If more than one was asked for, and that is not possible.
    """
    import torch

    device = next((parameter.device for parameter in model.parameters()), torch.device('cpu'))
    possible = device.type == 'cpu' and can_fork()
    if wanted is None:
        return torch.get_num_threads() if possible else 1
    if wanted > 1 and not possible:
        raise MmlensError('Several `workers` need Linux, a model on the CPU and a torch without a GPU: leave it out.')
    return wanted


def fitting_in_memory(wanted: int) -> int:
    """How many processes as large as this one was at its peak fit into half of the memory that is available."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return max(1, min(wanted, _available() // 2 // peak))


def _available() -> int:
    """Bytes; on a system that does not say, as many as there are."""
    with contextlib.suppress(OSError, StopIteration, ValueError, IndexError), open('/proc/meminfo') as file:
        return 1024 * int(next(line for line in file if line.startswith('MemAvailable')).split()[1])
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')


class FailedElsewhere(Exception):
    """Something went wrong in another process: with the lines of its traceback, for errors cannot be sent whole."""


@dataclass
class _Task:
    """A task that was begun, and what became of it."""

    task: Any
    done: bool = False
    result: Any = None
    trace: str = ''


class Crew:
    """Processes that work on tasks; leaving the block ends them at once.

    Args:
        work: Called for each task in one of the processes. What it returns is pickled.
        number: How many processes.
    """

    def __init__(self, work: Work, number: int) -> None:
        self._work, self._number = work, number
        self._processes: List[multiprocessing.process.BaseProcess] = []
        self._ends: Dict[Connection, Parcels] = {}
        self._begun: Deque[_Task] = deque()

    def __enter__(self) -> Crew:
        try:
            with _calm():
                for _ in range(self._number):
                    self._fork()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()
        for connection in self._ends:
            connection.close()

    def _fork(self) -> None:
        ours, theirs = Parcels.pair()
        self._ends[ours.connection] = ours
        context = multiprocessing.get_context('fork')
        process = context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        process.start()
        theirs.connection.close()
        self._processes.append(process)

    def outcomes(self, tasks: Iterable[Any]) -> Generator[Tuple[Any, Callable[[], Any]], None, None]:
        """Let the processes work on tasks; at most twice as many as there are processes wait for their turn.

        Yields:
            Each task, in order, with a function that returns what came of it, or raises :class:`FailedElsewhere`.

        Raises:
            MmlensError: If a process was ended from outside.
        """
        left, more, idle = iter(tasks), True, list(self._ends)
        busy: Dict[Connection, _Task] = {}
        while True:
            while more and idle and len(self._begun) < 2 * self._number:
                try:
                    task = _Task(next(left))
                except StopIteration:
                    more = False
                    break
                self._begun.append(task)
                busy[idle[-1]] = task
                _send(self._ends[idle.pop()], task.task)
            if not self._begun:
                return
            if self._begun[0].done:
                yield self._begun[0].task, self._first
                continue
            for connection in cast(List[Connection], wait(list(busy))):
                task = busy.pop(connection)
                task.result, task.trace = _received(self._ends[connection])
                task.done = True
                idle.append(connection)

    def _first(self) -> Any:
        first = self._begun.popleft()
        if first.trace:
            raise FailedElsewhere(first.trace)
        return first.result

    def rest(self) -> List[Tuple[Any, Callable[[], Any]]]:
        """After an interrupt, the tasks whose outcomes are known and whose turn has come."""
        known: List[Tuple[Any, Callable[[], Any]]] = []
        for begun in self._begun:
            if not begun.done:
                break
            known.append((begun.task, self._first))
        return known


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    """Bring this process into a state in which it can be forked.

    The threads of OpenCV and of torch do not live on in a forked process, where whoever waits for them waits forever:
    it gets the settings of a process that has none. A Ctrl-C must not reach it before it ignores it.
    """
    import cv2

    threads = cv2.getNumThreads()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        cv2.setNumThreads(1)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)  # of Python 3.12, where there are threads
            yield
    finally:
        cv2.setNumThreads(threads)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(end: Parcels, work: Work) -> None:
    """What a process of the crew does, until nobody is there any more."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that forked this one says when it is over
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _let_go_of_all_files_but(end.connection.fileno())
    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, OSError):
        while True:
            end.send(_reply(work, end.receive()))


def _let_go_of_all_files_but(kept: int) -> None:
    """Close what the other processes have open: whoever reads from one of them (ffmpeg) waits until all let go.

    The numbers stay taken, so that nobody closes a file of this process by an old number.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in map(int, os.listdir('/proc/self/fd')):
        if number > 2 and number not in (kept, nothing):
            with contextlib.suppress(OSError):  # that of the listing itself
                os.fstat(number)
                os.dup2(nothing, number)


def _reply(work: Work, task: Any) -> Tuple[Any, str]:
    try:
        return work(task), ''
    except Exception:
        return None, traceback.format_exc()


def _send(end: Parcels, task: Any) -> None:
    try:
        end.send(task)
    except OSError as error:
        raise _lost() from error


def _received(end: Parcels) -> Tuple[Any, str]:
    try:
        return end.receive()
    except (EOFError, OSError) as error:
        raise _lost() from error


def _lost() -> MmlensError:
    return MmlensError(
        'A process that worked on the pictures was ended from outside, perhaps for want of memory: use fewer `workers`.'
    )
