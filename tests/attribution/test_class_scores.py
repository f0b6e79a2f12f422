"""Finding a candidate's class logits from the gradient of its score."""

import pytest
import torch
from torch import nn

from mmlens.attribution.class_scores import ClassScores, watching
from mmlens.attribution.graph import live_graph


@pytest.fixture
def logits():
    torch.manual_seed(0)
    return torch.randn(5, 3, requires_grad=True)


def scores_of(function, logits):
    """Run a head inside the mode: its scores, and what was kept."""
    kept = ClassScores(3)
    with live_graph(kept):
        found = function(logits)
    return found, kept


SIGMOIDS = {
    'method': lambda t: t.sigmoid(),
    'function': torch.sigmoid,
    'module': nn.Sigmoid(),
    'keyword': lambda t: torch.sigmoid(input=t),
    'functional': torch.nn.functional.sigmoid,
    'special': torch.special.expit,
    'in place': lambda t: t.clone().sigmoid_(),
}


@pytest.mark.parametrize('sigmoid', SIGMOIDS.values(), ids=SIGMOIDS)
def test_every_sigmoid_shows_the_candidate(logits, sigmoid):
    found, kept = scores_of(sigmoid, logits)
    candidate = kept.candidate(found[3, 1], 1)
    assert torch.equal(candidate.logits(kept.seen), logits[3])
    assert not candidate.softmax and not candidate.has_background


def test_the_score_may_be_selected_sorted_and_weighed_by_objectness(logits):
    objectness = torch.rand(5, requires_grad=True)

    def head(t):
        scores = t.sigmoid() * objectness.sigmoid()[:, None]
        best, labels = scores.max(1)
        order = best.sqrt().topk(2).indices
        return best[order], labels[order], order

    (scores, labels, order), kept = scores_of(head, logits)
    for score, label, row in zip(scores, labels, order):
        candidate = kept.candidate(score, int(label))
        assert torch.equal(candidate.logits(kept.seen), logits[row])


@pytest.mark.parametrize('softmax', [lambda t: t.softmax(-1), lambda t: torch.softmax(t, 1), nn.Softmax(-1)])
def test_softmax_with_a_background(softmax):
    torch.manual_seed(1)
    logits = torch.randn(6, 4, requires_grad=True)  # three classes and the background
    found, kept = scores_of(lambda t: softmax(t)[:, :3], logits)
    candidate = kept.candidate(found[2, 0], 0)
    assert torch.equal(candidate.logits(kept.seen), logits[2])
    assert candidate.softmax and candidate.has_background


def test_classes_as_channels_of_a_heatmap():
    torch.manual_seed(2)
    heatmap = torch.randn(1, 3, 4, 5, requires_grad=True)
    found, kept = scores_of(lambda t: t.sigmoid().flatten(2)[0, :, 7], heatmap)
    candidate = kept.candidate(found[2], 2)
    assert candidate.axis == 1
    assert torch.equal(candidate.logits(kept.seen), heatmap[0, :, 1, 2])


def test_a_heatmap_as_wide_as_there_are_classes_is_read_along_its_channels():
    heatmap = torch.randn(1, 3, 4, 3, requires_grad=True)
    # Column 0 is not the label 2, so the last axis cannot be that of the classes.
    found, kept = scores_of(lambda t: t.sigmoid()[0, :, 1, 0], heatmap)
    candidate = kept.candidate(found[2], 2)
    assert candidate.axis == 1
    assert torch.equal(candidate.logits(kept.seen), heatmap[0, :, 1, 0])


def test_a_box_of_two_corners_has_the_mean_of_their_logits(logits):
    found, kept = scores_of(lambda t: (t.sigmoid()[0] + t.sigmoid()[4]) / 2, logits)
    candidate = kept.candidate(found[1], 1)
    # Of two calls on which the score depends, the later one is found.
    assert torch.equal(candidate.logits(kept.seen), logits[4])
    found, kept = scores_of(lambda t: t.sigmoid()[[0, 4]].mean(0), logits)
    candidate = kept.candidate(found[1], 1)
    assert torch.allclose(candidate.logits(kept.seen), (logits[0] + logits[4]) / 2)


def test_the_logits_carry_their_graph_on(logits):
    found, kept = scores_of(lambda t: (2 * t).sigmoid(), logits)
    row = kept.candidate(found[1, 2], 2).logits(kept.seen)
    (gradient,) = torch.autograd.grad(row[2] - row[0], logits)
    expected = torch.zeros(5, 3)
    expected[1, 2], expected[1, 0] = 2, -2
    assert torch.equal(gradient, expected)


def test_none_where_the_score_comes_from_elsewhere(logits):
    found, kept = scores_of(lambda t: (t.sigmoid(), t.exp()), logits)
    assert kept.candidate(found[1][0, 0], 0) is None
    assert kept.candidate(torch.tensor(0.5), 0) is None
    assert ClassScores(3).candidate(found[0][0, 0], 0) is None


def test_a_score_that_mixes_classes_has_no_candidate(logits):
    found, kept = scores_of(lambda t: t.sigmoid().mean(1), logits)
    assert kept.candidate(found[2], 1) is None


def test_tensors_of_other_lengths_are_not_kept(logits):
    kept = ClassScores(3)
    with live_graph(kept):
        torch.ones(2, 7).sigmoid()
        torch.ones(3).sigmoid()
        logits.exp()
        logits.sigmoid()
    assert len(kept.seen) == 1


def test_a_later_pass_shows_the_same_candidate(logits):
    found, kept = scores_of(torch.sigmoid, logits)
    candidate = kept.candidate(found[3, 1], 1)
    later = ClassScores(3)
    with watching(later), torch.no_grad():
        (logits + 1).sigmoid()
    assert torch.equal(candidate.logits(later.seen), logits[3].detach() + 1)


@pytest.mark.parametrize('name', ['yolox', 'yolov5', 'faster_rcnn'])
def test_the_candidates_of_real_heads(name, request, picture):
    from mmlens.attribution.tap import Tap

    detector = request.getfixturevalue(name)
    classes = detector.num_classes
    kept = ClassScores(classes)
    with Tap(detector.model, {'neck': detector.model.neck}), live_graph(kept):
        found = detector.predict(detector.prepare(picture))
    assert len(found) >= 3
    for score, label in zip(found.scores, found.labels.tolist()):
        candidate = kept.candidate(score, label)
        row = candidate.logits(kept.seen)
        if candidate.softmax:
            assert row.softmax(0)[label].item() == pytest.approx(score.item(), rel=1e-5)
        else:  # times the objectness
            assert row.sigmoid()[label].item() >= score.item() * (1 - 1e-5)
