"""A classifier: what its head returns, and which classes are meant."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mmlens import load_classifier
from mmlens.errors import MmlensError, ModelError
from mmlens.models.classifier import Classifier


@pytest.fixture(scope='module')
def classifier(config_of):
    torch.manual_seed(0)
    return load_classifier(config_of('classifier'), device='cpu')


@pytest.fixture
def changed(classifier):
    """A copy whose parts may be exchanged."""
    return Classifier(copy.deepcopy(classifier.model))


def test_logits_are_those_of_the_model(classifier, picture):
    prepared = classifier.prepare(picture)
    inputs = prepared.batch['inputs']
    with torch.no_grad():
        expected = classifier.model.head.fc(classifier.model.extract_feat(inputs)[-1])
        assert torch.equal(classifier.logits(prepared), expected)
        twice = classifier.logits_of(inputs.repeat(2, 1, 1, 1))
    torch.testing.assert_close(twice, expected.expand(2, -1))
    assert (classifier.family, classifier.num_classes, classifier.default_layers) == ('classifier', 6, ('backbone',))


@pytest.mark.parametrize(
    ('output', 'logits'),
    [
        (torch.tensor([[1.0, 2.0]]), [[1.0, 2.0]]),
        ((torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, -2.0]])), [[1.5, 0.0]]),  # heads that predict by the sum
        ([torch.tensor([[1.0]])], [[1.0]]),
    ],
)
def test_several_heads_predict_by_their_sum(changed, output, logits, monkeypatch):
    monkeypatch.setattr(changed.model, 'forward', lambda *given, **more: output)
    assert changed.logits_of(torch.zeros(1, 3, 8, 8)).tolist() == logits


@pytest.mark.parametrize('output', [None, (), ('a', 'b'), torch.zeros(2), torch.zeros(1, 2, 3, 3), {'logits': 1}])
def test_a_head_that_returns_no_logits_is_refused(changed, output, monkeypatch):
    monkeypatch.setattr(changed.model, 'forward', lambda *given, **more: output)
    with pytest.raises(ModelError) as raised:
        changed.logits_of(torch.zeros(1, 3, 8, 8))
    assert str(raised.value) == 'LinearClsHead returns no logits: class maps need a classification head.'


LOGITS = torch.tensor([0.5, 2.0, -1.0, 2.5, 0.0, 1.0])


@pytest.mark.parametrize(
    ('wanted', 'categories'),
    [(None, [3]), ('bee', [1]), (['fox', 0, 'fox', 5, 'ant'], [5, 0]), (2, [2]), (['3'], [3])],
)
def test_classes_by_name_and_index_each_once(classifier, wanted, categories):
    assert classifier.categories(wanted, LOGITS) == categories


def test_classes_that_are_not_there_are_refused(classifier):
    with pytest.raises(MmlensError, match='^`classes` names no class: give at least one.$'):
        classifier.categories([], LOGITS)
    nameless = copy.copy(classifier)
    nameless.class_names = []
    with pytest.raises(MmlensError, match='^There is no class 6: the model has 6, 0 to 5.$'):
        nameless.categories([1, 6], LOGITS)


class MultiLabelHead(nn.Module):
    """mmpretrain's heads for classes that do not exclude each other begin with this word."""

    def predict(self, feats, data_samples):
        raise AssertionError('is not asked')


def test_confidences_add_up_unless_classes_do_not_exclude_each_other(changed):
    logits = torch.tensor([[0.0, 0.0], [torch.log(torch.tensor(3.0)), 0.0]])
    torch.testing.assert_close(changed.scores(logits), torch.tensor([[0.5, 0.5], [0.75, 0.25]]))
    changed.model.head = MultiLabelHead()
    torch.testing.assert_close(changed.scores(logits), torch.tensor([[0.5, 0.5], [0.75, 0.5]]))


def test_a_model_without_a_head_is_no_classifier(yolox, classifier):
    assert Classifier.runs(classifier.model) and Classifier.can_be(classifier.model)
    assert not Classifier.runs(yolox.model) and not Classifier.can_be(yolox.model)
    headless = copy.copy(classifier.model)
    headless._modules = {name: part for name, part in headless._modules.items() if name != 'head'}
    assert not Classifier.can_be(headless)
