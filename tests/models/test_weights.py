"""Weights that are missing, not finite, or elsewhere in the checkpoint."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from mmlens import load_classifier, load_detector
from mmlens.errors import MmlensWarning, ModelError
from mmlens.models.weights import broken_weights, check_given


@pytest.fixture
def config(config_of):
    return config_of('classifier')


@pytest.fixture
def weights(config):
    return load_classifier(config, device='cpu').model.state_dict()


@pytest.fixture
def save(tmp_path):
    def write(content):
        torch.save(content, str(tmp_path / 'ck.pth'))
        return tmp_path / 'ck.pth'

    return write


def refused(config, path, **options):
    with pytest.raises(ModelError) as error:
        load_classifier(config, path, device='cpu', **options)
    return str(error.value)


@pytest.mark.parametrize(
    ('wrap', 'note'),
    [
        (lambda s: {'model': s}, "ck.pth: the weights in its entry 'model' fit the model entirely and were loaded."),
        (lambda s: {'state_dict': {f'_orig_mod.{name}': value for name, value in s.items()}}, None),
        (
            lambda s: {'state_dict': {f'teacher.module.{name}': value for name, value in s.items()}},
            "ck.pth: the weights, whose names begin with 'teacher.', fit the model entirely and were loaded.",
        ),
        (
            lambda s: {'model_ema': {f'module.{name}': value for name, value in s.items()}},
            "ck.pth: the weights in its entry 'model_ema' fit the model entirely and were loaded.",
        ),
    ],
)
def test_weights_elsewhere_arrive_with_a_note(wrap, note, config, weights, save):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = load_classifier(config, save(wrap(weights)), device='cpu')
    assert all(torch.equal(value, weights[name]) for name, value in found.model.state_dict().items())
    assert found.notes == ([note] if note else [])


def test_a_prefix_is_named_where_not_all_fits(config, weights, save):
    path = save({f'net.{name}': value[:1] if 'head' in name else value for name, value in weights.items()})
    assert "'net.' stands before its names, and " in refused(config, path)


def test_statistics_count_as_parameters_do(config, weights, save):
    path = save({name: value for name, value in weights.items() if 'running' not in name})
    sentence = refused(config, path)
    assert 'belongs to another model: it has no values for ' in sentence and 'running_mean' in sentence


def test_a_head_from_nowhere_is_refused_unless_it_may_be_random(config, weights, save):
    path = save({name: value for name, value in weights.items() if 'head' not in name})
    sentence = refused(config, path)
    assert 'has no values for 1 weight of the head, such as head.fc.weight' in sentence
    assert 'set `random_weights` to' in sentence
    found = load_classifier(config, path, device='cpu', random_weights=True)
    assert found.notes[-1].endswith('head.fc.weight: they are random, and so is what is predicted.')
    again = load_classifier(config, path, device='cpu', random_weights=True)
    assert torch.equal(found.model.head.fc.weight, again.model.head.fc.weight)
    assert torch.equal(found.model.state_dict()['backbone.conv1.weight'], weights['backbone.conv1.weight'])


def test_a_detectors_head_counts_too(yolox_config, yolox, save):
    state = {name: value for name, value in yolox.model.state_dict().items() if 'conv_cls' not in name}
    with pytest.raises(ModelError, match='no values for 3 weights of the head'):
        load_detector(yolox_config, save(state), device='cpu')


def test_weights_of_something_else_are_refused_even_then(config, save):
    assert 'belongs to another model' in refused(config, save({'x': torch.ones(1)}), random_weights=True)


def test_without_a_checkpoint_random_weights_are_told_or_refused(config):
    assert load_classifier(config, device='cpu').notes == []
    assert load_classifier(config, device='cpu', random_weights=True).notes == [
        'The weights are random, and so is what the network predicts.'
    ]
    assert 'No checkpoint was given' in refused(config, None, random_weights=False)


@pytest.mark.parametrize(
    ('name', 'value', 'what'),
    [
        ('backbone.conv1.weight', float('nan'), 'NaN in 1 tensor of weights, such as backbone.conv1.weight'),
        ('head.fc.bias', float('-inf'), 'infinite values in 1 tensor of weights, such as head.fc.bias'),
        ('backbone.bn1.running_var', float('nan'), 'NaN in 1 tensor of weights, such as backbone.bn1.running_var'),
    ],
)
def test_what_is_no_number_is_named(name, value, what, config, weights, save):
    weights[name].view(-1)[0] = value
    assert what in refused(config, save(weights))


def test_masks_may_be_infinite():
    module = nn.Linear(1, 1)
    module.register_buffer('mask', torch.tensor([0.0, float('-inf')]))
    assert list(broken_weights(module)) == []


def test_class_names_of_another_number_give_way_to_the_configs(config, weights, save):
    meta = {'dataset_meta': {'classes': ['a', 'b']}}
    config.test_dataloader.dataset.metainfo = dict(classes=tuple('uvwxyz'))
    found = load_classifier(config, save({'state_dict': weights, 'meta': meta}), device='cpu')
    assert found.class_names == list(config.test_dataloader.dataset.metainfo.classes)
    assert 'but its dataset has 2 names: the names are those of the config.' in found.notes[-1]
    config.test_dataloader.dataset.metainfo = dict(classes=('a', 'b'))
    with pytest.warns(MmlensWarning, match='classes are named by number'):
        assert load_classifier(config, save({'state_dict': weights, 'meta': meta}), device='cpu').class_names == []


class Given(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.norm = nn.Linear(2, 2), nn.BatchNorm1d(2)
        self.register_buffer('mask', torch.tensor([0.0, float('-inf')]))


@pytest.mark.parametrize(
    ('spoil', 'what'),
    [
        (lambda m: m.fc.weight.data.fill_(float('nan')), 'NaN in 1 tensor of weights, such as fc.weight'),
        (lambda m: m.norm.running_var.fill_(float('nan')), 'NaN in 1 tensor of weights, such as norm.running_var'),
        (lambda m: m.fc.bias.data.copy_(torch.tensor([float('inf'), float('-inf')])), 'infinite values in 1 tensor'),
    ],
)
def test_a_model_that_was_handed_over_is_checked_each_time(spoil, what):
    model = Given()
    check_given(model)  # masks of attention hold -infinity on purpose
    spoil(model)
    with pytest.raises(ModelError) as error:
        check_given(model)
    assert str(error.value).startswith(f'The model holds {what}')


def test_sums_that_overflow_are_no_fault():
    model = Given()
    model.fc.weight.data.fill_(3e38)
    check_given(model)
    check_given(Given().half())
