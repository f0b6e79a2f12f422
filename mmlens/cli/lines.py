"""The ways in which a run works through its pictures: one step after the other, or several steps at once."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Deque, Generator, Iterable, List, Optional, Tuple

from .drawn import Drawn

if TYPE_CHECKING:
    from ..crew import Crew

Explain = Callable[[Any], Drawn]
Finish = Callable[[Any, Drawn], None]
Read = Callable[[Iterable[Any]], Generator[Any, None, None]]
# Returns what came of a task, or raises what went wrong.
Outcome = Callable[[], Drawn]
Outcomes = Generator[Tuple[Any, Outcome], None, None]


class Line:
    """Works on each task to its end before it begins the next.

    Args:
        explain: What the network does for a task, in the thread that asks for outcomes.
        finish: Draws and writes what came of it.
    """

    def __init__(self, explain: Explain, finish: Finish) -> None:
        self._explain, self._finish = explain, finish

    def outcomes(self, tasks: Iterable[Any]) -> Outcomes:
        """Work on tasks, in their order.

        Yields:
            Each task and its outcome.
        """
        for task in tasks:
            yield task, partial(self._finished, task, self._explained(task))

    def _explained(self, task: Any) -> Outcome:
        """What the network has done for a task, or the error, which is told when it is its turn."""
        explained: Future[Drawn] = Future()
        try:
            explained.set_result(self._explain(task))
        except Exception as error:
            explained.set_exception(error)
        return explained.result

    def _finished(self, task: Any, explained: Outcome) -> Drawn:
        drawn = explained()
        self._finish(task, drawn)
        return drawn

    def rest(self) -> List[Tuple[Any, Outcome]]:
        """After an interrupt, the tasks that came to an end all the same, with their outcomes."""
        return []


class ThreadedLine(Line):
    """Draws and writes in a thread, one picture after the other, while the network works on the next.

    Args:
        explain, finish: See :class:`Line`.
        read: Reads what tasks need a little ahead of their turn, and yields the tasks.
        most: How many pictures, at most, wait to be drawn and written, which bounds the memory.
    """

    def __init__(self, explain: Explain, finish: Finish, read: Read, most: int = 2) -> None:
        super().__init__(explain, finish)
        self._read, self._most = read, most
        self._waiting: Deque[Tuple[Any, Future[Drawn]]] = deque()

    def outcomes(self, tasks: Iterable[Any]) -> Outcomes:
        """See :meth:`Line.outcomes`."""
        with ThreadPoolExecutor(1) as thread, contextlib.closing(self._read(tasks)) as read:
            for task in read:
                finished = thread.submit(self._finished, task, self._explained(task))
                self._waiting.append((task, finished))
                while len(self._waiting) > self._most or (self._waiting and self._waiting[0][1].done()):
                    yield self._waiting[0][0], self._first
            while self._waiting:
                yield self._waiting[0][0], self._first

    def _first(self) -> Drawn:
        """The outcome of the task that waits longest; interrupted, it waits on."""
        future = self._waiting[0][1]
        error = future.exception()
        self._waiting.popleft()
        if error is not None:
            raise error
        return future.result()

    def rest(self) -> List[Tuple[Any, Outcome]]:
        """See :meth:`Line.rest`."""
        return [(task, self._first) for task, _ in self._waiting]


class CrewLine(Line):
    """Explains the first picture as any line does, and lets several processes explain and draw the others.

    The first one shows whether all is well with the network, and how much memory it takes.

    Args:
        explain, finish: See :class:`Line`; what ``finish`` gets is packed if it is to be written.
        crew: Gives the processes, once they are needed; ``None`` if there is to be only this one.
        otherwise: The line for the others if there is only this process.
    """

    def __init__(
        self, explain: Explain, finish: Finish, crew: Callable[[], Optional[Crew]], otherwise: ThreadedLine
    ) -> None:
        super().__init__(explain, finish)
        self._crew, self._otherwise = crew, otherwise
        self._at_work: Optional[Crew] = None

    def outcomes(self, tasks: Iterable[Any]) -> Outcomes:
        """See :meth:`Line.outcomes`."""
        left = iter(tasks)
        yield from super().outcomes(itertools.islice(left, 1))
        self._at_work = self._crew()
        if self._at_work is None:
            yield from self._otherwise.outcomes(left)
            return
        for task, outcome in self._at_work.outcomes(left):
            yield task, partial(self._finished, task, partial(self._worked, task, outcome))

    def _worked(self, task: Any, outcome: Outcome) -> Drawn:
        """What another process made of a task; what went wrong there goes wrong here again, where it can be told."""
        from ..crew import FailedElsewhere

        try:
            return outcome()
        except FailedElsewhere:
            return self._explain(task)

    def rest(self) -> List[Tuple[Any, Outcome]]:
        """See :meth:`Line.rest`."""
        if self._at_work is None:
            return self._otherwise.rest()
        rest = self._at_work.rest()
        return [(task, partial(self._finished, task, partial(self._worked, task, outcome))) for task, outcome in rest]
