import os
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import mmlens

DEMO = Path(__file__).parents[2] / 'demo'
SCRIPTS = {'featmap': DEMO / 'featmap_vis_demo.py', 'boxam': DEMO / 'boxam_vis_demo.py'}


def run(*words):
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, timeout=280)


@pytest.fixture(autouse=True)
def same_mmlens_in_subprocesses(monkeypatch):
    """Let commands that a test starts elsewhere import the package under test, installed or not."""
    monkeypatch.setenv('PYTHONPATH', str(Path(mmlens.__file__).parents[1]))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The working folder with a picture, a config and a checkpoint of random weights."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('a.png', np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))
    Path('config.py').write_text("_base_ = 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py'\n")
    torch.save({'state_dict': mmlens.load_detector('config.py', device='cpu').model.state_dict()}, 'weights.pth')
    return ['a.png', 'config.py', 'weights.pth']


@pytest.mark.parametrize('command', SCRIPTS)
def test_a_script_takes_the_arguments_of_its_command(command):
    script, module = run(SCRIPTS[command], '--help'), run('-m', 'mmlens', command, '--help')
    assert script.returncode == 0
    assert script.stdout == module.stdout


def test_a_script_draws(files):
    done = run(SCRIPTS['boxam'], *files, '--score-thr', '1', '--out-dir', 'out')
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith('-> out/a.png')
    assert cv2.imread('out/a.png') is not None


def test_another_script_draws(files, monkeypatch, capfd):
    """In this process, which has imported everything."""
    monkeypatch.setattr(sys, 'argv', [str(SCRIPTS['featmap']), *files, '--out-dir', 'out'])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPTS['featmap']), run_name='__main__')
    assert not end.value.code
    assert capfd.readouterr().out.splitlines()[0].endswith('-> out/a.png')
    assert cv2.imread('out/a.png') is not None


def test_a_script_ends_with_the_status_of_its_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(SCRIPTS['boxam'], 'none.jpg', 'config.py', 'weights.pth')
    assert done.returncode == 2
    assert done.stderr.startswith('mmlens: error: none.jpg does not exist')
    assert os.listdir(str(tmp_path)) == []
