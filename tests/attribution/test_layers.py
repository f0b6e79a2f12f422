"""Layers by the names users write."""

import pytest
import torch
from torch import nn

from mmlens.attribution.layers import LayerInfo, list_layers, parse_layer_name, resolve_layer
from mmlens.errors import LayerError


class Block(nn.Module):
    """As in ResNet: the norm's own name is behind a property."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 1)
        self.add_module('bn1', nn.BatchNorm2d(4))

    @property
    def norm1(self):
        return self.bn1

    def forward(self, x):
        return self.norm1(self.conv1(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.stem = nn.Sequential()
        self.backbone.stem.add_module('conv', nn.Conv2d(3, 4, 1))
        self.backbone.stem.add_module('act', nn.ReLU())
        self.backbone.layer4 = nn.Sequential(Block(), Block(), Block())
        self.neck = nn.Module()
        self.neck.out_convs = nn.ModuleList([nn.Conv2d(4, 2, 1) for _ in range(12)])
        self.neck.by_level = nn.ModuleDict({'p3': nn.Identity(), 'p-4': nn.Identity(), '5': nn.Identity()})
        self.neck.missing = None

    def forward(self, x):
        x = self.backbone.layer4(self.backbone.stem(x))
        return [self.neck.out_convs[0](x), self.neck.out_convs[0](x[..., :1])]


@pytest.fixture
def net():
    return Net().eval()


@pytest.mark.parametrize(
    ('name', 'steps'),
    [
        ('neck', ['neck']),
        ('backbone.layer4[-1].conv2', ['backbone', 'layer4', '-1', 'conv2']),
        ('neck.out_convs.2', ['neck', 'out_convs', '2']),
        ('a[0][1].b', ['a', '0', '1', 'b']),
        ('[3].conv', ['3', 'conv']),
        ('a["p-4"].b', ['a', 'p-4', 'b']),
        ("a['p3']", ['a', 'p3']),
        ('_x1.y_2', ['_x1', 'y_2']),
    ],
)
def test_names_are_parsed(name, steps):
    assert parse_layer_name(name) == steps


@pytest.mark.parametrize(
    'name',
    ['', '.neck', 'neck.', 'a..b', 'neck[', 'neck[x]', 'neck[1', 'a b', 'a-b', '[0]conv', '2neck', 'a.[0]', 'a[1.5]']
    + ['neck[0:2]', '__import__("os")', 'neck()', 'a[\'b"]'],
)
def test_what_is_no_name_is_refused(name):
    with pytest.raises(LayerError) as error:
        parse_layer_name(name)
    assert str(error.value) == (f"'{name}' is not a layer's name: write it like 'neck' or 'backbone.layer4[-1].conv2'.")


def test_names_lead_to_modules(net):
    layer4, convs, levels = net.backbone.layer4, net.neck.out_convs, net.neck.by_level
    expected = {
        'neck': net.neck,
        'backbone.layer4': layer4,
        'backbone.layer4[0]': layer4[0],
        'backbone.layer4[-1]': layer4[2],
        'backbone.layer4[-3].conv1': layer4[0].conv1,
        'backbone.layer4.1.conv1': layer4[1].conv1,
        'backbone.layer4[1].norm1': layer4[1].bn1,
        'model.backbone.layer4[1].bn1': layer4[1].bn1,
        'neck.out_convs': convs,
        'neck.out_convs.10': convs[10],
        'neck.out_convs[-2]': convs[10],
        'neck.by_level.p3': levels['p3'],
        "neck.by_level['p-4']": levels['p-4'],
        'neck.by_level["5"]': levels['5'],
        'backbone.stem[0]': net.backbone.stem.conv,
        'backbone.stem[-1]': net.backbone.stem.act,
        'backbone.stem.conv': net.backbone.stem.conv,
    }
    assert {name: resolve_layer(net, name) for name in expected} == expected


def test_a_model_that_has_a_part_called_model_keeps_it(net):
    outer = nn.Module()
    outer.model = net
    assert resolve_layer(outer, 'model') is net
    assert resolve_layer(outer, 'model.neck') is net.neck


@pytest.mark.parametrize(
    ('name', 'sentence'),
    [
        ('nek', "No layer 'nek': did you mean 'neck'? (`list_layers(model)` lists all.)"),
        ('nek.out_convs[2]', "No layer 'nek.out_convs[2]': did you mean 'neck'? (`list_layers(model)` lists all.)"),
        ('model.nek', "No layer 'model.nek': did you mean 'neck'? (`list_layers(model)` lists all.)"),
        (
            'backbone.layer4[3]',
            "No layer 'backbone.layer4[3]': 'backbone.layer4' has 3 entries, [0] to [2].",
        ),
        (
            'backbone.layer4[-4].conv1',
            "No layer 'backbone.layer4[-4].conv1': 'backbone.layer4' has 3 entries, [0] to [2].",
        ),
        (
            'backbone.layer4.conv1',
            "No layer 'backbone.layer4.conv1': 'backbone.layer4' has 3 entries, [0] to [2].",
        ),
        (
            'neck.out_convs[12]',
            "No layer 'neck.out_convs[12]': 'neck.out_convs' has 12 entries, [0] to [11].",
        ),
        (
            'backbone.layer4[0].conv3',
            "No layer 'backbone.layer4[0].conv3': did you mean 'backbone.layer4[0].conv1'? "
            '(`list_layers(model)` lists all.)',
        ),
        (
            'backbone.stem.cnov',
            "No layer 'backbone.stem.cnov': did you mean 'backbone.stem.conv'? (`list_layers(model)` lists all.)",
        ),
        ('backbone.stem[2]', "No layer 'backbone.stem[2]': 'backbone.stem' has 2 entries, [0] to [1]."),
        (
            'backbone.stem.conv.weight',
            "No layer 'backbone.stem.conv.weight': 'backbone.stem.conv' has no layers inside; "
            "use 'backbone.stem.conv' itself.",
        ),
        (
            'neck.by_level.p4',
            "No layer 'neck.by_level.p4': did you mean \"neck.by_level['p-4']\" or 'neck.by_level.p3'? "
            '(`list_layers(model)` lists all.)',
        ),
        (
            'xyzzy',
            "No layer 'xyzzy': did you mean 'backbone' or 'neck'? (`list_layers(model)` lists all.)",
        ),
    ],
)
def test_an_unknown_layer_is_answered_with_the_nearest(net, name, sentence):
    with pytest.raises(LayerError) as error:
        resolve_layer(net, name)
    assert str(error.value) == sentence


def test_an_entry_that_is_none_is_no_layer(net):
    net.neck.add_module('gone', None)
    with pytest.raises(LayerError, match=r"No layer 'neck.gone'"):
        resolve_layer(net, 'neck.gone')


def test_attributes_that_are_no_modules_are_no_layers(net):
    for name in ('backbone.stem.conv.weight', 'neck.training', 'neck.forward'):
        with pytest.raises(LayerError):
            resolve_layer(net, name)


def test_every_listed_name_leads_back_to_its_layer(net):
    listed = [info.name for info in list_layers(net)]
    assert [resolve_layer(net, name) for name in listed] == [m for n, m in net.named_modules() if n]
    assert 'backbone.layer4[0].conv1' in listed
    assert "neck.by_level['p-4']" in listed


def test_layers_are_listed_without_a_run(net):
    assert list_layers(net)[1] == LayerInfo('backbone.stem', 'Sequential', None)


def test_layers_are_listed_with_the_shapes_of_a_run(net):
    layers = {info.name: info for info in list_layers(net, lambda: net(torch.zeros(1, 3, 5, 6)))}
    assert layers['backbone.stem'].shapes == ((1, 4, 5, 6),)
    assert layers['neck.out_convs[0]'] == LayerInfo('neck.out_convs[0]', 'Conv2d', ((1, 2, 5, 6), (1, 2, 5, 1)))
    assert layers['neck.out_convs[1]'].shapes == ()
    assert layers['neck'].shapes == ()


def test_listing_leaves_the_model_as_it_was(net):
    net.backbone.layer4.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [m.training for m in net.modules()]

    def run():
        assert not torch.is_grad_enabled()
        net(torch.rand(1, 3, 4, 4))
        raise RuntimeError('half way')

    with pytest.raises(RuntimeError, match='half way'):
        list_layers(net, run)
    assert [m.training for m in net.modules()] == modes
    assert not any(m._forward_hooks for m in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
