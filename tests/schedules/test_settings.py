"""Rehearsals against numbers worked out by hand, and what they say of a config that cannot be rehearsed."""

import numpy as np
import pytest
from mmengine.config import Config

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


# ---------------------------------------------------------------- what cannot be known


def test_constant_settings_are_told(make_config):
    schedule = rehearse(make_config())
    assert schedule.notes == ('nothing in the config changes the lr: it keeps the value in the optimizer',)
    assert schedule.curves[0].values.tolist() == [0.1] * 15


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
        ({'train_dataloader.dataset.type': 'NoSuchSet'}, 'NoSuchSet.* `dataset_size=N`'),
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
    [
        (dict(param='rate'), "^'rate' cannot be drawn"),
        (dict(dataset_size=0), 'at least one'),
        (dict(ngpus=0), 'at least one'),
    ],
)
def test_wrong_arguments(arguments, said, make_config):
    with pytest.raises(MmlensError, match=said):
        rehearse(make_config(), **arguments)


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
