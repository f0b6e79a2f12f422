import importlib

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.runner.checkpoint import _load_checkpoint, load_checkpoint
from torch import nn

from mmlens import load_detector
from mmlens.errors import ModelError
from mmlens.models.loading import read_config
from mmlens.models.outline import build_outline, count_parameters, parameters_on_meta


@MODELS.register_module(force=True)
class OutlinedNet(nn.Module):
    """Shares a parameter in both ways there are, and computes with a buffer and a list while it is built."""

    def __init__(self, teacher=None, pretrained=False, parts=()):
        super().__init__()
        assert not pretrained and not any(part.get('pretrained') for part in parts), 'something would be downloaded'
        if teacher:
            load_checkpoint(nn.Linear(1, 1), teacher)
            self.size = _load_checkpoint(teacher)['size']
        self.first, self.second = nn.Linear(3, 4), nn.Linear(3, 4)
        self.second.weight = self.first.weight
        own = nn.Parameter(torch.randn(5), requires_grad=False)
        self.own, self.same = own, own
        self.register_buffer('rates', torch.linspace(0, 0.3, 4))
        self.last_rate = [rate.item() for rate in self.rates][-1]
        self.norm = nn.SyncBatchNorm(4)
        nn.init.normal_(self.first.weight)


def config(**options):
    return Config(dict(default_scope='mmengine', model=dict(type='OutlinedNet', **options)))


def test_parameters_have_names_and_shapes_but_no_memory():
    state = torch.get_rng_state()
    model = build_outline(config())
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert shapes == {
        'first.weight': (4, 3),
        'first.bias': (4,),
        'second.bias': (4,),
        'own': (5,),
        'norm.weight': (4,),
        'norm.bias': (4,),
    }
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.second.weight is model.first.weight and model.same is model.own
    assert [name for name, parameter in model.named_parameters() if not parameter.requires_grad] == ['own']
    assert model.last_rate == pytest.approx(0.3) and not model.rates.is_meta
    assert torch.equal(torch.get_rng_state(), state)
    assert count_parameters(model.parameters()) == 12 + 4 + 4 + 5 + 8


def test_nothing_is_drawn_for_what_has_no_memory():
    with parameters_on_meta():
        weight = nn.Linear(3, 2).weight
        for draw in (nn.init.kaiming_normal_, nn.init.xavier_uniform_, nn.init.trunc_normal_, nn.init.zeros_):
            assert draw(weight) is weight and weight.is_meta and weight.shape == (2, 3)
        torch.manual_seed(0)
        drawn = nn.init.normal_(torch.empty(3))
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.empty(3).normal_())


def test_nothing_is_downloaded():
    build_outline(config(pretrained=True, parts=[dict(pretrained=True)]))
    with pytest.raises(ModelError, match='without the checkpoint that it begins with, http://unreachable/a.pth: size'):
        build_outline(config(teacher='http://unreachable/a.pth'))
    with pytest.raises(FileNotFoundError):  # as ever, afterwards
        load_checkpoint(nn.Linear(1, 1), 'none.pth')


def test_modules_are_ordinary_again_afterwards():
    with pytest.raises(ZeroDivisionError), parameters_on_meta():
        assert nn.Linear(1, 1).weight.is_meta
        raise ZeroDivisionError
    assert not nn.Linear(1, 1).weight.is_meta


def test_outline_of_a_detector(yolox_config):
    outlined = {name: tuple(value.shape) for name, value in build_outline(yolox_config).named_parameters()}
    real = load_detector(yolox_config, device='cpu').model
    assert outlined == {name: tuple(value.shape) for name, value in real.named_parameters()}


def test_a_large_model_takes_no_time_and_memory():
    """330 million parameters: 1.3 GB if they were real."""
    import resource

    cfg = read_config('mmpretrain::mae/mae_vit-large-p16_8xb512-amp-coslr-800e_in1k.py')
    importlib.import_module('mmpretrain.models')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = build_outline(cfg)
    assert count_parameters(model.parameters()) > 3e8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize(
    ('cfg', 'said'),
    [
        (Config(dict(default_scope='mmengine')), "has no 'model'"),
        (config(no_such_option=1), 'cannot be built: .*no_such'),
    ],
)
def test_what_cannot_be_outlined(cfg, said):
    with pytest.raises(ModelError, match=said):
        build_outline(cfg)
