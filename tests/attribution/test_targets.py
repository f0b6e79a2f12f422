"""What is explained."""

import math

import pytest
import torch

from mmlens.attribution.targets import (
    BOX_TARGETS,
    EDGES,
    box_extent,
    box_measure,
    box_target,
    score_and_box,
    score_logit,
)
from mmlens.errors import MmlensError

BOX = torch.tensor([10.0, 20.0, 30.0, 70.0])


@pytest.mark.parametrize('p', [0.01, 0.25, 0.5, 0.99])
def test_the_logit_and_its_gradient_by_hand(p):
    score = torch.tensor(p, dtype=torch.float64, requires_grad=True)
    value = score_logit(score, BOX)
    assert value.item() == pytest.approx(math.log(p / (1 - p)))
    assert torch.autograd.grad(value, score)[0].item() == pytest.approx(1 / (p * (1 - p)))


def test_the_gradient_does_not_vanish_where_the_detector_is_sure():
    before_sigmoid = torch.tensor(8.0, requires_grad=True)
    score = before_sigmoid.sigmoid()
    assert score > 0.999
    assert torch.autograd.grad(score_logit(score, BOX), before_sigmoid)[0].item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize('p', [0.0, 1.0])
def test_a_saturated_score_is_finite_and_has_no_gradient(p):
    score = torch.tensor(p, requires_grad=True)
    value = score_logit(score, BOX)
    assert math.isfinite(value.item())
    assert torch.autograd.grad(value, score)[0].item() == 0


def test_the_extent_grows_with_every_edge_in_units_of_the_box():
    box = BOX.clone().requires_grad_()
    value = box_extent(torch.tensor(0.5), box)
    assert value.item() == 2
    # Width 20, height 50: one pixel outwards is 1/20 and 1/50.
    expected = torch.tensor([-1 / 20, -1 / 50, 1 / 20, 1 / 50])
    torch.testing.assert_close(torch.autograd.grad(value, box)[0], expected)


def test_the_extent_agrees_with_finite_differences():
    # The sizes in the denominator are constants, so differences are taken of the edges alone.
    box = BOX.double().requires_grad_()
    gradient = torch.autograd.grad(box_extent(torch.tensor(0.5), box), box)[0]
    width, height = (box[2:] - box[:2]).tolist()

    def slow(x1, y1, x2, y2):
        return (x2 - x1) / width + (y2 - y1) / height

    for edge in range(4):
        plus, minus = box.tolist(), box.tolist()
        plus[edge] += 1e-4
        minus[edge] -= 1e-4
        assert gradient[edge].item() == pytest.approx((slow(*plus) - slow(*minus)) / 2e-4)


def test_the_extent_weighs_a_box_like_its_double():
    small, large = BOX.clone().requires_grad_(), (2 * BOX).requires_grad_()
    first = torch.autograd.grad(box_extent(torch.tensor(1.0), small), small)[0]
    second = torch.autograd.grad(box_extent(torch.tensor(1.0), large), large)[0]
    torch.testing.assert_close(first, 2 * second)


@pytest.mark.parametrize('box', [[5.0, 5.0, 5.0, 5.0], [9.0, 9.0, 3.0, 4.0]])
def test_a_degenerate_box_is_finite(box):
    box = torch.tensor(box, requires_grad=True)
    value = box_extent(torch.tensor(0.5), box)
    assert value.isfinite()
    assert torch.autograd.grad(value, box)[0].isfinite().all()


def test_both_is_the_sum():
    score, box = torch.tensor(0.8, requires_grad=True), BOX.clone().requires_grad_()
    value = score_and_box(score, box)
    assert value.item() == pytest.approx(math.log(4) + 2)
    of_score, of_box = torch.autograd.grad(value, (score, box))
    assert of_score.item() == pytest.approx(1 / 0.16)
    assert of_box[2].item() == pytest.approx(1 / 20)


def test_targets_are_found_by_name():
    assert {name: box_target(name) for name in BOX_TARGETS if name not in EDGES} == {
        'score': score_logit,
        'box': box_extent,
        'both': score_and_box,
    }


