"""What is asked of a classifier, and why a map of a class is blank."""

from __future__ import annotations

import pytest
import torch

from mmlens import open_network
from mmlens.attribution.attribute import Attribution
from mmlens.attribution.methods import get_method
from mmlens.attribution.tap import Tap
from mmlens.errors import MmlensError
from mmlens.explain.class_targets import ClassTargets


@pytest.fixture(scope='module')
def classifier(config_of):
    torch.manual_seed(0)
    return open_network(config_of('classifier'), device='cpu')


def asked(classifier, picture, classes=None):
    targets = ClassTargets(classifier, picture, classes)
    targets.ask()
    return targets


def test_classes_are_asked_in_the_order_given_each_once(classifier, picture):
    targets = asked(classifier, picture, ['fox', 1, 'ant', 1])
    assert targets.categories == [5, 1, 0]
    with torch.no_grad():
        logits = classifier.logits(targets.prepared)[0]
    torch.testing.assert_close(targets.logits, logits)
    assert asked(classifier, picture).categories == [int(logits.argmax())]


def test_scalars_are_the_logits_with_a_graph(classifier, picture):
    targets = ClassTargets(classifier, picture, ['bee', 'dog'])
    layer = classifier.model.backbone.layer4
    with Tap(classifier.model, {'backbone.layer4': layer}) as tap:
        bee, dog = targets.scalars(tap)
        (level,) = tap.levels(targets.prepared.input_size)
        (gradient,) = torch.autograd.grad(bee, [level.tensor])
    assert float(bee) == float(targets.logits[1]) and float(dog) == float(targets.logits[3])
    # Global average pooling and a linear head: the same gradient at every cell, weight over number of cells.
    weights = classifier.model.head.fc.weight[1].detach()
    cells = gradient.shape[2] * gradient.shape[3]
    torch.testing.assert_close(gradient[0], (weights / cells)[:, None, None].expand_as(gradient[0]))


def test_another_input_is_asked_for_the_same_classes(classifier, picture):
    targets = asked(classifier, picture)
    mirrored = targets.prepared.batch['inputs'].flip(3)
    other = targets.on(mirrored)
    other.ask()
    assert other.categories == targets.categories
    with torch.no_grad():
        torch.testing.assert_close(other.logits, classifier.logits_of(mirrored)[0])
    assert torch.equal(targets.prepared.batch['inputs'], mirrored.flip(3))  # its own input stays


@pytest.mark.parametrize(
    ('classes', 'sentence'), [(['cow'], "no class 'cow'"), ([9], 'no class'), ([], '`classes` names no class')]
)
def test_classes_that_are_not_there_are_refused(classifier, picture, classes, sentence):
    with pytest.raises(MmlensError, match=sentence):
        asked(classifier, picture, classes)


def test_the_default_layer_is_looked_for_once(classifier, picture, monkeypatch):
    targets = ClassTargets(classifier, picture)
    names = targets.default_layers()
    assert names == ('backbone.layer4[1].bn2',) and classifier.default_layer == names[0]
    monkeypatch.setattr('mmlens.explain.class_targets.find_default_layer', lambda *arguments: pytest.fail('again'))
    assert ClassTargets(classifier, picture).default_layers() == names


def test_a_blank_map_has_the_reason_that_is_true(classifier, picture):
    targets = asked(classifier, picture)
    gradcam, eigencam = get_method('gradcam'), get_method('eigencam')
    blank = Attribution(torch.zeros(1, 1), 'plain reason')
    assert targets.why_blank(blank, gradcam, ['neck']) == 'plain reason'
    tokens = Attribution(torch.zeros(1, 1), 'plain reason', extra_tokens_only=True)
    assert targets.why_blank(tokens, gradcam, ['a', 'b']) == (
        "the class score does not depend on the patches any more at 'a', 'b', but on the class token alone; use the "
        "layer 'backbone.layer4[1].bn2'"
    )
    targets.logits = torch.ones(6)
    assert targets.why_blank(blank, gradcam, ['a']).startswith('all classes score the same')
    assert targets.why_blank(blank, eigencam, ['a']) == 'plain reason'  # it asks for no class
    assert (
        targets.why_nothing(get_method('scorecam'), ['a']) == 'scorecam finds nothing; choose another layer or method'
    )
