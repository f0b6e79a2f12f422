"""Logits of the same classes in altered passes, against the whole classifier."""

from __future__ import annotations

import pytest
import torch

from mmlens import open_network
from mmlens.attribution.passes.replay import Replay
from mmlens.explain.class_runs import ClassRuns

LAYER = 'backbone.layer3'
CATEGORIES = [4, 1]
PLAIN = dict(batch_size=None, memory=None)


@pytest.fixture(scope='module')
def classifier(config_of):
    network = open_network(config_of('classifier'), device='cpu')
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
    return network


@pytest.fixture
def running(classifier, picture):
    """Runs with some options, within a replay."""
    opened = []

    def make(**options):
        inputs = classifier.prepare(picture).batch['inputs']
        layers = {LAYER: classifier.model.get_submodule(LAYER)}
        replay = Replay(
            classifier.model, layers, lambda copies: classifier.logits_of(inputs.expand(copies, -1, -1, -1))
        )
        opened.append(replay.__enter__())
        logits = replay.record()
        return ClassRuns(classifier, inputs, replay, logits, CATEGORIES, {**PLAIN, **options}), logits

    yield make
    for replay in reversed(opened):
        replay.__exit__(None, None, None)


def whole(classifier, inputs, altered):
    """The logits if the layer returned something else."""
    handle = classifier.model.get_submodule(LAYER).register_forward_hook(lambda module, given, output: altered)
    try:
        with torch.no_grad():
            return classifier.logits_of(inputs.expand(len(altered), -1, -1, -1))[:, CATEGORIES]
    finally:
        handle.remove()


def test_the_reference_are_the_classes_logits_in_the_order_asked_for(running):
    runs, logits = running()
    assert torch.equal(runs.reference, logits[0, CATEGORIES].float())
    assert runs.passes == 0 and runs.notes == []


@pytest.mark.parametrize('batch_size', [None, 1, 2, 7])
def test_altered_features_give_what_the_whole_classifier_gives(running, classifier, batch_size):
    runs, _ = running(batch_size=batch_size)
    (level,) = runs.replay.levels((64, 64))
    altered = level.tensor * torch.rand(5, *level.tensor.shape[1:], generator=torch.Generator().manual_seed(1))
    measured = runs.at_level(level, altered)
    torch.testing.assert_close(measured, whole(classifier, runs.inputs, altered), rtol=1e-4, atol=1e-5)
    assert measured.shape == (5, 2) and runs.passes == 5
    torch.testing.assert_close(runs.at_level(level, level.tensor.clone())[0], runs.reference, rtol=1e-4, atol=1e-5)


def test_altered_inputs_are_whole_passes(running, classifier):
    runs, _ = running()
    altered = torch.cat([runs.inputs, runs.inputs * 0, -runs.inputs])
    with torch.no_grad():
        logits = classifier.logits_of(altered)
    torch.testing.assert_close(runs.at_input(altered), logits[:, CATEGORIES], rtol=1e-4, atol=1e-5)
    confidences = logits.softmax(1)[:, CATEGORIES]
    torch.testing.assert_close(runs.similarity(altered), confidences, rtol=1e-4, atol=1e-6)
    assert runs.passes == 6


def test_gradients_at_the_input_are_those_of_the_whole_classifier(running, classifier):
    runs, _ = running()
    altered = runs.inputs.clone().requires_grad_()
    measured = runs.with_graph(altered)
    torch.testing.assert_close(measured[0], runs.reference, rtol=1e-4, atol=1e-5)
    (found,) = torch.autograd.grad(measured, altered, torch.tensor([[1.0, -2.0]]))
    assert all(parameter.grad is None for parameter in classifier.model.parameters())
    with torch.enable_grad():
        logits = classifier.logits_of(altered)[0]
        (expected,) = torch.autograd.grad(logits[CATEGORIES[0]] - 2 * logits[CATEGORIES[1]], altered)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_memory_is_measured_and_kept_to(running):
    runs, _ = running()
    (level,) = runs.replay.levels((64, 64))
    assert runs.batch_size(level) == 16  # tiny: as many as are ever run unless asked for
    assert runs.memory_of_one > 0 and runs.batch_size() == 8  # whole passes on a CPU
    twice, _ = running(memory=2.5 * runs.memory_of_one / 1e6, batch_size=8)
    assert twice.batch_size() == 2  # as many as fit, of the eight asked for


def test_runs_of_other_classes_have_another_identity(running, classifier):
    runs, logits = running()
    again, _ = running()
    assert runs.identity == again.identity
    other = ClassRuns(classifier, runs.inputs, runs.replay, logits, CATEGORIES[::-1], PLAIN)
    weaker = ClassRuns(classifier, runs.inputs, runs.replay, logits / 2, CATEGORIES, PLAIN)
    assert len({runs.identity, other.identity, weaker.identity}) == 3


def test_what_is_measured_can_be_something_else(running, classifier):
    plain, logits = running()
    runs = ClassRuns(
        classifier, plain.inputs, plain.replay, logits, CATEGORIES, PLAIN, lambda z: z[:, [4, 1]] - z[:, [0]]
    )
    torch.testing.assert_close(runs.reference, logits[0, CATEGORIES] - logits[0, 0])
    altered = torch.cat([runs.inputs, -runs.inputs])
    with torch.no_grad():
        expected = classifier.logits_of(altered)
    expected = expected[:, CATEGORIES] - expected[:, [0]]
    torch.testing.assert_close(runs.at_input(altered), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(runs.similarity(altered), expected, rtol=1e-4, atol=1e-5)
    assert runs.identity != plain.identity
