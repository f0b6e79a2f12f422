"""Which module is drawn."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.registry import MODEL_WRAPPERS
from torch import nn

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
