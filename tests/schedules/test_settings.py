"""Rehearsals against numbers worked out by hand, and what they say of a config that cannot be rehearsed."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmlens.errors import MmlensError, ModelError
from mmlens.schedules import rehearse

WARM_UP = dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=4)


def test_warm_up_and_milestones_by_hand(make_config):
    schedule = rehearse(make_config(param_scheduler=[WARM_UP, dict(type='MultiStepLR', milestones=[1, 2], gamma=0.1)]))
    (curve,) = schedule.curves
    # 0.1 * (0.1, 0.4, 0.7, 1.0), then a tenth from each milestone on
    expected = [0.01, 0.04, 0.07, 0.1, 0.1] + [0.01] * 5 + [0.001] * 5
    np.testing.assert_allclose(curve.values, expected, rtol=1e-12)
    assert (curve.label, curve.tensors) == ('all parameters', 12)
    # convolutions 3*4*9+4 and 4*4+4, two norms of 8, linear 4*2+2, embedding 4, scale 1
    assert curve.parameters == 112 + 20 + 16 + 10 + 4 + 1
    assert (schedule.total, schedule.epoch_length, schedule.dataset_size, schedule.batch_size) == (15, 5, 10, 2)
    assert schedule.by_epoch and schedule.every_iteration and schedule.notes == ()


@pytest.mark.parametrize(
    ('size', 'ngpus', 'drop_last', 'length'),
    [(10, 1, False, 5), (11, 1, False, 6), (11, 1, True, 5), (21, 4, False, 3)],
)
def test_epochs_are_as_long_as_the_sampler_makes_them(size, ngpus, drop_last, length, make_config):
    cfg = make_config()
    cfg.train_dataloader.drop_last = drop_last
    cfg.train_dataloader.dataset.type = 'NoSuchSet'  # is not built
    cfg.train_dataloader.update(num_workers=8, persistent_workers=True, prefetch_factor=2)
    assert rehearse(cfg, dataset_size=size, ngpus=ngpus).epoch_length == length


def test_size_of_wrapped_sets(make_config):
    cfg = make_config()
    inner = dict(type='RehearsalSet', size=6, pipeline=[dict(type='NoSuchTransform')])
    repeated = dict(type='RepeatDataset', times=3, dataset=inner)
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[repeated, dict(type='RehearsalSet', size=4)])
    schedule = rehearse(cfg)
    assert (schedule.dataset_size, schedule.epoch_length) == (22, 11)


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


# ---------------------------------------------------------------- what cannot be known


def test_constant_settings_are_told(make_config):
    schedule = rehearse(make_config())
    assert schedule.notes == ('nothing in the config changes the lr: it stays as the optimizer has it',)
    assert schedule.curves[0].values.tolist() == [0.1] * 15


def test_plateaus_are_told(make_config):
    schedule = rehearse(make_config(param_scheduler=dict(type='ReduceOnPlateauLR', monitor='coco/bbox_mAP')))
    assert any('ReduceOnPlateauLR waits for what validation says of coco/bbox_mAP' in note for note in schedule.notes)
    assert schedule.curves[0].values.tolist() == [0.1] * 15


def test_hooks_that_are_not_run_are_told(make_config):
    @HOOKS.register_module(force=True)
    class OwnHook(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            raise AssertionError('is not run')

    cfg = make_config(custom_hooks=[dict(type='OwnHook'), dict(type='EarlyStoppingHook', monitor='loss')])
    assert [note.split()[0] for note in rehearse(cfg).notes] == ['OwnHook', 'EarlyStoppingHook', 'nothing']


def test_size_given_for_a_lengthened_set_is_told(make_config):
    cfg = make_config()
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', times=3, dataset=cfg.train_dataloader.dataset)
    assert 'RepeatDataset' in ' '.join(rehearse(cfg, dataset_size=30).notes)
    assert 'RepeatDataset' not in ' '.join(rehearse(cfg).notes)


def test_model_that_cannot_be_built_matters_only_to_groups(make_config):
    cfg = make_config(model=dict(type='NoSuchModel'))
    schedule = rehearse(cfg)
    assert schedule.curves[0].values[0] == 0.1
    assert 'parameters are not counted: ' in schedule.notes[0] and 'NoSuchModel' in schedule.notes[0]
    cfg.optim_wrapper.paramwise_cfg = dict(bias_lr_mult=2.0)
    with pytest.raises(ModelError, match='NoSuchModel'):
        rehearse(cfg)


# ---------------------------------------------------------------- what can be wrong


@pytest.mark.parametrize('key', ['optim_wrapper', 'train_cfg', 'train_dataloader'])
def test_config_not_to_train_with(key, make_config):
    cfg = make_config()
    cfg.pop(key)
    with pytest.raises(ModelError, match=f'has no {key}, so'):
        rehearse(cfg)


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'train_dataloader.dataset.type': 'NoSuchSet'}, 'NoSuchSet.* --dataset-size N'),
        ({'train_dataloader.dataset.size': 0}, 'is empty'),
        ({'train_dataloader.sampler.type': 'NoSuchSampler'}, 'NoSuchSampler'),
        ({'train_dataloader.batch_size': 20, 'train_dataloader.drop_last': True}, 'no full batch'),
        ({'train_dataloader.batch_size': 0}, 'the batch_size of train_dataloader is 0, not a whole number above 0'),
        ({'optim_wrapper.optimizer.type': 'NoSuchOptimizer'}, 'names NoSuchOptimizer, .* registry of optimizers'),
        ({'param_scheduler': [dict(type='NoSuchLR')]}, 'NoSuchLR'),
        ({'param_scheduler': [dict(type='LinearLR', start_factor=7)]}, 'param_scheduler .* between 0 and 1'),
        (
            {'param_scheduler': [dict(type='OneCycleLR', eta_max=1, total_steps=4, by_epoch=False)]},
            'fails after iteration',
        ),
        ({'custom_hooks': [dict(type='NoSuchHook')]}, 'NoSuchHook'),
        ({'train_cfg.max_iters': 100}, 'train_cfg of the config cannot be built: .*max_iters'),
    ],
)
def test_what_is_wrong_with_a_config_is_told(changes, said, make_config):
    cfg = make_config(param_scheduler=None, custom_hooks=[])
    with pytest.raises(ModelError, match=said):
        rehearse(cfg, cfg_options=changes)


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [(dict(param='rate'), "no 'rate'"), (dict(dataset_size=0), 'at least one'), (dict(ngpus=0), 'at least one')],
)
def test_wrong_arguments(arguments, said, make_config):
    with pytest.raises(MmlensError, match=said):
        rehearse(make_config(), **arguments)


def test_setting_that_the_optimizer_does_not_have(make_config):
    cfg = make_config(optim_wrapper=dict(optimizer=dict(type='Adagrad', lr=0.1)))
    with pytest.raises(ModelError, match='no momentum to draw; choose --param lr or weight_decay'):
        rehearse(cfg, 'momentum')


def test_a_rehearsal_changes_nothing(make_config, tmp_path, monkeypatch):
    import torch
    from torch import distributed

    monkeypatch.chdir(tmp_path)
    cfg = make_config(param_scheduler=[WARM_UP], auto_scale_lr=dict(enable=True, base_batch_size=16))
    before, state = cfg.pretty_text, torch.get_rng_state()
    rehearse(cfg, ngpus=4)
    assert cfg.pretty_text == before
    assert torch.equal(torch.get_rng_state(), state)
    assert not distributed.is_initialized() and distributed.is_initialized.__module__.startswith('torch.')
    assert list(tmp_path.iterdir()) == []
    assert isinstance(cfg, Config)
