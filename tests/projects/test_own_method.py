"""The worked example of a method of one's own: its formula, and its way in through a config."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmlens.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'projects' / 'own_method'
PICTURE = ROOT / 'projects' / 'shapes' / 'pictures' / '000008.jpg'
CHECKPOINT = ROOT / 'projects' / 'shapes' / 'checkpoints' / 'shapes_rtmdet.pth'
CONFIG = FOLDER / 'shapes_gradnorm.py'


@pytest.fixture
def own_method(monkeypatch):
    """The module, freshly imported, with a registry that forgets it afterwards."""
    from mmlens.attribution.methods import registry

    monkeypatch.setattr(registry, '_METHODS', dict(registry._METHODS))
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, 'own_method', raising=False)
    import own_method

    yield own_method
    sys.modules.pop('own_method', None)


def test_the_formula_is_a_norm_over_channels(own_method):
    activation = torch.tensor([[[[3.0, 1.0]], [[2.0, 5.0]]]])  # two channels, one row of two cells
    gradient = torch.tensor([[[[1.0, 0.0]], [[-2.0, 1.0]]]])
    # G A: 3 and -4 in the first cell, 0 and 5 in the second.
    assert own_method.gradnorm(activation, gradient, True).tolist() == [[[5.0, 5.0]]]
    assert own_method.gradnorm(activation, gradient, False).tolist() == [[[5.0, 5.0]]]


def test_importing_the_module_registers_the_method(own_method):
    import mmlens

    assert 'gradnorm' in mmlens.available_methods()
    found = mmlens.explain_boxes(CONFIG, PICTURE, checkpoint=CHECKPOINT, device='cpu', method='GradNorm')
    assert found.method == 'gradnorm' and len(found) == 3
    for box in found:
        x1, y1, x2, y2 = box.box.round().astype(int)
        assert box.raw[y1:y2, x1:x2].sum() > 0.8 * box.raw.sum()


def test_it_is_no_smaller_than_gradcam_averaged_over_channels(own_method):
    # |sum_c x| <= sqrt(C) ||x||, cell by cell; seen where no interpolation comes in between.
    generator = torch.Generator().manual_seed(0)
    activation, gradient = torch.randn(2, 1, 48, 6, 5, generator=generator)
    from mmlens.attribution.methods import get_method

    summed = get_method('gradcam')(activation, gradient).abs()
    assert bool((own_method.gradnorm(activation, gradient, True) * 48**0.5 >= summed - 1e-4).all())


def test_a_config_brings_it_to_the_command_line(tmp_path):
    """In a fresh process, where nothing else could have imported the module."""
    command = [sys.executable, '-m', 'mmlens', 'boxam', PICTURE, CONFIG, CHECKPOINT, '--method', 'gradnorm']
    options = ['--save-maps', '--device', 'cpu', '--out-dir', tmp_path]
    done = subprocess.run(
        [str(word) for word in command + options],
        env={**os.environ, 'PYTHONPATH': f'{FOLDER}{os.pathsep}{ROOT}'},
        capture_output=True,
        text=True,
        cwd=str(ROOT / 'docs'),  # not the root: `python -m` would put it on the path
    )
    assert done.returncode == 0, done.stderr
    with np.load(str(tmp_path / '000008.npz')) as maps:
        assert str(maps['method']) == 'gradnorm'
        assert maps['normalised'].max((1, 2)).tolist() == [1.0, 1.0, 1.0]


def test_without_its_folder_the_config_is_refused_in_one_sentence(tmp_path, monkeypatch, capfd):
    monkeypatch.delitem(sys.modules, 'own_method', raising=False)
    assert main(['boxam', str(PICTURE), str(CONFIG), str(CHECKPOINT), '--out-dir', str(tmp_path)]) == 2
    told = capfd.readouterr().err
    assert told.startswith('mmlens: error: The config') and 'own_method' in told
    assert len(told.strip().splitlines()) == 1
