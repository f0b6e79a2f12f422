"""Which module is drawn."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.registry import MODEL_WRAPPERS
from torch import nn
from trainings import cam, drawn_by, read_drawing

from mmlens.engine.weights import averaged, bare, validated
from mmlens.errors import ModelError


@MODEL_WRAPPERS.register_module(force=True)
class Wrapper(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module


def test_wrappers_are_taken_off():
    class WithPart(nn.Linear):
        """A model with a part that is called `module` is no wrapper."""

    model = WithPart(2, 2)
    model.module = nn.ReLU()
    assert bare(model) is model
    assert bare(Wrapper(model)) is model
    assert bare(Wrapper(torch.compile(model))) is model
    assert bare(torch.compile(Wrapper(model))) is model


def test_a_model_in_parts_is_refused():
    class MMFullyShardedDataParallel(Wrapper):
        pass

    with pytest.raises(ModelError, match='^MMFullyShardedDataParallel splits the weights among the processes'):
        bare(MMFullyShardedDataParallel(nn.Linear(2, 2)))


def test_averages_are_those_of_the_hook():
    model = nn.Linear(2, 2)
    runner = SimpleNamespace(model=Wrapper(model), hooks=[])
    assert averaged(runner) is None and validated(runner) is model
    hook = EMAHook()
    hook.before_run(runner)
    runner.hooks.append(hook)
    assert averaged(runner) is validated(runner) is model  # nothing is averaged yet
    hook.ema_model.update_parameters(model)
    assert averaged(runner) is validated(runner) is hook.ema_model.module
    hook.evaluate_on_ema = False  # mmpretrain's
    assert validated(runner) is model


def test_after_validation_and_test_the_weights_are_the_validated_ones(make_runner):
    """With use_ema the training's drawings show the averaged weights too, so the three agree."""
    ema = dict(type='EMAHook', momentum=0.01)
    hooks = [ema, cam(during=('train', 'val'), use_ema=True), cam(tag='own'), cam(tag='other', during='test', num=-1)]
    runner = make_runner('mmpretrain', hooks)
    runner.train()
    read = {path: read_drawing(runner, path) for path in drawn_by(runner)}
    for number in (0, 1):
        averaged = read[f'cam/00{number}/epoch_0002']
        assert np.array_equal(averaged, read[f'cam_val/00{number}/epoch_0002'])
        assert not np.array_equal(averaged, read[f'own/00{number}/epoch_0002'])
    runner.test()
    assert [path for path in drawn_by(runner) if 'test' in path] == [f'other_test/00{n}/epoch_0002' for n in range(5)]
    # For a test after a training mmengine begins the average anew, from the weights that were trained.
    assert np.array_equal(read_drawing(runner, 'other_test/000/epoch_0002'), read['own/000/epoch_0002'])
