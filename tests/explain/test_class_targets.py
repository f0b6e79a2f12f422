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
    assert names == ('backbone.layer4[1]',) and classifier.default_layer == names[0]
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
        "layer 'backbone.layer4[1]'"
    )
    targets.logits = torch.ones(6)
    assert targets.why_blank(blank, gradcam, ['a']).startswith('all classes score the same')
    assert targets.why_blank(blank, eigencam, ['a']) == 'plain reason'  # it asks for no class
    assert (
        targets.why_nothing(get_method('scorecam'), ['a']) == 'scorecam finds nothing; choose another layer or method'
    )


def contrasts(classifier, picture, classes, against):
    """What is asked of the classes, and the logits."""
    targets = ClassTargets(classifier, picture, classes, against=against)
    layer = classifier.model.backbone.layer4
    with Tap(classifier.model, {'backbone.layer4': layer}) as tap:
        scalars = [float(scalar) for scalar in targets.scalars(tap)]
    return targets, scalars, targets.logits.double()


def test_contrasts_are_those_of_logits_by_hand(classifier, picture):
    targets, (bee, dog), z = contrasts(classifier, picture, ['bee', 'dog'], 'fox')
    assert [bee, dog] == pytest.approx([float(z[1] - z[5]), float(z[3] - z[5])], rel=1e-4)
    assert [targets.name_against(n) for n in (0, 1)] == ['fox', 'fox']

    # Several are weighted by how likely they are; a class among them is left out.
    targets, (bee, ant), z = contrasts(classifier, picture, [1, 0], ['ant', 'bee', 'fox'])
    p = z.softmax(0)
    assert bee == pytest.approx(float((p[0] * (z[1] - z[0]) + p[5] * (z[1] - z[5])) / (p[0] + p[5])), rel=1e-4)
    assert ant == pytest.approx(float((p[1] * (z[0] - z[1]) + p[5] * (z[0] - z[5])) / (p[1] + p[5])), rel=1e-4)
    assert [targets.name_against(n) for n in (0, 1)] == ['ant or fox', 'bee or fox']

    targets, values, z = contrasts(classifier, picture, list(range(6)), 'auto')
    first, second = z.argsort(descending=True)[:2].tolist()
    assert targets.others == [[second] if label == first else [first] for label in range(6)]
    expected = [float(z[label] - z[second if label == first else first]) for label in range(6)]
    assert values == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_the_class_that_is_predicted_may_be_the_one_it_is_contrasted_with(classifier, picture):
    predicted = asked(classifier, picture).categories[0]
    targets, (value,), _ = contrasts(classifier, picture, None, predicted)
    assert value == 0 and targets.others == [None] and targets.name_against(0) == ''
    assert targets.why_not_asked(0) == 'it is of the only class that it would be contrasted with'
    assert asked(classifier, picture).why_not_asked(0) is None


@pytest.mark.parametrize(
    ('classes', 'against', 'sentence'),
    [
        (['dog'], 'dog', "^The class 'dog' cannot be contrasted with itself: name another in `against`.$"),
        (['dog', 'bee'], [1, 1], "^The class 'bee' cannot be contrasted with itself"),
        (None, 'background', "^A classifier has no background: name another class, or use `against='auto'`.$"),
        (None, 'cow', "no class 'cow'"),
        (None, [], '^`against` names no class: give at least one.$'),
        (None, 77, "no class '77'"),
    ],
)
def test_what_a_class_cannot_be_contrasted_with(classifier, picture, classes, against, sentence):
    with pytest.raises(MmlensError, match=sentence) as raised:
        ClassTargets(classifier, picture, classes, against=against).ask()
    assert '\n' not in str(raised.value)


def test_another_input_is_contrasted_with_the_same_classes(classifier, picture):
    targets = ClassTargets(classifier, picture, ['bee'], against='auto')
    targets.ask()
    other = targets.on(-targets.prepared.batch['inputs'])
    targets.others = [[3]]
    assert other.others != targets.others
    again = targets.on(-targets.prepared.batch['inputs'])
    again.ask()
    assert again.others == [[3]] and again.name_against(0) == 'dog'
