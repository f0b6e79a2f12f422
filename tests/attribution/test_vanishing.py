"""Where a gradient becomes zero between a layer and the target is named as it is."""

import pytest
import torch
from torch import nn

from mmlens.attribution.vanishing import ELSEWHERE, where_gradients_vanish


class Block(nn.Module):
    """conv -> norm -> relu -> conv -> norm, beside an identity; one ReLU module runs twice, in place."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)
        self.conv2, self.norm2 = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)
        self.relu = nn.ReLU(inplace=True)
        self.scale = 1.0

    def forward(self, x):
        inner = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        return self.relu(inner * self.scale + x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block, self.side, self.fc = Block(), nn.Conv2d(2, 2, 1), nn.Linear(2, 3)

    def forward(self, x):
        return self.fc(self.block(x).mean((2, 3))), self.side(x).mean()


@pytest.fixture
def net():
    torch.manual_seed(0)
    model = Net().eval()
    for parameter in model.parameters():
        parameter.data = parameter.data.abs() + 0.1
    return model


def why(net, layer='block.conv1', target=lambda logits, side: logits[0, 0]):
    modules = {layer: net.get_submodule(layer)}
    before = {name: value.clone() for name, value in net.state_dict().items()}
    told = where_gradients_vanish(net, modules, lambda tap: [target(*net(torch.ones(1, 2, 4, 4)))], [0])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
    return told.get(0)


def test_weights_that_are_zero(net):
    net.block.norm2.weight.data.zero_()
    expected = "it ends in 'block.norm2' (BatchNorm2d), whose weights are all zero, as before a training; "
    assert why(net) == expected + 'choose that layer or a later one'
    net.fc.weight.data.zero_()
    assert why(net, 'block').startswith("it ends in 'fc' (Linear), whose weights are all zero")


def test_an_activation_that_is_off(net):
    net.block.norm1.bias.data.fill_(-100.0)
    assert why(net).startswith("it ends in 'block.relu' (ReLU), which is off wherever this target looks")


def test_code_between_modules_is_not_taken_for_one(net):
    net.block.scale = 0.0
    assert why(net) == "it ends on the way to 'block.relu' (ReLU); choose that layer or a later one"


def test_what_does_not_count_for_the_target(net):
    assert why(net, 'block', lambda logits, side: side + 0 * logits.sum()) == ELSEWHERE


def test_a_saturated_target_has_no_other_reason(net):
    assert why(net, target=lambda logits, side: (logits[0, 0] * 1000).sigmoid()) is None
