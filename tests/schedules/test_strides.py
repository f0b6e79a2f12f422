"""Long steps against the same number of steps taken one by one."""

import copy

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS

from mmlens.schedules import rehearse
from mmlens.schedules.strides import fast_forward

T = 500
SCHEDULES = {
    'cosine': [dict(type='CosineAnnealingLR', T_max=T, eta_min=0.003)],
    'cosine up and down': [dict(type='CosineAnnealingLR', T_max=170, eta_min_ratio=0.1)],
    'fractions': [
        dict(type='LinearLR', start_factor=0.01, begin=0.5, end=99.5),
        dict(type='CosineAnnealingLR', T_max=250.5, eta_min=0.003, begin=99.5, end=350.25),
        dict(type='CosineRestartLR', periods=[40.5, 90.5], restart_weights=[1, 0.5], eta_min=1e-3, begin=360.5),
    ],
    'linear': [dict(type='LinearLR', start_factor=0.01, begin=10, end=333)],
    'linear down': [dict(type='LinearLR', start_factor=1.0, end_factor=0.2, end=400)],
    'poly': [dict(type='PolyLR', power=0.9, eta_min=1e-4, begin=3, end=T)],
    'restarts': [
        dict(type='CosineRestartLR', periods=[90, 150, 60], restart_weights=[1, 0.5, 0.1], eta_min=1e-3, begin=20)
    ],
    'one cycle': [dict(type='OneCycleLR', eta_max=0.5, total_steps=T)],
    'three phases': [dict(type='OneCycleLR', eta_max=0.5, end=T, three_phase=True, anneal_strategy='linear')],
    'milestones': [dict(type='MultiStepLR', milestones=[1, 50, 50, 127, 499], gamma=0.3)],
    'steps': [dict(type='StepLR', step_size=37, gamma=0.9, begin=11, end=450)],
    'exponential': [dict(type='ExponentialLR', gamma=0.99)],
    'constant': [dict(type='ConstantLR', factor=0.5, begin=5, end=100)],
    'quadratic': [dict(type='mmdet.QuadraticWarmupLR', begin=0, end=60)],
    'one after the other': [
        dict(type='LinearLR', start_factor=0.01, end=100),
        dict(type='CosineAnnealingLR', T_max=300, eta_min=0.01, begin=150, end=450),
    ],
    'one over the other': [
        dict(type='LinearLR', start_factor=0.01, end=100),
        dict(type='CosineAnnealingLR', T_max=T, eta_min=0.01),
    ],
    'momentum': [dict(type='CosineAnnealingMomentum', T_max=T, eta_min=0.5)],
}


def build(cfgs):
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr) for lr in (0.1, 0.25)]
    wrapper = OptimWrapper(torch.optim.SGD(groups, lr=0.1, momentum=0.9))
    return wrapper, [PARAM_SCHEDULERS.build(dict(cfg, by_epoch=False, optimizer=wrapper)) for cfg in cfgs]


def values_of(wrapper, param):
    return [group[param] for group in wrapper.optimizer.param_groups]


@pytest.mark.filterwarnings('ignore:Detected call of')
@pytest.mark.parametrize('strides', [(7,), (1, 40), (499,), (100, 399)])
@pytest.mark.parametrize('name', SCHEDULES)
def test_long_steps_are_many_steps(name, strides):
    param = 'momentum' if name == 'momentum' else 'lr'
    slow, slow_steppers = build(copy.deepcopy(SCHEDULES[name]))
    fast, fast_steppers = build(copy.deepcopy(SCHEDULES[name]))
    now = turn = 0
    while now + strides[turn % len(strides)] < T:
        length = strides[turn % len(strides)]
        for _ in range(length):
            for stepper in slow_steppers:
                stepper.step()
        fast_forward(fast_steppers, length)
        now, turn = now + length, turn + 1
        # Where a cosine has come down to its least value, recursion and closed form differ by what was rounded.
        np.testing.assert_allclose(
            values_of(fast, param), values_of(slow, param), rtol=1e-9, atol=1e-12, err_msg=str(now)
        )


@pytest.mark.filterwarnings('ignore:Detected call of')
def test_long_steps_save_steps(monkeypatch):
    _, (cosine,) = build(SCHEDULES['cosine'])
    _, (quadratic,) = build(SCHEDULES['quadratic'])
    taken = []
    for stepper in (cosine, quadratic):
        step = stepper.step
        monkeypatch.setattr(stepper, 'step', lambda step=step, stepper=stepper: (taken.append(stepper), step()))
        fast_forward([stepper], 400)
        assert stepper._global_step == 400
    assert cosine not in taken
    assert taken.count(quadratic) == 59  # those of its warm-up: its recursion is not known to hold for long steps


@pytest.mark.filterwarnings('ignore:Detected call of')
def test_a_step_of_ones_own_is_taken_every_time():
    wrapper, (stepper,) = build(SCHEDULES['cosine'])

    class Own(type(stepper)):
        steps = 0

        def step(self):
            self.steps += 1
            super().step()

    stepper.__class__ = Own
    fast_forward([stepper], 100)
    assert (stepper.steps, stepper.last_step) == (100, 100)


@pytest.mark.parametrize('kind', ['schedulers', 'yolov5', 'ppyoloe', 'own hook'])
def test_a_rehearsal_that_leaves_out_iterations_agrees_with_one_that_does_not(kind, make_config, make_yolov5_config):
    cfg = make_config(
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=30),
            dict(type='CosineAnnealingLR', T_max=30, eta_min=0.01, begin=10, end=40, convert_to_iter_based=True),
        ]
    )
    hook = dict(max_epochs=40)
    if kind == 'yolov5':
        cfg = make_yolov5_config(warmup_epochs=2, warmup_mim_iter=33)
        cfg.default_hooks.param_scheduler.update(hook)
    elif kind == 'ppyoloe':
        cfg.param_scheduler = None
        cfg.default_hooks = dict(param_scheduler=dict(type='mmyolo.PPYOLOEParamSchedulerHook', warmup_min_iter=33))
    elif kind == 'own hook':
        cfg.default_hooks = dict(param_scheduler=dict(type='EveryIteration'))
    cfg.train_cfg.max_epochs = 40
    every, some = (rehearse(cfg, dataset_size=100, most_points=most) for most in (10_000, 150))
    assert every.every_iteration and not some.every_iteration
    assert 150 <= len(some.iterations) <= 250
    epochs = np.arange(40) * 50
    assert {*epochs, *(epochs + 49)} <= {*some.iterations.tolist()}
    for all_values, values in zip(every.curves, some.curves):
        assert all_values.label == values.label
        np.testing.assert_allclose(values.values, all_values.values[some.iterations], rtol=1e-9)
