"""The last layer of every stride, found in one traced pass."""

import pytest
import torch
from torch import nn

from mmlens.attribution.layer_sets import last_of_strides


def block(channels_in, channels, stride):
    return nn.Sequential(nn.Conv2d(channels_in, channels, 3, stride, 1), nn.ReLU(inplace=True))


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = block(3, 4, 2)
        self.stages = nn.ModuleList([nn.Sequential(block(4, 4, 2), block(4, 4, 1)), block(4, 8, 2)])
        self.unused = block(3, 4, 1)
        self.shared = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        x = self.shared(self.stem(x))
        outs = []
        for stage in self.stages:
            x = self.shared(stage(x))
            outs.append(x)
        self.pool(x)
        return tuple(outs)


class Network(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.head_ran = 0

    def forward(self, x):
        found = self.backbone(x)
        self.head_ran += 1
        return found


def strides_of(network, size=(32, 48)):
    found = last_of_strides(network, 'backbone', lambda: network(torch.rand(1, 3, *size)), size)
    return [(layer.name, layer.stride) for layer in found]


def test_the_last_and_outermost_layer_of_each_stride():
    # `shared` runs at every stride, which makes it no layer of one; `unused` does not run; the pool is no map.
    assert strides_of(Network(Backbone())) == [
        ('backbone.stem', 2),
        ('backbone.stages[0]', 4),
        ('backbone.stages[1]', 8),
    ]


def test_what_follows_the_part_is_not_run_and_nothing_stays():
    network = Network(Backbone()).train()
    strides_of(network)
    assert network.head_ran == 0 and network.training
    assert all(not module._forward_hooks for module in network.modules())


def test_an_error_of_the_network_comes_through_and_nothing_stays():
    network = Network(Backbone())
    network.backbone.stages[1] = nn.Conv2d(9, 9, 1)
    with pytest.raises(RuntimeError):
        strides_of(network)
    assert all(not module._forward_hooks for module in network.modules())


class Tokens(nn.Module):
    """A vision transformer's layers: a map of patches, then tokens (1, L, C), with the stride of the patches."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 8, 8)
        self.layers = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])

    def forward(self, x):
        x = self.patches(x)
        tokens = x.flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens.transpose(1, 2).reshape(x.shape)


def test_token_layers_have_a_stride_too():
    assert strides_of(Network(Tokens())) == [('backbone.layers[1]', 8)]


class Bottleneck(nn.Module):
    """ResNet's block: its first layers keep the stride of what comes in, and its ReLU runs at both."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 1)
        self.conv2 = nn.Conv2d(4, 4, 3, 2, 1)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv2(self.relu(self.conv1(x))))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.layer1 = nn.Sequential(Bottleneck())
        self.layer2 = nn.Sequential(Bottleneck())

    def forward(self, x):
        return self.layer2(self.layer1(self.stem(x)))


def test_what_a_block_does_before_its_stride_changes_is_no_layer_of_the_finer_stride():
    assert strides_of(Network(Residual())) == [('backbone.stem', 2), ('backbone.layer1', 4), ('backbone.layer2', 8)]
