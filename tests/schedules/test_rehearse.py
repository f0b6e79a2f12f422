"""Rehearsals against mmengine's Runner training for real, iteration by iteration, to the last bit."""

import numpy as np
import pytest

from mmlens.schedules import rehearse

WARM_UP = dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=4)
ADAM = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.004, betas=(0.8, 0.99), weight_decay=0.05))
NO_DECAY = dict(norm_decay_mult=0.0, bias_decay_mult=0.0, bias_lr_mult=2.0, custom_keys={'backbone': dict(lr_mult=0.1)})

SCHEDULES = {
    'warm-up, then milestones by epoch': [WARM_UP, dict(type='MultiStepLR', milestones=[1, 2], gamma=0.1)],
    'warm-up over a cosine by iteration': [
        WARM_UP,
        dict(type='CosineAnnealingLR', T_max=3, eta_min=0.001, begin=0, end=3, convert_to_iter_based=True),
    ],
    'cosine that begins late': [
        dict(type='ConstantLR', factor=0.5, by_epoch=True, begin=0, end=1),
        dict(type='CosineAnnealingLR', T_max=2, eta_min_ratio=0.1, begin=1, end=3, convert_to_iter_based=True),
    ],
    'cosine beyond its half period': [dict(type='CosineAnnealingLR', T_max=4, by_epoch=False, eta_min=0.01)],
    'one cycle': [
        dict(type='OneCycleLR', eta_max=0.5, total_steps=15, by_epoch=False),
        dict(type='CosineAnnealingMomentum', T_max=15, eta_min=0.85, by_epoch=False),
    ],
    'one cycle in three phases': [dict(type='OneCycleLR', eta_max=0.5, by_epoch=True, convert_to_iter_based=True)],
    # One more than there are groups: mmengine's OptimWrapper adds the base settings, which its log tells.
    'one cycle with a peak a group': [
        dict(type='OneCycleLR', eta_max=[0.1 * i for i in range(1, 14)], total_steps=15, by_epoch=False)
    ],
    'restarts': [
        dict(type='CosineRestartLR', periods=[4, 6, 3], restart_weights=[1, 0.5, 0.2], eta_min=0.0, by_epoch=False)
    ],
    'polynomial': [dict(type='PolyLR', power=0.9, eta_min=1e-4, by_epoch=False, begin=2, end=13)],
    'exponential': [dict(type='ExponentialLR', gamma=0.9, by_epoch=False), dict(type='StepLR', step_size=1, gamma=0.5)],
    'steps by iteration': [dict(type='StepLR', step_size=4, gamma=0.5, by_epoch=False)],
    'two at the same time': [
        dict(type='LinearLR', start_factor=0.2, by_epoch=False, begin=2, end=11),
        dict(type='PolyLR', by_epoch=False, begin=0, end=15),
    ],
    'quadratic warm-up': [
        dict(type='mmdet.QuadraticWarmupLR', begin=0, end=1, convert_to_iter_based=True),
        dict(type='CosineAnnealingLR', eta_min=0.005, begin=1, T_max=1, end=2, convert_to_iter_based=True),
        dict(type='ConstantLR', factor=1, begin=2, end=3),
    ],
    'momentum alone': [dict(type='LinearMomentum', start_factor=0.5, by_epoch=False, begin=0, end=6)],
    'one scheduler, not in a list': dict(type='MultiStepLR', milestones=[2], gamma=0.1),
    'none at all': None,
}


def assert_same(schedule, trained, rtol=0):
    """The rehearsal has a curve for every course of a group in the training, and no other."""
    curves = np.stack([curve.values for curve in schedule.curves])
    assert schedule.iterations.tolist() == list(range(len(trained)))
    courses = np.unique(trained, axis=1).T
    assert len(curves) == len(courses)
    np.testing.assert_allclose(curves[np.lexsort(curves.T[::-1])], courses[np.lexsort(courses.T[::-1])], rtol=rtol)


@pytest.mark.parametrize('name', SCHEDULES)
def test_learning_rate_is_that_of_a_training(name, make_config, train):
    optim_wrapper = dict(make_config().optim_wrapper, paramwise_cfg=NO_DECAY)
    cfg = make_config(param_scheduler=SCHEDULES[name], optim_wrapper=optim_wrapper)
    assert_same(rehearse(cfg), train(cfg))


@pytest.mark.parametrize('name', ['one cycle', 'momentum alone', 'polynomial'])
@pytest.mark.parametrize('optimizer', ['sgd', 'adam'])
def test_momentum_is_that_of_a_training(name, optimizer, make_config, train):
    cfg = make_config(param_scheduler=SCHEDULES[name], **({'optim_wrapper': ADAM} if optimizer == 'adam' else {}))
    assert_same(rehearse(cfg, 'momentum'), train(cfg, 'momentum'))


