"""Two processes, started by torchrun, on the CPU: what mmengine's launcher does anywhere, slurm included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from trainings import map_metric

HERE = Path(__file__).resolve().parent

# mmlens is imported by nothing here but the configs' own names: mmlens.CAMVisHook.
SCRIPT = f"""
import importlib.util, json, os, sys
from pathlib import Path

import torch

# mmengine's init_dist asks for a GPU, and leaves a group alone that is there.
torch.distributed.init_process_group('gloo')
spec = importlib.util.spec_from_file_location('conftest', {str(HERE / 'conftest.py')!r})
conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conftest)
from mmengine.config import Config
from mmengine.runner import Runner

data, out = Path(sys.argv[1]), Path(sys.argv[2])
conftest.compat.prepare('mmyolo', 'mmpretrain')
rank = torch.distributed.get_rank()
for name in ('without', 'with'):
    cfg = Config(conftest.mmpretrain_config(data), format_python_code=False)
    cfg.merge_from_dict(dict(launcher='pytorch', work_dir=str(out / name), experiment_name=name))
    cfg.train_cfg.max_epochs = 1
    cfg.model_wrapper_cfg = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
    if name == 'with':
        cfg.default_hooks.cam = dict(type='mmlens.CAMVisHook', num=-1, during=('train', 'test'), on_error='raise')
        cfg.default_hooks.featmap = dict(type='mmlens.FeatmapVisHook', num=3, during='val', on_error='raise')
    runner = Runner.from_cfg(cfg)
    drawn, backend = [], runner.visualizer._vis_backends['LocalVisBackend']
    add_image = backend.add_image
    backend.add_image = lambda tag, *rest: drawn.append(tag) or add_image(tag, *rest)
    runner.train()
    if name == 'with':
        hook = next(hook for hook in runner.hooks if type(hook).__name__ == 'CAMVisHook')
        own, draw = [], hook.draw
        hook.draw = lambda network, watched: own.append(watched.name) or draw(network, watched)
        runner.test()
        torch.save(dict(own=own, drawn=drawn), out / f'rank{{rank}}.pth')
    torch.save(runner.model.module.state_dict(), out / f'{{name}}{{rank}}.pth')
measured = Config(conftest.mmyolo_config(data), format_python_code=False)
measured.merge_from_dict(dict(launcher='pytorch', work_dir=str(out / 'measured'), experiment_name='measured'))
measured.test_evaluator = [json.loads(sys.argv[3])]
measured.model.use_syncbn = False  # the processes have no GPU
measured.model_wrapper_cfg = cfg.model_wrapper_cfg
found = Runner.from_cfg(measured).test()
(out / f'found{{rank}}.json').write_text(json.dumps(found))
cfg.merge_from_dict(dict(work_dir=str(out / 'wrong'), experiment_name='wrong'))
cfg.default_hooks.cam.layers = ['nekc']
runner = Runner.from_cfg(cfg)
try:
    runner.train()
except Exception as error:
    (out / f'wrong{{rank}}.txt').write_text(f'{{runner.iter}}: {{error}}')
# Gloo's threads abort an interpreter that ends while they still hold tensors, also where there is no mmlens.
sys.stdout.flush()
os._exit(0)
"""


METRIC = map_metric(method='gradcam', metrics=['epg', 'compactness'], max_boxes=2)


@pytest.fixture(scope='module')
def run(pictures, tmp_path_factory):
    """The folder that two processes wrote to."""
    out = tmp_path_factory.mktemp('out')
    (out / 'run.py').write_text(SCRIPT)
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', '--master_port=0', '--nnodes=1']
    command += ['--rdzv-backend=c10d', '--rdzv-endpoint=localhost:0', str(out / 'run.py'), str(pictures), str(out)]
    command += [json.dumps(METRIC)]
    root = str(HERE.parents[1])
    environment = {**os.environ, 'PYTHONPATH': root, 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, cwd=str(out), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()[-3000:]
    return out


def test_weights_are_those_without_hooks_in_each_process(run):
    for rank in (0, 1):
        one, other = (torch.load(run / f'{name}{rank}.pth') for name in ('with', 'without'))
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_what_is_wrong_ends_both_processes_before_the_first_iteration(run):
    """Only one of them tries the layer."""
    one, other = ((run / f'wrong{rank}.txt').read_text() for rank in (0, 1))
    assert one == other and one.startswith("0: No layer 'nekc': ")


def test_pictures_of_the_test_set_are_shared_and_none_is_drawn_twice(run):
    first, second = (torch.load(run / f'rank{rank}.pth') for rank in (0, 1))
    # The first picture is drawn for a trial before the test begins, by one process.
    assert first['own'] == ['000', '000', '002', '004'] and second['own'] == ['001', '003']
    tags = [f'cam/00{n}' for n in range(5)] * 2
    validated = [f'featmap_val/00{n}' for n in range(3)]
    assert sorted(first['drawn']) == sorted(tags + validated + [f'cam_test/00{n}' for n in range(5)])
    assert second['drawn'] == []


def test_every_drawing_is_in_the_folder(run):
    written = sorted(path.relative_to(run / 'with' / 'mmlens') for path in (run / 'with' / 'mmlens').rglob('*.png'))
    steps = {'cam': (0, 1), 'cam_test': (1,), 'featmap_val': (1,)}
    count = {'cam': 5, 'cam_test': 5, 'featmap_val': 3}
    names = [Path(t) / f'00{n}' / f'epoch_000{step}.png' for t in steps for n in range(count[t]) for step in steps[t]]
    assert written == sorted(names)
    for n in (0, 2, 4):  # the first process's share; the other has batch norms of its own
        one, other = (
            cv2.imread(str(run / 'with' / 'mmlens' / t / f'00{n}' / 'epoch_0001.png')) for t in ('cam', 'cam_test')
        )
        assert (one == other).all()


def test_two_processes_measure_what_one_does(run, make_runner):
    """Five pictures are dealt out to two processes, one of which gets one twice."""
    two = json.loads((run / 'found0.json').read_text())
    found = make_runner('mmyolo', test_evaluator=[METRIC], test_dataloader__batch_size=2).test()
    assert two == pytest.approx(found, abs=1e-5) and two['maps/boxes'] == 6