def test_an_unknown_target_is_answered_with_the_known_ones():
    with pytest.raises(MmlensError) as error:
        box_target('loss')
    assert str(error.value) == "Unknown target 'loss': choose one of score, box, both, left, top, right, bottom, mask."


# ---------------------------------------------------------------- plain numbers of many detections


BOXES = torch.tensor([[10.0, 20.0, 30.0, 70.0], [0.0, 0.0, 5.0, 5.0], [3.0, 3.0, 3.0, 9.0]])
SCORES = torch.tensor([0.9, 0.25, 0.5])


@pytest.mark.parametrize('name', BOX_TARGETS)
def test_unaltered_detections_are_measured_as_the_targets_say(name):
    scalar_of = box_target(name)
    measured = box_measure(name, BOXES, logits=True)(SCORES, BOXES)
    expected = [scalar_of(score, box).item() for score, box in zip(SCORES, BOXES)]
    assert measured.tolist() == pytest.approx(expected)


def test_a_score_is_measured_as_it_is_where_a_share_of_it_is_told():
    assert box_measure('score', BOXES)(SCORES, BOXES).tolist() == SCORES.tolist()
    assert box_measure('both', BOXES)(SCORES, BOXES)[:2].tolist() == pytest.approx([2.9, 2.25])


def test_the_extent_of_an_altered_box_is_in_units_of_the_unaltered_one():
    altered = torch.tensor([[10.0, 20.0, 40.0, 45.0], [0.0, 0.0, 0.0, 10.0], [3.0, 3.0, 3.0, 9.0]])
    measured = box_measure('box', BOXES)(SCORES, altered)
    assert measured[:2].tolist() == [30 / 20 + 25 / 50, 0 + 10 / 5]
    assert measured.isfinite().all()  # the third box has no width


@pytest.mark.parametrize('scores', [[0.0, 1.0, 0.5]])
def test_saturated_scores_are_measured_finitely(scores):
    scores = torch.tensor(scores)
    assert box_measure('score', BOXES, logits=True)(scores, BOXES).tolist() == pytest.approx(
        [score_logit(score, BOX).item() for score in scores]
    )


def test_the_overlap_with_the_unaltered_box_counts_as_its_logarithm():
    altered = torch.tensor([[10.0, 20.0, 30.0, 45.0], [0.0, 0.0, 10.0, 5.0], [50.0, 50.0, 60.0, 60.0]])
    added = box_measure('score', BOXES, overlap=True)(SCORES, altered) - SCORES
    assert added.exp().tolist() == pytest.approx([0.5, 0.5, 0.001])  # half as high, twice as wide, elsewhere


def test_an_unknown_measure_is_answered_too():
    with pytest.raises(MmlensError, match="Unknown target 'loss'"):
        box_measure('loss', BOXES)


def test_an_edge_by_hand():
    # Width 20, height 50, centre (20, 45).
    box = BOX.clone().requires_grad_()
    expected = {'left': (-1 / 20, 0), 'top': (-1 / 50, 1), 'right': (1 / 20, 2), 'bottom': (1 / 50, 3)}
    for edge, (slope, at) in expected.items():
        value = box_target(edge)(torch.tensor(0.5), box)
        assert value.item() == pytest.approx(0.5)
        gradient = torch.zeros(4)
        gradient[at] = slope
        torch.testing.assert_close(torch.autograd.grad(value, box)[0], gradient)


def test_the_four_edges_add_up_to_the_box_in_altered_passes_too():
    boxes = torch.stack([BOX, BOX + 3])
    altered = torch.tensor([[8.0, 22.0, 33.0, 70.0], [0.0, 0.0, 0.0, 0.0]])
    scores = torch.tensor([0.9, 0.0])
    whole = box_measure('box', boxes)(scores, altered)
    edges = [box_measure(edge, boxes)(scores, altered) for edge in EDGES]
    torch.testing.assert_close(sum(edges), whole)
    # The left edge moved 2 of 20 outwards, the top one 2 of 50 inwards, the right one 3 of 20 outwards.
    assert [each[0].item() for each in edges] == pytest.approx([0.6, 0.46, 0.65, 0.5])
    assert [each[1].item() for each in edges] == [0, 0, 0, 0]  # a box that was lost
