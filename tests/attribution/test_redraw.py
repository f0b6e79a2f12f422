"""Parts of a network from the head down, their weights drawn anew and given back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmlens.attribution.layer_sets import last_of_strides
from mmlens.attribution.redraw import Part, draw_anew, measure_statistics, parts_of, weights_kept


def block(channels_in, channels, stride):
    return nn.Sequential(nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels))


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.position = nn.Parameter(torch.randn(1, 3, 1, 1))
        self.stem = block(3, 4, 2)
        self.stage = nn.Sequential(block(4, 4, 2), block(4, 6, 1))

    def forward(self, x):
        return self.stage(self.stem(x + self.position))


class Network(nn.Module):
    """Its children stand in another order than they run in; the neck shares its weights with the head."""

    def __init__(self):
        super().__init__()
        self.queries = nn.Embedding(3, 6)  # used without being run
        self.head = nn.Conv2d(6, 6, 1)
        self.neck = nn.Conv2d(6, 6, 1)
        self.neck.weight = self.head.weight
        self.backbone = Backbone()
        self.pool = nn.AvgPool2d(2)  # has no weights
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.head(self.neck(self.backbone(self.pool(x)))) * self.scale + self.queries.weight.sum()


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network().eval()


PICTURE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def parts(network):
    layers = last_of_strides(network, 'backbone', lambda: network(PICTURE), (64, 64))
    return parts_of(network, lambda: network(PICTURE), 'backbone', layers)


def names_of(network, part):
    named = {id(p): name for name, p in network.named_parameters()}
    return sorted(named[id(p)] for p in part.parameters)


def test_parts_run_from_the_head_to_the_first_stride(network):
    found = parts(network)
    assert [part.name for part in found] == ['head', 'neck', 'backbone, stride 8', 'backbone, stride 4']
    assert names_of(network, found[0]) == ['head.bias', 'head.weight']
    assert names_of(network, found[1]) == ['neck.bias']
    assert all(name.startswith('backbone.stage') for name in names_of(network, found[2])) and len(found[2].norms) == 2
    # What runs with no module belongs to the part that runs first.
    assert {'backbone.position', 'queries.weight', 'scale', 'backbone.stem.0.weight'} <= {*names_of(network, found[3])}
    everything = [id(p) for part in found for p in part.parameters]
    assert sorted(everything) == sorted(id(p) for p in network.parameters())


def test_a_model_without_a_backbone_falls_into_its_children(network):
    found = parts_of(network, lambda: network(PICTURE))
    assert [part.name for part in found] == ['head', 'neck', 'backbone']
    whole = parts_of(nn.Conv2d(3, 3, 1), lambda: None)
    assert [part.name for part in whole] == ['model'] and len(whole[0].parameters) == 2


def test_values_change_places_and_nothing_else(network):
    (head, *others) = parts(network)
    before = [p.detach().clone() for p in head.parameters]
    kept = [p.detach().clone() for part in others for p in part.parameters]
    draw_anew(head, torch.Generator().manual_seed(0))
    for old, new in zip(before, head.parameters):
        assert not torch.equal(old, new) and torch.equal(old.flatten().sort()[0], new.detach().flatten().sort()[0])
    assert all(torch.equal(a, b) for a, b in zip(kept, (p for part in others for p in part.parameters)))


def test_a_seed_draws_the_same_weights_again(network):
    found = parts(network)
    drawn = []
    with weights_kept(found) as give_back:
        for seed in (0, 1, 0):
            give_back()
            draw_anew(found[0], torch.Generator().manual_seed(seed))
            drawn.append(found[0].parameters[0].detach().clone())
    assert torch.equal(drawn[0], drawn[2]) and not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize('error', [None, RuntimeError, KeyboardInterrupt])
def test_weights_and_statistics_are_given_back_bit_for_bit(network, error):
    found, before = parts(network), {name: value.clone() for name, value in network.state_dict().items()}

    def change():
        with weights_kept(found):
            for part in found:
                draw_anew(part, torch.Generator().manual_seed(0))
            measure_statistics(found, lambda: network(PICTURE))
            assert any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())
            if error is not None:
                raise error

    if error is None:
        change()
    else:
        with pytest.raises(error):
            change()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_statistics_are_those_of_what_comes_in():
    norm = nn.BatchNorm2d(2).eval()
    values = torch.tensor([[[[1.0, 3.0]], [[10.0, 10.0]]]])
    measure_statistics([Part('a', [], [norm])], lambda: norm(values))
    assert norm.running_mean.tolist() == [2, 10] and norm.running_var.tolist() == [2, 0]
    measure_statistics([Part('a', [], [norm])], lambda: norm(torch.zeros(1, 2, 1, 1)))  # one value tells no spread
    assert norm.running_mean.tolist() == [2, 10]
    assert not norm._forward_pre_hooks
