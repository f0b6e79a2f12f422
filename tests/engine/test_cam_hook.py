"""The hook of class maps, in real trainings."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch
from mmengine.registry import HOOKS, MODELS
from trainings import EMA, CallAfterEpoch, cam, drawn_by, read_drawing, warnings_of

from mmlens.engine import CAMVisHook, VisHook
from mmlens.engine.watched_pictures import Choice
from mmlens.engine.weights import averaged
from mmlens.errors import MmlensError
from mmlens.models.families import as_network

WRONG = [
    (dict(method=None), '^method must be a name, not None.$'),
    (dict(layers=4), '^layers must be a layer, or a list of such, not 4.$'),
    (dict(against=1.5), '^against must be a class, or a list of such, not 1.5.$'),
    (dict(num_extra_tokens='1'), "^num_extra_tokens must be a whole number, not '1'.$"),
    (dict(), '^RTMDet is a detector, and class maps need a classifier: '),
]


def test_what_is_wrong_stops_the_training_at_its_start(make_runner):
    runner = make_runner('mmdet')
    runner.train_loop  # noqa: B018  builds it
    for options, sentence in WRONG:
        with pytest.raises(MmlensError, match=sentence) as raised:
            HOOKS.build({'type': 'mmlens.CAMVisHook', **options}).before_train(runner)
        assert '\n' not in str(raised.value)


class ToldPooling(torch.nn.Module):
    """Makes what it predicts with when it is told to predict, as LeViT's attention does."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(64))

    def train(self, mode=True):
        super().train(mode)
        self.__dict__.pop('made', None)
        if not mode:
            self.made = self.bias.detach().clone()
        return self

    def forward(self, inputs):
        return (inputs[0].mean((2, 3)) + (self.bias if self.training else self.made),)


@pytest.mark.parametrize('use_ema', [False, True])
def test_models_are_told_that_they_predict_not_only_flagged(make_runner, pictures, use_ema):
    MODELS.register_module(module=ToldPooling, force=True)
    hooks = [cam(num=1, during=('train', 'val'), use_ema=use_ema), *([EMA] if use_ema else [])]
    runner = make_runner('mmpretrain', hooks, model__neck=dict(type='ToldPooling', _delete_=True))
    made = []

    def note(runner):
        made.append(any('made' in vars(module) for module in runner.model.modules()))

    runner.register_hook(CallAfterEpoch(note), priority='VERY_LOW')  # after the drawings
    runner.train()
    assert made == [False, False]
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, VisHook))
    model = averaged(runner) if use_ema else runner.model
    assert ('made' in vars(model.neck)) is not use_ema  # validation leaves the model in eval mode
    plain = as_network(copy.deepcopy(model).eval(), runner.cfg, runner.visualizer.dataset_meta)
    expected, _ = hook.draw(plain, Choice(pictures=[str(pictures / 'val' / 'pictures' / '000.png')]).of_files()[0])
    for tag in ('cam', 'cam_val'):
        assert np.array_equal(read_drawing(runner, f'{tag}/000/epoch_0002'), expected)
    assert model.neck.bias.abs().sum() > 0


def test_why_a_map_is_blank_is_said_once(make_runner, monkeypatch):
    runner = make_runner('mmpretrain', [cam(layers=['backbone.layer3'])])
    said = warnings_of(runner, monkeypatch)
    # A head without weights: no class depends on the picture, in both epochs.
    runner.register_hook(CallAfterEpoch(lambda runner: runner.model.head.fc.weight.data.zero_()))
    runner.train()
    blank = [sentence for sentence in said if 'layer3' in sentence]
    assert len(blank) == 1 and re.match(r'CAMVisHook: the map of \w+ in 000 is blank: ', blank[0])


def test_classes_were_called_categories():
    with pytest.warns(DeprecationWarning, match='`categories` is now called `classes`'):
        old = CAMVisHook(categories='truth')
    assert old.classes == CAMVisHook(classes='truth').classes == 'truth'


def test_both_directions_of_a_contrast_are_drawn(make_runner):
    runner = make_runner('mmpretrain', [cam(during='test', num=1, against='auto', signed=True, layout=None)])
    plain = make_runner('mmpretrain', [cam(during='test', num=1, layout=None)], work='plain')
    for each in (runner, plain):
        each.test()
    assert drawn_by(runner) == drawn_by(plain) == ['cam_test/000/epoch_0000']
    # A sheet, so that the colours are named; a single class alone is an overlay.
    sheet, overlay = (read_drawing(each, 'cam_test/000/epoch_0000') for each in (runner, plain))
    assert sheet.shape[1] > 2 * overlay.shape[1]
