"""The Runner that trains nothing: what it takes from a config, what it scales, and what it says it left out."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmengine.registry import HOOKS, OPTIM_WRAPPER_CONSTRUCTORS

from mmlens.errors import ModelError
from mmlens.schedules import rehearse
from mmlens.schedules.runner import is_scheduler_hook, listed_hooks, listed_schedulers

STEP, POLY = dict(type='StepLR', step_size=1), dict(type='PolyLR')


def test_yolov5_scales_the_decay_by_all_gpus(make_yolov5_config):
    cfg = make_yolov5_config()
    decays = [rehearse(cfg, 'weight_decay', ngpus=ngpus).curves[0].values[0] for ngpus in (1, 8)]
    # accumulates up to a batch of 64: 4 x 16, or 1 x 128, which is twice as much
    assert decays == [0.0005, 0.001]


def test_auto_scale_lr(make_config):
    cfg = make_config(auto_scale_lr=dict(enable=True, base_batch_size=16))
    schedule = rehearse(cfg, ngpus=2)
    assert schedule.curves[0].values[0] == pytest.approx(0.1 * 4 / 16)
    assert 'by 0.25' in schedule.notes[0]
    switched_off = rehearse(cfg, ngpus=2, cfg_options={'auto_scale_lr.enable': False})
    assert switched_off.curves[0].values[0] == 0.1
    assert 'auto_scale_lr is off' in switched_off.notes[0]


def test_settings_of_wrappers_that_need_a_gpu_do_not_matter(make_config):
    cfg = make_config()
    cfg.optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic', accumulative_counts=4)
    assert rehearse(cfg).curves[0].values[0] == 0.1


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class TwoOptimizers:
    """Builds a wrapper for every part of the model that the config has a section for."""

    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        self.cfg = optim_wrapper_cfg

    def __call__(self, model):
        parts = {name: cfg for name, cfg in self.cfg.items() if isinstance(cfg, dict)}
        return OptimWrapperDict(**{name: build_optim_wrapper(getattr(model, name), cfg) for name, cfg in parts.items()})


@pytest.mark.parametrize('kind', [{}, dict(type='OptimWrapperDict'), dict(type='AmpOptimWrapper', dtype='bfloat16')])
def test_whatever_a_custom_constructor_reads_reaches_it(make_config, kind):
    sgd, adam = dict(type='SGD', lr=0.2), dict(type='Adam', lr=0.01)
    amp = dict(type='AmpOptimWrapper', loss_scale='dynamic', optimizer=adam)
    parts = dict(constructor='TwoOptimizers', backbone=dict(type='OptimWrapper', optimizer=sgd), head=amp)
    cfg = make_config(optim_wrapper=dict(parts, **kind), param_scheduler=dict(backbone=STEP, head=[]))
    by_name = {curve.label.split(':')[0]: curve.values[[0, 5, 10]].tolist() for curve in rehearse(cfg).curves}
    assert by_name == {'backbone': pytest.approx([0.2, 0.02, 0.002]), 'head': pytest.approx([0.01] * 3)}


def test_an_optimizer_of_nothing_is_told(make_config):
    cfg = make_config(optim_wrapper=dict(constructor='TwoOptimizers'))
    with pytest.raises(ModelError, match='The optimizer of the config has no parameters'):
        rehearse(cfg)


def test_plateaus_are_told(make_config):
    schedule = rehearse(make_config(param_scheduler=dict(type='ReduceOnPlateauLR', monitor='coco/bbox_mAP')))
    assert any('ReduceOnPlateauLR depends on coco/bbox_mAP from validation' in note for note in schedule.notes)
    assert schedule.curves[0].values.tolist() == [0.1] * 15


def test_hooks_that_are_not_run_are_told(make_config):
    @HOOKS.register_module(force=True)
    class OwnHook(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            raise AssertionError('is not run')

    cfg = make_config(custom_hooks=[dict(type='OwnHook'), dict(type='EarlyStoppingHook', monitor='loss')])
    assert [note.split()[0] for note in rehearse(cfg).notes] == ['OwnHook', 'EarlyStoppingHook', 'nothing']


def test_setting_that_the_optimizer_does_not_have(make_config):
    cfg = make_config(optim_wrapper=dict(optimizer=dict(type='Adagrad', lr=0.1)))
    with pytest.raises(ModelError, match='no momentum to draw; set `param` to lr or weight_decay'):
        rehearse(cfg, 'momentum')


@pytest.mark.parametrize(
    ('given', 'listed'),
    [
        (None, []),
        (STEP, [STEP]),
        ([STEP, POLY], [STEP, POLY]),
        (dict(generator=[STEP], discriminator=POLY), [STEP, POLY]),
        (dict(generator=[], discriminator=None), []),
        ([[STEP], [POLY]], [STEP, POLY]),
    ],
)
def test_schedulers_are_found_however_they_are_listed(given, listed):
    assert listed_schedulers(Config(dict(param_scheduler=given))) == listed


def test_hooks_are_those_that_are_not_switched_off():
    default = dict(type='ParamSchedulerHook')
    assert listed_hooks(Config(dict())) == [default]
    own = dict(type='OwnHook')
    cfg = Config(dict(default_hooks=dict(timer=None, checkpoint=dict(type='CheckpointHook')), custom_hooks=[own, None]))
    assert listed_hooks(cfg) == [default, dict(type='CheckpointHook'), own]
    assert listed_hooks(Config(dict(default_hooks=dict(param_scheduler=None)))) == []


@pytest.mark.parametrize(
    ('kind', 'own_rule'),
    [('ParamSchedulerHook', False), ('mmyolo.YOLOv5ParamSchedulerHook', True), ('EMAHook', False)],
)
def test_hooks_with_a_rule_of_their_own(kind, own_rule):
    assert is_scheduler_hook(dict(type=kind)) is own_rule


def test_a_training_of_no_iteration_is_refused(make_config):
    with pytest.raises(ModelError, match='asks for 0 epochs of training: at least one is needed.$'):
        rehearse(make_config(train_cfg=dict(by_epoch=True, max_epochs=0)))
    with pytest.raises(ModelError, match='asks for 0 iterations of training: at least one is needed.$'):
        rehearse(make_config(train_cfg=dict(by_epoch=False, max_iters=0)))


@OPTIM_WRAPPER_CONSTRUCTORS.register_module(force=True)
class OneForEachPart:
    """Builds a wrapper for each part that the config names, as GANs have them; the config has no type."""

    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        self.parts = optim_wrapper_cfg

    def __call__(self, model):
        built = {
            name: build_optim_wrapper(getattr(model, name), part)
            for name, part in self.parts.items()
            if name in ('backbone', 'head')
        }
        return OptimWrapperDict(**built)


@pytest.mark.parametrize('typed', [{}, {'type': 'OptimWrapperDict'}])
@pytest.mark.parametrize('kind', ['OptimWrapper', 'AmpOptimWrapper'])
def test_what_a_constructor_reads_reaches_it(make_config, typed, kind):
    cfg = make_config()
    more = {'loss_scale': 'dynamic'} if kind == 'AmpOptimWrapper' else {}
    cfg.optim_wrapper = dict(
        constructor='OneForEachPart',
        backbone=dict(type=kind, optimizer=dict(type='Adam', lr=1e-4), **more),
        head=dict(type=kind, optimizer=dict(type='SGD', lr=0.1), **more),
        **typed,
    )
    cfg.param_scheduler = dict(backbone=dict(type='MultiStepLR', milestones=[1]), head=dict(type='PolyLR', end=3))
    curves = {curve.label.split(':')[0]: curve.values for curve in rehearse(cfg).curves}
    assert curves['backbone'][[0, 5]] == pytest.approx([1e-4, 1e-5])
    assert curves['head'][[0, 5, 10]] == pytest.approx([0.1, 0.05, 0.0])


def test_accumulated_gradients_are_told(make_config):
    cfg = make_config()
    cfg.optim_wrapper.accumulative_counts = 4
    assert rehearse(cfg).notes[0].startswith('accumulative_counts=4: the optimizer steps every 4 iterations')


def test_more_epochs_than_anybody_trains_are_refused(make_config):
    cfg = make_config()
    cfg.train_cfg.max_epochs = 10**9
    with pytest.raises(ModelError, match='asks for 1,000,000,000 epochs: more than 100,000 are not rehearsed; set'):
        rehearse(cfg)
