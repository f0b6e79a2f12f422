import threading
import time
from contextlib import closing

import numpy as np
import pytest

from mmlens.cli.drawn import Drawn
from mmlens.cli.lines import CrewLine, Line, ThreadedLine
from mmlens.errors import LayerError, OutputError
from mmlens.threads import taken_ahead

PICTURE = np.zeros((2, 2, 3), np.uint8)


def explain(task):
    return Drawn(PICTURE, str(task))


class Finishing:
    """Notes which tasks were finished, in which thread, and fails at some."""

    def __init__(self, fails=(), seconds=0.0):
        self.done, self.threads, self._fails, self._seconds = [], set(), fails, seconds

    def __call__(self, task, drawn):
        time.sleep(self._seconds)
        if task in self._fails:
            raise OutputError(f'No room for {task}.')
        assert drawn.summary == str(task)
        self.done.append(task)
        self.threads.add(threading.current_thread())


def settled(line, tasks):
    found = []
    with closing(line.outcomes(tasks)) as outcomes:
        for task, outcome in outcomes:
            try:
                found.append((task, outcome().summary))
            except Exception as error:
                found.append((task, str(error)))
    return found


def threaded(finish, explain=explain, **options):
    return ThreadedLine(explain, finish, taken_ahead, **options)


def lines(finish, explain=explain):
    other = threaded(finish, explain)
    return [Line(explain, finish), threaded(finish, explain), CrewLine(explain, finish, lambda: None, other)]


@pytest.mark.parametrize('which', range(3))
def test_every_task_is_finished_in_order_and_errors_come_in_their_turn(which):
    def fails_at_three(task):
        if task == 3:
            raise LayerError('No layer.')
        return explain(task)

    finish = Finishing(fails=[1])
    found = settled(lines(finish, fails_at_three)[which], range(5))
    assert found == [(0, '0'), (1, 'No room for 1.'), (2, '2'), (3, 'No layer.'), (4, '4')]
    assert finish.done == [0, 2, 4]


def test_the_network_goes_on_while_a_thread_draws():
    finish = Finishing()
    settled(threaded(finish), range(5))
    assert finish.threads and threading.main_thread() not in finish.threads


def test_few_pictures_wait_to_be_drawn():
    explained = []

    def note(task):
        explained.append(task)
        return explain(task)

    finish = Finishing(seconds=0.02)
    with closing(threaded(finish, note, most=2).outcomes(range(12))) as outcomes:
        for done, (_, outcome) in enumerate(outcomes):
            assert len(explained) <= done + 3
            outcome()
    assert finish.done == list(range(12))


def test_after_an_interrupt_what_was_begun_is_finished_and_known():
    def interrupted(task):
        if task == 2:
            raise KeyboardInterrupt
        return explain(task)

    finish = Finishing(seconds=0.1)
    line, told = threaded(finish, interrupted), []
    with pytest.raises(KeyboardInterrupt), closing(line.outcomes(range(5))) as outcomes:
        for task, outcome in outcomes:
            told.append((task, outcome().summary))
    told += [(task, outcome().summary) for task, outcome in line.rest()]
    assert told == [(0, '0'), (1, '1')] and finish.done == [0, 1] and line.rest() == []


def test_an_interrupt_while_waiting_for_an_outcome_loses_nothing():
    line = threaded(Finishing())
    with closing(line.outcomes(range(3))) as outcomes:
        task, _ = next(outcomes)  # interrupted before it could be told
    assert [(task, outcome().summary) for task, outcome in line.rest()][0] == (task, '0')


# ---------------------------------------------------------------- several tasks at once


class InlineCrew:
    """Works in this process, and fails at some tasks."""

    def __init__(self, work):
        self._work = work

    def __call__(self):
        return self

    def outcomes(self, groups):
        for group in groups:
            yield group, lambda group=group: self._work(group)

    def rest(self):
        return [([8, 9], lambda: self._work([8, 9]))]


def groups_of(which, finish, together, explain=explain, size=3):
    several = (together, size)
    other = ThreadedLine(explain, finish, taken_ahead, *several)

    def work(group):
        return [drawn if drawn.summary != '4' else None for drawn in map(explain, group)]

    crew = InlineCrew(work) if which == 2 else (lambda: None)
    return [
        Line(explain, finish, *several), other, CrewLine(explain, finish, crew, other, *several),
        CrewLine(explain, finish, crew, other, *several),
    ][which]  # fmt: skip


@pytest.mark.parametrize('which', range(4))
def test_tasks_are_explained_together_and_finished_in_order(which):
    sizes = []

    def together(tasks):
        sizes.append(len(tasks))
        return [explain(task) for task in tasks]

    finish = Finishing(fails=[1])
    found = settled(groups_of(which, finish, together), range(8))
    assert found == [(n, str(n) if n != 1 else 'No room for 1.') for n in range(8)]
    assert finish.done == [0, 2, 3, 4, 5, 6, 7]
    # The first task of a crew goes alone, and so does what is left.
    assert sizes == {0: [3, 3, 2], 1: [3, 3, 2], 2: [], 3: [3, 3]}[which]


@pytest.mark.parametrize('which', [0, 1, 3])
def test_what_fails_together_is_explained_one_by_one(which):
    def fails_at_three(task):
        if task == 3:
            raise LayerError('No layer.')
        return explain(task)

    def together(tasks):
        return [fails_at_three(task) for task in tasks]

    found = settled(groups_of(which, Finishing(), together, fails_at_three), range(6))
    assert found == [(n, str(n) if n != 3 else 'No layer.') for n in range(6)]


def test_after_an_interrupt_the_rest_of_a_group_of_a_crew_is_told():
    finish = Finishing()
    line = groups_of(2, finish, lambda tasks: [explain(task) for task in tasks])
    with closing(line.outcomes(range(8))) as outcomes:
        told = [outcome().summary for _, outcome in (next(outcomes), next(outcomes))]
        told += [outcome().summary for _, outcome in line.rest()]
    assert told == ['0', '1', '2', '3', '8', '9']
