import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
import torch
from torch import nn

from mmlens import crew as crew_module
from mmlens.crew import Crew, FailedElsewhere, fitting_in_memory, workers_for
from mmlens.errors import MmlensError

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='processes are forked on Linux only')


def outcomes(crew, tasks):
    with closing(crew.outcomes(tasks)) as found:
        for task, outcome in found:
            yield task, outcome()


def slowly_if_even(task):
    time.sleep(0.15 if task % 2 == 0 else 0)
    return task * task, os.getpid()


def test_what_comes_of_tasks_comes_in_their_order_from_all_processes(tmp_path):
    def work(task):
        (tmp_path / str(os.getpid())).touch()
        end = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < end:  # until the other has begun, too
            time.sleep(0.01)
        return slowly_if_even(task)

    with Crew(work, 2) as crew:
        found = list(outcomes(crew, range(6)))
    assert [(task, square) for task, (square, _) in found] == [(n, n * n) for n in range(6)]
    at_work = {process for _, (_, process) in found}
    assert len(at_work) == 2 and os.getpid() not in at_work
    assert all(not os.path.exists(f'/proc/{process}') for process in at_work)  # they are gone, not left as zombies


def test_no_more_than_twice_as_many_tasks_as_processes_are_begun_before_their_turn():
    asked = []

    def tasks():
        for number in range(20):
            asked.append(number)
            yield number

    with Crew(slowly_if_even, 2) as crew:
        for done, _ in enumerate(outcomes(crew, tasks())):
            assert len(asked) <= done + 1 + 4


def fails_at_two(task):
    if task == 2:
        raise ZeroDivisionError('no number')
    return task


def test_an_error_comes_in_its_turn_with_where_it_was():
    found = []
    with Crew(fails_at_two, 2) as crew, closing(crew.outcomes(range(5))) as left:
        for _, outcome in left:
            try:
                found.append(outcome())
            except FailedElsewhere as error:
                found.append(str(error))
    assert [each for each in found if isinstance(each, int)] == [0, 1, 3, 4]
    assert 'in fails_at_two' in found[2] and 'ZeroDivisionError: no number' in found[2]


def dies(task):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_is_told_and_nobody_waits():
    with pytest.raises(MmlensError, match='ended from outside.*use fewer `workers`'), Crew(dies, 2) as crew:
        list(outcomes(crew, range(5)))


def test_an_interrupt_leaves_what_was_ready_in_its_turn():
    with Crew(slowly_if_even, 2) as crew, closing(crew.outcomes(iter([1, 3, 0, 2, 5]))) as left:
        task, outcome = next(left)  # and now an interrupt, before its outcome was asked for
        assert task == 1
        rest = crew.rest()
        assert [(task, outcome()[0]) for task, outcome in rest][0] == (1, 1)
    assert not crew.rest() or crew.rest()[0][0] != 1


def forwards(task):
    return nn.Conv2d(3, 8, 3)(torch.ones(1, 3, 64, 64)).sum().requires_grad_().shape, torch.get_num_threads()


def test_torch_works_in_a_fork_after_it_has_worked_in_threads():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        nn.Conv2d(3, 64, 3)(torch.ones(1, 3, 256, 256)).sum().backward()
        with Crew(forwards, 2) as crew:
            assert [each for _, each in outcomes(crew, range(3))] == [(torch.Size([]), 1)] * 3
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_processes_end_with_the_one_that_forked_them(tmp_path):
    code = """
import os, sys
from mmlens.crew import Crew
def work(task):
    return os.getpid()
with Crew(work, 2) as crew:
    pids = [outcome() for _, outcome in crew.outcomes(range(8))]
    print(*set(pids), flush=True)
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    left = done.stdout.split()
    while left and time.monotonic() < end:
        left = [process for process in left if os.path.exists(f'/proc/{process}') and _runs(process)]
        time.sleep(0.05)
    assert done.stdout and not left


def _runs(process):
    try:
        with open(f'/proc/{process}/stat') as file:
            return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def test_as_many_workers_as_torch_has_threads_on_the_cpu(monkeypatch):
    model = nn.Linear(1, 1)
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 5)
    monkeypatch.setattr(crew_module, 'can_fork', lambda: True)
    assert workers_for(model, None) == 5 and workers_for(model, 3) == 3
    assert workers_for(model.to('meta'), None) == 1
    monkeypatch.setattr(crew_module, 'can_fork', lambda: False)
    assert workers_for(model, None) == 1 and workers_for(model, 1) == 1
    with pytest.raises(MmlensError, match='`workers` need Linux'):
        workers_for(model, 2)


def test_only_as_many_as_fit_into_half_of_the_memory(monkeypatch):
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for available, number in ((peak, 1), (6.5 * peak, 3), (100 * peak, 8)):
        monkeypatch.setattr(crew_module, '_available', lambda available=available: int(available))
        assert fitting_in_memory(8) == number