def test_weight_decay_is_that_of_a_training(make_config, train):
    scheduler = dict(type='mmpretrain.CosineAnnealingWeightDecay', T_max=15, eta_min=0.001, by_epoch=False)
    optim_wrapper = dict(ADAM, paramwise_cfg=NO_DECAY)
    cfg = make_config(param_scheduler=[WARM_UP, scheduler], optim_wrapper=optim_wrapper)
    schedule = rehearse(cfg, 'weight_decay')
    assert_same(schedule, train(cfg, 'weight_decay'))
    assert [curve.values[0] for curve in schedule.curves] == [0.05, 0.0]


@pytest.mark.parametrize('param', ['lr', 'momentum', 'weight_decay'])
@pytest.mark.parametrize('scheduler_type', ['linear', 'cosine'])
def test_yolov5_hook_sets_what_it_sets_in_a_training(scheduler_type, param, make_yolov5_config, train):
    hook = dict(scheduler_type=scheduler_type, lr_factor=0.01, warmup_epochs=1, warmup_mim_iter=7)
    cfg = make_yolov5_config(**hook)
    schedule = rehearse(cfg, param)
    assert_same(schedule, train(cfg, param))
    if param == 'lr':  # the warm-up of biases comes from above
        assert [(curve.label, curve.values[0]) for curve in schedule.curves[:1]] == [('biases', 0.1)]


def test_yolov5_hook_tells_the_third_group_of_any_constructor(make_yolov5_config, train):
    cfg = make_yolov5_config(warmup_epochs=1, warmup_mim_iter=7)
    cfg.optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01), paramwise_cfg=dict(bias_lr_mult=2.0))
    assert_same(rehearse(cfg), train(cfg))


def test_ppyoloe_hook_sets_what_it_sets_in_a_training(make_config, train):
    hook = dict(type='mmyolo.PPYOLOEParamSchedulerHook', warmup_min_iter=4, warmup_epochs=1, total_epochs=4)
    cfg = make_config(default_hooks=dict(param_scheduler=hook), param_scheduler=None)
    assert_same(rehearse(cfg), train(cfg))


@pytest.mark.parametrize('by_epoch', [True, False])
def test_simsiam_hook_holds_a_learning_rate(by_epoch, make_config, train):
    cfg = make_config(
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=0.1), paramwise_cfg=dict(custom_keys={'head': dict(fix_lr=True)})
        ),
        custom_hooks=[dict(type='mmpretrain.SimSiamHook', fix_pred_lr=True, lr=0.1, adjust_by_epoch=by_epoch)],
        param_scheduler=dict(type='CosineAnnealingLR', T_max=15, by_epoch=False),
    )
    schedule = rehearse(cfg)
    assert_same(schedule, train(cfg))
    assert {curve.label for curve in schedule.curves} == {'head', 'the rest'}


def test_scheduler_hook_that_is_switched_off(make_config, train):
    cfg = make_config(param_scheduler=SCHEDULES['polynomial'], default_hooks=dict(param_scheduler=None))
    assert_same(rehearse(cfg), train(cfg))


def test_training_that_counts_iterations(make_config, train):
    cfg = make_config(
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=12),
        param_scheduler=[WARM_UP, dict(type='MultiStepLR', by_epoch=False, milestones=[6, 9])],
    )
    cfg.train_dataloader.sampler.type = 'InfiniteSampler'
    cfg.train_dataloader.dataset.type = 'NoSuchSet'  # nothing in this schedule depends on it
    schedule = rehearse(cfg)
    assert (schedule.total, schedule.epoch_length, schedule.dataset_size) == (12, None, None)
    assert (schedule.by_epoch, rehearse(cfg, dataset_size=10).epoch_length) == (False, 5)
    cfg.train_dataloader.dataset.type = 'RehearsalSet'
    assert_same(schedule, train(cfg))
    assert rehearse(cfg, count_epochs=True).epoch_length == 5


@pytest.mark.parametrize('name', ['shapes_rtmdet', 'shapes_yolov5'])
def test_shapes_detectors_train_with_these_learning_rates(name, tmp_path, train):
    import sys
    from pathlib import Path

    root = str(Path(__file__).parents[2])
    if root not in sys.path:  # `projects` lies beside the package and is not installed with it
        sys.path.insert(0, root)
    from projects.shapes import dataset
    from projects.shapes.train import load_config

    dataset.write_split(tmp_path / 'train', dataset.SPLITS['train'][0], range(12))
    cfg = load_config(name, {'train_cfg.max_epochs': 2, 'train_dataloader.batch_size': 4})
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.train_dataloader.dataset.data_root = str(tmp_path) + '/'
    cfg.param_scheduler[0].end = 3
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator', 'test_dataloader', 'test_cfg', 'test_evaluator'):
        cfg.pop(key, None)
    cfg.env_cfg.mp_cfg.opencv_num_threads = 1
    schedule = rehearse(cfg)
    assert (schedule.total, schedule.dataset_size) == (6, 12)
    assert_same(schedule, train(cfg))
