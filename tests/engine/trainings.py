"""What tests of real trainings share: short ways to say a hook, and to read what was drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import torch
from mmengine.hooks import Hook

EMA = dict(type='EMAHook', momentum=0.1)


class CallAfterEpoch(Hook):
    """Calls a function after each epoch, before the hooks that draw."""

    priority = 'HIGH'

    def __init__(self, call):
        self.call = call

    def after_train_epoch(self, runner):
        self.call(runner)


def boxam(**options):
    return {**dict(type='mmlens.BoxAMVisHook', on_error='raise', score_thr=0.0, max_boxes=1, num=1), **options}


def featmap(**options):
    return {**dict(type='mmlens.FeatmapVisHook', on_error='raise', num=1), **options}


def cam(**options):
    return {**dict(type='mmlens.CAMVisHook', on_error='raise', num=2), **options}


def map_metric(**options):
    return {**dict(type='mmlens.MapMetric', every_n=2, score_thr=0.0, max_boxes=1, baselines=['gaussian']), **options}


def drawn_by(runner, folder='mmlens'):
    """Paths below the local folder, without the ending."""
    root = Path(runner.work_dir) / folder
    return sorted(str(path.relative_to(root).with_suffix('')) for path in root.rglob('*.png'))


def read_drawing(runner, path):
    return cv2.imread(f'{runner.work_dir}/mmlens/{path}.png')


def warnings_of(runner, monkeypatch):
    said = []
    monkeypatch.setattr(runner.logger, 'warning', lambda message, *rest: said.append(message))
    return said


def assert_same(one, other):
    """Nested dicts, lists and tensors are equal to the last bit."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other):
            assert_same(mine, theirs)
    else:
        assert one == other
