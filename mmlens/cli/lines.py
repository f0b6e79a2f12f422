"""The ways in which a run works through its pictures: one step after the other, or several steps at once."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Deque, Generator, Iterable, Iterator, List, Optional, Sequence, Tuple

from .drawn import Drawn

if TYPE_CHECKING:
    from ..crew import Crew

Explain = Callable[[Any], Drawn]
Finish = Callable[[Any, Drawn], None]
Read = Callable[[Iterable[Any]], Generator[Any, None, None]]
# Returns what came of a task, or raises what went wrong.
Outcome = Callable[[], Drawn]
Outcomes = Generator[Tuple[Any, Outcome], None, None]
# Several tasks at once.
Together = Callable[[Sequence[Any]], List[Drawn]]


def explained(tasks: Sequence[Any], explain: Explain, together: Optional[Together] = None) -> List[Outcome]:
    """What the network has done for each of some tasks, or the error, which is told when it is its turn.

    Args:
        tasks: The tasks.
        explain: Does it for one.
        together: Does it for several at once; where that fails, each is explained for itself.
    """
    if together is not None and len(tasks) > 1:
        with contextlib.suppress(Exception):
            return [partial(_itself, drawn) for drawn in together(tasks)]
    return [_explained(task, explain) for task in tasks]


def _explained(task: Any, explain: Explain) -> Outcome:
    one: Future[Drawn] = Future()
    try:
        one.set_result(explain(task))
    except Exception as error:
        one.set_exception(error)
    return one.result


def _itself(drawn: Drawn) -> Drawn:
    return drawn


class Line:
    """Works on each task to its end before it begins the next.

    Args:
        explain: What the network does for a task, in the thread that asks for outcomes.
        finish: Draws and writes what came of it.
        together: What the network does for several tasks at once. Defaults to none: they go one by one.
        size: How many tasks that may be.
    """

    def __init__(self, explain: Explain, finish: Finish, together: Optional[Together] = None, size: int = 1) -> None:
        self._explain, self._finish = explain, finish
        self._together, self._size = together, size if together else 1

    def outcomes(self, tasks: Iterable[Any]) -> Outcomes:
        """Work on tasks, in their order.

        Yields:
            Each task and its outcome.
        """
        for group in self._groups(tasks):
            for task, outcome in zip(group, self._explained(group)):
                yield task, partial(self._finished, task, outcome)

    def _groups(self, tasks: Iterable[Any]) -> Iterator[List[Any]]:
        """Tasks, so many at a time as the network works on at once."""
        left = iter(tasks)
        while True:
            group = list(itertools.islice(left, self._size))
            if not group:
                return
            yield group

    def _explained(self, group: Sequence[Any]) -> List[Outcome]:
        return explained(group, self._explain, self._together)

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
        explain, finish, together, size: See :class:`Line`.
        read: Reads what tasks need a little ahead of their turn, and yields the tasks.
        most: How many pictures, at most, wait to be drawn and written, which bounds the memory; no fewer than the
            network works on at once.
    """

    def __init__(
        self,
        explain: Explain,
        finish: Finish,
        read: Read,
        together: Optional[Together] = None,
        size: int = 1,
        most: int = 2,
    ) -> None:
        super().__init__(explain, finish, together, size)
        self._read, self._most = read, max(most, self._size)
        self._waiting: Deque[Tuple[Any, Future[Drawn]]] = deque()

    def outcomes(self, tasks: Iterable[Any]) -> Outcomes:
        """See :meth:`Line.outcomes`."""
        with ThreadPoolExecutor(1) as thread, contextlib.closing(self._read(tasks)) as read:
            for group in self._groups(read):
                for task, outcome in zip(group, self._explained(group)):
                    self._waiting.append((task, thread.submit(self._finished, task, outcome)))
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
        explain, finish, together, size: See :class:`Line`; what ``finish`` gets is packed if it is to be written.
        crew: Gives the processes, once they are needed; ``None`` if there is to be only this one. They take several
            tasks, and return what came of each, ``None`` where it failed.
        otherwise: The line for the others if there is only this process.
    """

    def __init__(
        self,
        explain: Explain,
        finish: Finish,
        crew: Callable[[], Optional[Crew]],
        otherwise: ThreadedLine,
        together: Optional[Together] = None,
        size: int = 1,
    ) -> None:
        super().__init__(explain, finish, together, size)
        self._crew, self._otherwise = crew, otherwise
        self._at_work: Optional[Crew] = None
        # Of the tasks that were done together, those whose turn has not come.
        self._begun: List[Tuple[Any, Outcome]] = []

    def outcomes(self, tasks: Iterable[Any]) -> Outcomes:
        """See :meth:`Line.outcomes`."""
        left = iter(tasks)
        yield from super().outcomes(itertools.islice(left, 1))
        self._at_work = self._crew()
        if self._at_work is None:
            yield from self._otherwise.outcomes(left)
            return
        for group, outcome in self._at_work.outcomes(self._groups(left)):
            self._begun = self._each(group, outcome)
            while self._begun:
                yield self._begun.pop(0)

    def _each(self, group: Sequence[Any], outcome: Callable[[], Any]) -> List[Tuple[Any, Outcome]]:
        """Each task of a group with its outcome."""
        found: List[Any] = []

        def worked(number: int) -> Drawn:
            if not found:
                found.extend(self._worked(group, outcome))
            # What went wrong there goes wrong here again, where it can be told.
            return self._explain(group[number]) if found[number] is None else found[number]

        return [(task, partial(self._finished, task, partial(worked, n))) for n, task in enumerate(group)]

    def _worked(self, group: Sequence[Any], outcome: Callable[[], Any]) -> List[Optional[Drawn]]:
        """What another process made of a group."""
        from ..crew import FailedElsewhere

        try:
            return outcome()
        except FailedElsewhere:
            return [None] * len(group)

    def rest(self) -> List[Tuple[Any, Outcome]]:
        """See :meth:`Line.rest`."""
        if self._at_work is None:
            return self._otherwise.rest()
        return [*self._begun, *(each for group in self._at_work.rest() for each in self._each(*group))]
