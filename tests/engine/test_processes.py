"""An error in one of two processes that train one model, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmlens.engine.processes import alike_everywhere
from mmlens.errors import MmlensError

ROOT = Path(__file__).resolve().parents[2]

# Each process enters three times: nobody fails, the second one does, and both do.
SCRIPT = """
import sys
import torch

rank, place, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.distributed.init_process_group('gloo', init_method='file://' + place, rank=rank, world_size=2)
from mmlens.engine.processes import alike_everywhere

said = []
for fails in ((), (1,), (0, 1)):
    try:
        with alike_everywhere():
            if rank in fails:
                raise ValueError(f'{rank} failed' if len(fails) == 1 else '')
        said.append('fine')
    except Exception as error:
        said.append(f'{type(error).__name__}: {error}')
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


def test_every_process_ends_with_an_error_if_one_does(tmp_path):
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
    first, second = (out.read_text().split('|') for out in outs)
    assert first == ['fine', f'{MmlensError.__name__}: 1 failed', 'ValueError: ']
    assert second == ['fine', 'ValueError: 1 failed', 'ValueError: ']
