"""What the methods of many passes have in common: their options, and how many passes run at a time."""

from types import SimpleNamespace

import pytest
import torch

from mmlens.attribution.methods import get_method
from mmlens.attribution.passes.runs import fitting, note_of_memory
from mmlens.errors import MethodError

CPU, GPU = torch.device('cpu'), torch.device('cuda')
MB = 1_000_000


@pytest.mark.parametrize(
    ('asked', 'memory', 'each', 'number'),
    [
        (None, None, 6 * MB, 8),  # 48 MB
        (None, None, 7 * MB, 4),  # 6 would do, but batches that are not full cost as much
        (None, None, 1, 16),
        (None, None, 100 * MB, 1),
        (None, 100, 8 * MB, 8),
        (None, 1, 8 * MB, 1),
        (5, None, 100 * MB, 5),
        (5, 20, 8 * MB, 2),
    ],
)
def test_as_many_tails_as_the_memory_allows(asked, memory, each, number):
    assert fitting(dict(batch_size=asked, memory=memory), each, CPU) == number


@pytest.mark.parametrize(('device', 'number'), [(CPU, 2), (GPU, 8)])
def test_whole_passes_share_a_batch(device, number):
    assert fitting(dict(batch_size=None, memory=None), 100 * MB, device, of_inputs=True) == number


@pytest.mark.parametrize(('memory', 'taken', 'notes'), [(None, 90, 0), (90, 90, 0), (50, 90, 1)])
def test_memory_that_one_pass_exceeds_is_said(memory, taken, notes):
    found = note_of_memory(dict(memory=memory), SimpleNamespace(memory_of_one=taken * MB))
    assert len(found) == notes
    assert not notes or found == [
        'One pass takes about 90 MB, more than the 50 MB allowed: they were run one at a time.'
    ]


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        ({'masks': 3}, "Method 'drise' has no option 'masks'"),
        ({'batch_size': 0}, '`batch_size` must be more than 0, not 0.'),
        ({'memory': -1.5}, '`memory` must be more than 0 and finite, not -1.5.'),
        ({'batch_size': 2.5}, '`batch_size` must be a whole number, not 2.5.'),
        ({'memory': '8'}, "`memory` must be a number, not '8'."),
        ({'num_masks': 2.5}, '`num_masks` must be a whole number, not 2.5.'),
        ({'seed': 'a'}, "`seed` must be a whole number, not 'a'."),
        ({'grid': None}, '`grid` must be a whole number, not None.'),
        ({'keep': '0.5'}, "`keep` must be a number, not '0.5'."),
        ({'memory': float('inf')}, '`memory` must be more than 0 and finite, not inf.'),
    ],
)
def test_options_that_make_no_sense_are_refused(options, sentence):
    with pytest.raises(MethodError) as error:
        get_method('drise').complete(options)
    assert str(error.value).startswith(sentence)


def test_options_are_completed_by_their_defaults():
    found = get_method('DRISE').complete(dict(memory=100.5, num_masks=7))
    assert found == dict(
        batch_size=None, memory=100.5, num_masks=7, exact=False, grid=16, keep=0.5, seed=0, resume=None
    )
