"""How many passes run at a time, worked out by hand."""

from __future__ import annotations

import pytest
import torch

from mmlens.attribution.passes.runs import MEMORY_ON_CPU, MEMORY_ON_GPU, Runs, fitting, note_of_memory, place_of
from mmlens.attribution.tap import Tap

CPU, GPU = torch.device('cpu'), torch.device('cuda')
MB = 1_000_000


def options(batch_size=None, memory=None):
    return dict(batch_size=batch_size, memory=memory)


@pytest.mark.parametrize(
    ('each', 'device', 'of_inputs', 'number'),
    [
        (12 * MB, CPU, False, 4),  # 48 MB hold four
        (10 * MB, CPU, False, 4),  # and no eight
        (9 * MB, CPU, False, 4),
        (6 * MB, CPU, False, 8),
        (1 * MB, CPU, False, 16),  # 48 would fit, but more than 16 are never run unless asked for
        (49 * MB, CPU, False, 1),  # one is the least
        (1, CPU, True, 8),  # whole passes on a CPU
        (45 * MB, CPU, True, 4),  # 320 MB hold seven
        (100 * MB, CPU, True, 2),
        (400 * MB, CPU, True, 1),
        (100 * MB, GPU, False, 8),  # 1 GB holds ten
        (100 * MB, GPU, True, 8),
        (0, CPU, False, 16),
    ],
)
def test_unless_asked_for_a_power_of_two_that_fits(each, device, of_inputs, number):
    assert (MEMORY_ON_CPU, MEMORY_ON_GPU) == (48 * MB, 1000 * MB)
    assert fitting(options(), each, device, of_inputs) == number


@pytest.mark.parametrize(
    ('asked', 'memory', 'number'),
    [
        (5, None, 5),  # as asked, whatever it takes
        (100, None, 100),
        (5, 35, 3),  # unless memory forbids: 3 x 10 MB
        (2, 35, 2),
        (None, 35, 2),  # three would fit: a power of two
        (None, 5, 1),
        (5, 5, 1),
        (None, 1000, 16),
    ],
)
def test_what_the_user_asks_for_counts(asked, memory, number):
    assert fitting(options(asked, memory), 10 * MB, CPU) == number
    assert fitting(options(asked, memory), 10 * MB, CPU, of_inputs=True) == min(number, asked or 8)


def test_the_most_can_be_changed():
    assert fitting(options(), 1, CPU, most=100) == 64


def test_a_pass_that_takes_more_than_was_allowed_is_said():
    runs = Runs()
    runs.memory_of_one = 2_500_001
    assert note_of_memory(options(memory=None), runs) == note_of_memory(options(memory=3), runs) == []
    assert note_of_memory(options(memory=0.5), runs) == [
        'One pass takes about 3 MB, more than the 0.5 MB allowed: they were run one at a time.'
    ]


def test_levels_and_the_input_are_told_apart():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.Conv2d(2, 2, 1))
    with Tap(net, {'0': net[0], '1': net[1]}) as tap:
        net(torch.ones(1, 1, 4, 4))
        places = [place_of(level) for level in tap.levels((4, 4))]
    assert places == [('0', 0), ('1', 0)] and place_of(None) == ('', 0)


def test_what_every_family_measures_is_its_own():
    runs, tensor = Runs(), torch.zeros(1)
    assert (runs.passes, runs.notes) == (0, [])
    for ask in (
        lambda: runs.reference,
        lambda: runs.identity,
        lambda: runs.batch_size(),
        lambda: runs.at_level(None, tensor),
        lambda: runs.at_input(tensor),
        lambda: runs.similarity(tensor),
    ):
        with pytest.raises(NotImplementedError):
            ask()
