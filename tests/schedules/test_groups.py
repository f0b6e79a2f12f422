import math

import pytest
import torch
from torch import nn

from mmlens.errors import ModelError
from mmlens.schedules.groups import combine, label_groups, merge_alike, read_value


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Sequential(nn.Linear(4, 2), nn.LayerNorm(2))
        self.pos_embed = nn.Parameter(torch.zeros(1, 4))


def grouped(model, settings_of):
    """An optimizer with a group a parameter; ``settings_of(name)`` gives a group's settings."""
    groups = [dict(params=[parameter], **settings_of(name)) for name, parameter in model.named_parameters()]
    return torch.optim.SGD(groups, lr=0.1)


def labels(settings_of, param='lr', custom_keys=()):
    model = Net()
    groups = merge_alike(grouped(model, settings_of), param, model)
    return dict(zip(label_groups(groups, model, custom_keys), [sorted(group.names) for group in groups]))


def test_groups_that_begin_alike_are_merged():
    model = Net()
    optimizer = grouped(model, lambda name: dict(weight_decay=0.0 if name.endswith('bias') else 0.01))
    groups = merge_alike(optimizer, 'weight_decay', model)
    assert [group['weight_decay'] for group in optimizer.param_groups] == [0.01, 0.0]
    assert [group.settings for group in groups] == optimizer.param_groups
    # embedding 4; weights 3*4*9 + 4 + 4*2 + 2; biases 4 + 4 + 2 + 2
    assert sorted((len(group.names), group.parameters) for group in groups) == [(4, 12), (5, 4 + 108 + 4 + 8 + 2)]
    assert combine(groups).parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(('keep', 'left'), [(0, 1), (3, 4), (8, 9), (math.inf, 9)])
def test_groups_whose_place_matters_are_kept(keep, left):
    model = Net()
    optimizer = grouped(model, lambda name: {})
    first = [id(group) for group in optimizer.param_groups[: min(keep, 9)]]
    assert len(merge_alike(optimizer, 'lr', model, keep)) == left
    assert [id(group) for group in optimizer.param_groups][: len(first)] == first


def test_labels_by_kind():
    found = labels(
        lambda name: dict(weight_decay=0.0 if '1.' in name or name.endswith('bias') else 1.0), 'weight_decay'
    )
    assert set(found) == {'weights, pos_embed', 'biases, norm layers'}
    assert 'head.1.weight' in found['biases, norm layers']


def test_labels_as_mmyolo_groups():
    found = labels(lambda name: dict(lr=0.2 if name.endswith('bias') else 0.1))
    assert set(found) == {'weights, norm weights, pos_embed', 'biases'}


def test_labels_by_custom_keys():
    found = labels(lambda name: dict(lr=0.01 if 'backbone' in name else 0.1), custom_keys=['backbone'])
    assert {label: len(names) for label, names in found.items()} == {'backbone': 4, 'the rest': 5}


def test_keys_that_change_nothing_are_of_the_rest():
    found = labels(lambda name: dict(lr=0.01 if 'backbone' in name else 0.1), custom_keys=['backbone', 'head.0'])
    assert set(found) == {'backbone', 'the rest'}


def test_a_key_whose_parameters_are_in_several_groups_is_named_in_each():
    found = labels(lambda name: dict(lr=0.01 if name == 'backbone.0.bias' else 0.1), custom_keys=['backbone'])
    assert set(found) == {'backbone', 'backbone, weights, biases, 2 more'}


def test_the_longest_custom_key_counts():
    settings = {'.bias': dict(lr=0.3), 'head.0.bias': dict(lr=0.2)}

    def settings_of(name):
        return settings['head.0.bias' if name == 'head.0.bias' else '.bias'] if name.endswith('bias') else {}

    assert set(labels(settings_of, custom_keys=settings)) == {'bias', 'head.0.bias', 'the rest'}


@pytest.mark.parametrize('style', ['mmdet', 'mmpretrain'])
def test_labels_by_layer(style):
    def settings_of(name):
        layer = 0 if 'backbone.0' in name else 1 if 'backbone' in name else 2
        decay = 'no_decay' if name.endswith('bias') else 'decay'
        mark = dict(group_name=f'layer_{layer}_{decay}') if style == 'mmdet' else dict(layer_id=layer)
        return dict(lr=0.5**layer, weight_decay=float(decay == 'decay'), **mark)

    assert {label: len(names) for label, names in labels(settings_of).items()} == {
        'layer 0': 2,
        'layer 1': 2,
        'layer 2': 5,
    }
    assert set(labels(settings_of, 'weight_decay')) == {'weights, norm weights, pos_embed', 'biases'}


def test_several_layers_with_one_course():
    rates = {
        'backbone.0': (0.1, 0),
        'backbone.1': (0.1, 1),
        'head.0': (0.2, 2),
        'head.1': (0.1, 3),
        'pos_embed': (0.3, 4),
    }

    def settings_of(name):
        lr, layer = next(found for part, found in rates.items() if name.startswith(part))
        return dict(lr=lr, layer_id=layer)

    assert set(labels(settings_of)) == {'layers 0, 1, 3', 'layer 2', 'layer 4'}


def test_equal_labels_are_told_apart():
    places = {name: float(place + 1) for place, (name, _) in enumerate(Net().named_parameters())}
    found = labels(lambda name: dict(lr=places[name]))
    assert {'norm weights of backbone', 'norm weights of head', 'weights of head', 'pos_embed'} <= set(found)
    assert len(found) == 9


def test_one_group_is_everything():
    assert set(labels(lambda name: {})) == {'all parameters'}


def test_momentum_of_adam_is_its_first_beta():
    assert read_value(dict(betas=(0.8, 0.99)), 'momentum') == 0.8
    assert read_value(dict(betas=(0.8, 0.99), momentum=0.7), 'momentum') == 0.7  # as a scheduler sets it


def test_setting_that_is_not_there():
    with pytest.raises(ModelError, match='no momentum to draw; set `param` to lr or weight_decay'):
        read_value(dict(lr=0.1, weight_decay=0.0), 'momentum')
