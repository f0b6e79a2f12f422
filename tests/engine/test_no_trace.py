"""What a look at a model may change, and does not."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from torch import nn

from mmlens.attribution.tap import Tap
from mmlens.engine.no_trace import no_trace


def make_model():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.LazyLinear(2))
    model(torch.ones(2, 3, 6, 6)).sum().backward()
    model[3].priors = 'of the training'
    model[1].weight.requires_grad_(False)
    model[2].eval()
    return model


def snapshot(model):
    return dict(
        buffers=[buffer.clone() for buffer in model.buffers()],
        training=[module.training for module in model.modules()],
        frozen=[parameter.requires_grad for parameter in model.parameters()],
        gradients=[parameter.grad for parameter in model.parameters()],
        attributes=[sorted(module.__dict__) for module in model.modules()],
        priors=model[3].priors,
        random=random.getstate(),
        numpy=np.random.get_state()[1].tolist(),
        torch=torch.get_rng_state().tolist(),
        grad_mode=torch.is_grad_enabled(),
        autocast=torch.is_autocast_cpu_enabled(),
    )


def meddle(model):
    """All that a head, a loss or a hook of anybody's could do."""
    model.train()
    model.requires_grad_(True)
    model.zero_grad()
    model(torch.rand(2, 3, 6, 6)).sum().backward()
    model[3].priors = 'of the drawing'
    model[0].cached = torch.ones(1)
    del model[2].p
    random.random(), np.random.rand(), torch.rand(1)
    torch.set_grad_enabled(False)
    hub = MessageHub.get_current_instance()
    hub.update_scalar('train/loss', 7.0)
    hub.update_scalar('train/new', 1.0)
    hub.update_info('epoch', 99)
    hub.update_info('another', 1)


@pytest.mark.parametrize('fails', [False, True])
@pytest.mark.parametrize('grad_mode', [True, False])
def test_everything_is_put_back(fails, grad_mode):
    hub = MessageHub.get_instance(f'no_trace_{fails}_{grad_mode}')
    hub.update_scalar('train/loss', 2.0)
    hub.update_info('epoch', 3)
    model = make_model()
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    with torch.set_grad_enabled(grad_mode), torch.autocast('cpu', dtype=torch.bfloat16):
        before, gradients = snapshot(model), [p.grad.clone() for p in model.parameters() if p.grad is not None]
        try:
            with no_trace(model):
                assert torch.is_grad_enabled() and not torch.is_autocast_cpu_enabled()
                meddle(model)
                if fails:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            assert fails
        after = snapshot(model)
    assert all(torch.equal(a, b) for a, b in zip(before.pop('buffers'), after.pop('buffers')))
    assert all(a is b for a, b in zip(before.pop('gradients'), after.pop('gradients')))
    assert before == after
    assert all(torch.equal(a, p.grad) for a, p in zip(gradients, (p for p in model.parameters() if p.grad is not None)))
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters()))
    assert model[2].p == 0.5
    assert list(hub.log_scalars) == ['train/loss'] and hub.get_scalar('train/loss').data[0].tolist() == [2.0]
    assert dict(hub.runtime_info) == {'epoch': 3} and sorted(hub._resumed_keys) == ['epoch', 'train/loss']


def test_random_states_are_kept_without_a_model_too():
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    with no_trace():
        random.random(), np.random.rand(), torch.rand(1)
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_what_was_compiled_is_run_as_it_was_written_and_stays_compiled():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[0].forward = compiled = torch.compile(model[0].forward, backend=lambda *_: pytest.fail('compiled'))
    with no_trace(model):
        model(torch.ones(1, 2))
    assert model[0].forward is compiled


class Told(nn.Linear):
    """Makes what it predicts with when it is told to predict."""

    def train(self, mode=True):
        super().train(mode)
        self.__dict__.pop('made', None)
        if not mode:
            self.made = self.weight.detach().clone()
        return self


@pytest.mark.parametrize('mode', [True, False])
@pytest.mark.parametrize('within', [no_trace, lambda model: Tap(model, {})], ids=['no_trace', 'Tap'])
def test_what_a_model_makes_when_it_is_told_to_predict_is_new_inside_and_as_it_was_after(mode, within):
    model = nn.Sequential(Told(2, 2)).train(mode)
    before = dict(vars(model[0]))
    with torch.no_grad():
        model[0].weight += 1.0
    with within(model):
        assert not model[0].training
        if mode or within is no_trace:  # a tap believes a model that is in eval mode
            assert torch.equal(model[0].made, model[0].weight)
    after = vars(model[0])
    assert before.keys() == after.keys() and all(after[name] is value for name, value in before.items())
    assert ('made' in after) is not mode


def test_a_device_that_knows_no_autocast_is_no_matter():
    with no_trace(nn.Linear(2, 2, device='meta')), torch.inference_mode():
        pass
    assert not torch.is_autocast_enabled()
