"""A tiny network and set that mmengine's own Runner trains, so that rehearsals can be compared with the real thing."""

import copy
import importlib

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, MODELS
from mmengine.runner import Runner
from torch import nn

from mmlens import compat


@MODELS.register_module(force=True)
class RehearsalNet(BaseModel):
    """12 parameter tensors: two convolutions with norm layers as backbone and neck, and a linear head."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.neck = nn.Sequential(nn.Conv2d(4, 4, 1), nn.GroupNorm(2, 4))
        self.head = nn.Linear(4, 2)
        self.embedding = nn.Parameter(torch.zeros(1, 4, 1, 1))
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        features = self.neck(self.backbone(torch.stack(list(inputs)))) + self.embedding
        return {'loss': self.head(features.mean((2, 3))).pow(2).mean() * self.scale}


@DATASETS.register_module(force=True)
class RehearsalSet(torch.utils.data.Dataset):
    def __init__(self, size=10, pipeline=()):
        self.size = size
        self.metainfo = {}

    def full_init(self):
        pass

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return {'inputs': torch.full((3, 4, 4), float(index))}


@pytest.fixture
def make_config():
    """Make a config; by default 3 epochs of 5 iterations with two samples each, SGD with momentum."""

    def make(**changes):
        config = dict(
            default_scope='mmengine',
            model=dict(type='RehearsalNet'),
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=True),
                dataset=dict(type='RehearsalSet', size=10),
            ),
            optim_wrapper=dict(
                type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.01)
            ),
            train_cfg=dict(by_epoch=True, max_epochs=3),
        )
        config.update(changes)
        return Config(copy.deepcopy(config))

    return make


@pytest.fixture
def make_yolov5_config(make_config):
    """Make a config with MMYOLO's constructor and hook; the arguments are the hook's."""

    def make(**hook):
        return make_config(
            optim_wrapper=dict(
                type='OptimWrapper',
                optimizer=dict(type='SGD', lr=0.01, momentum=0.937, weight_decay=0.0005, batch_size_per_gpu=16),
                constructor='mmyolo.YOLOv5OptimizerConstructor',
            ),
            default_hooks=dict(param_scheduler=dict(type='mmyolo.YOLOv5ParamSchedulerHook', max_epochs=3, **hook)),
            param_scheduler=None,
        )

    return make


@pytest.fixture(scope='session', autouse=True)
def packages():
    """Let the packages register what the configs name."""
    compat.prepare('mmyolo', 'mmpretrain')
    for name in ('mmdet', 'mmpretrain', 'mmyolo'):
        importlib.import_module(f'{name}.engine')


@HOOKS.register_module(force=True)
class Recorder(Hook):
    """Writes down the optimizer's settings right before each gradient step."""

    priority = 'LOWEST'

    def __init__(self, param):
        self.param = param
        self.rows = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        def read(group):
            if self.param == 'momentum' and 'momentum' not in group:
                return group['betas'][0]
            return group[self.param]

        self.rows.append([float(read(group)) for group in runner.optim_wrapper.optimizer.param_groups])


@pytest.fixture
def train(tmp_path):
    """Train for real; give the setting of every parameter group in every iteration: (iterations, groups)."""

    def train(cfg, param='lr'):
        cfg = copy.deepcopy(cfg)
        cfg.work_dir = str(tmp_path / 'work')
        cfg.default_hooks = dict(
            dict(logger=None, checkpoint=None, runtime_info=None, timer=None, sampler_seed=None),
            **{key: hook for key, hook in (cfg.get('default_hooks') or {}).items() if key == 'param_scheduler'},
        )
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type='mmengine.Recorder', param=param)]
        cfg.visualizer = dict(type='Visualizer', vis_backends=[])
        cfg.log_level = 'ERROR'
        cfg.experiment_name = f'{tmp_path.name}_{np.random.default_rng().integers(1e9)}'
        runner = Runner.from_cfg(cfg)
        runner.train()
        (recorder,) = (hook for hook in runner.hooks if isinstance(hook, Recorder))
        return np.array(recorder.rows)

    return train


@HOOKS.register_module(force=True)
class EveryIteration(ParamSchedulerHook):
    """A hook of a user's own, which lowers the learning rate whenever it is called."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for group in runner.optim_wrapper.optimizer.param_groups:
            group['lr'] *= 0.999
