"""Several processes at one work, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmlens.errors import MmlensError
from mmlens.processes import Deal, alike_everywhere, is_first, joined

ROOT = Path(__file__).resolve().parents[1]

# Each process enters three times: nobody fails, the second one does, and both do.
SCRIPT = """
import os, sys, time
import torch

def tell(what):
    open(place + what, 'w').close()

def wait_for(what):
    end = time.monotonic() + 100
    while not os.path.exists(place + what) and time.monotonic() < end:
        time.sleep(0.005)

rank, place, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.distributed.init_process_group('gloo', init_method='file://' + place, rank=rank, world_size=2)
from mmlens.processes import Deal, alike_everywhere, is_first

said = []
for fails in ((), (1,), (0, 1)):
    try:
        with alike_everywhere():
            if rank in fails:
                raise ValueError(f'{rank} failed' if len(fails) == 1 else '')
        said.append('fine')
    except Exception as error:
        said.append(f'{type(error).__name__}: {error}')
said.append(str(is_first()))
for stops in (False, True):
    deal, got = Deal(20), []
    for number in deal:
        got.append(number)
        if rank == 0 and stops:
            deal.stop()
            tell('stopped')
        elif rank == 0:
            wait_for('begun')
        else:
            tell('begun')
            wait_for('stopped' if stops else 'ended')  # the first one is faster
    tell('ended')
    with alike_everywhere():
        said.append(','.join(map(str, got)))
with open(out, 'w') as file:
    file.write('|'.join(said))
torch.distributed.destroy_process_group()
"""


def test_alone_nothing_is_waited_for_and_an_error_stays_what_it_is():
    with alike_everywhere():
        pass
    with pytest.raises(ZeroDivisionError), alike_everywhere():
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt), alike_everywhere():
        raise KeyboardInterrupt


def test_alone_one_gets_all_of_a_deal_until_it_is_stopped():
    assert list(Deal(3)) == [0, 1, 2] and list(Deal(0)) == [] and is_first()
    deal, got = Deal(5), []
    for number in deal:
        got.append(number)
        if number == 1:
            deal.stop()
    assert got == [0, 1]


@pytest.fixture(scope='module')
def said(tmp_path_factory):
    """What two processes said."""
    tmp_path = tmp_path_factory.mktemp('said')
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    outs = [tmp_path / f'said{rank}' for rank in (0, 1)]
    running = [
        subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', SCRIPT, str(rank), str(tmp_path / 'meeting'), str(out)],
            cwd=str(tmp_path),
            env=environment,
        )
        for rank, out in enumerate(outs)
    ]
    assert [process.wait(timeout=240) for process in running] == [0, 0]
    return [out.read_text().split('|') for out in outs]


def test_every_process_ends_with_an_error_if_one_does(said):
    first, second = (each[:3] for each in said)
    assert first == ['fine', f'{MmlensError.__name__}: 1 failed', 'ValueError: ']
    assert second == ['fine', 'ValueError: 1 failed', 'ValueError: ']


def test_numbers_are_dealt_out_as_processes_ask(said):
    assert [each[3] for each in said] == ['True', 'False']
    first, second = ([int(number) for number in each[4].split(',')] for each in said)
    assert sorted(first + second) == list(range(20)) and len(first) > len(second) > 0
    assert first == sorted(first) and second == sorted(second)


def test_a_deal_that_one_process_stops_ends_for_all(said):
    dealt = [number for each in said for number in each[5].split(',') if number]
    assert '0' in dealt and len(dealt) <= 4


def test_alone_nothing_is_joined():
    with joined('none') as device:
        assert device is None
    with joined('none', 'cuda:1') as device:
        assert device == 'cuda:1'


@pytest.mark.parametrize(
    ('launcher', 'untold', 'start'),
    [
        ('pytorch', 'RANK', 'torchrun --nproc_per_node N -m mmlens'),
        ('slurm', 'SLURM_PROCID', 'srun python -m mmlens'),
        ('mpi', 'OMPI_COMM_WORLD_RANK', 'mpirun -x MASTER_ADDR=HOST python -m mmlens'),
    ],
)
def test_a_process_that_no_launcher_started_is_told_so(monkeypatch, launcher, untold, start):
    monkeypatch.delenv(untold, raising=False)
    sentence = rf'No {launcher} launcher started .*\({untold} is not set\): .*`{start} ...`'
    with pytest.raises(MmlensError, match=sentence), joined(launcher):
        pass


LAUNCHED = {
    'pytorch': dict(RANK='0', LOCAL_RANK='0', WORLD_SIZE='1'),
    'slurm': dict(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_NODELIST='here'),
    'mpi': dict(OMPI_COMM_WORLD_RANK='0', OMPI_COMM_WORLD_LOCAL_RANK='0', OMPI_COMM_WORLD_SIZE='1'),
}
JOINS = """
import socket, sys, os
with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    os.environ['MASTER_PORT'] = str(free.getsockname()[1])
import torch
from mmlens.processes import joined
kept = torch.cuda.set_device
with joined(sys.argv[1], 'cpu') as device:
    print(device, torch.distributed.get_backend(), torch.cuda.set_device is kept)
print(torch.distributed.is_initialized())
"""


@pytest.mark.parametrize('launcher', sorted(LAUNCHED))
def test_each_launcher_is_joined_where_there_is_no_gpu(tmp_path, launcher):
    environment = {
        **os.environ,
        **LAUNCHED[launcher],
        'MASTER_ADDR': '127.0.0.1',
        'SLURM_LOCALID': '0',
        'PYTHONPATH': str(ROOT),
    }
    command = [sys.executable, '-W', 'ignore', '-c', JOINS, launcher]
    done = subprocess.run(command, cwd=str(tmp_path), env=environment, stdout=subprocess.PIPE, text=True, timeout=240)
    assert done.stdout.split() == ['cpu', 'gloo', 'True', 'False']
