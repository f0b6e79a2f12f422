"""Masks are followed back to what they were thresholded from, whatever moved them: by hand."""

import math

import pytest
import torch
from torch.overrides import TorchFunctionMode

from mmlens.attribution.mask_logits import live_masks

P = torch.tensor([[[0.9, 0.2], [0.8, 0.6]], [[0.3, 0.7], [0.1, 0.5]]], dtype=torch.float64)
ALL = torch.ones(2, 2, dtype=torch.bool)


class Seen(TorchFunctionMode):
    functions = ()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.functions += (function,)
        return function(*args, **(kwargs or {}))


def indexing_is_seen():
    with Seen() as seen:
        P[0]
    return torch.Tensor.__getitem__ in seen.functions


INDEXED = pytest.mark.skipif(not indexing_is_seen(), reason="torch 2.1 does not tell of a tensor's indexing")


def logit(p):
    return math.log(p / (1 - p))


def live():
    return P.clone().requires_grad_()


def test_the_mean_logit_over_a_predicted_mask_by_hand():
    p = live()
    with live_masks() as graph:
        masks = p > 0.5
    value = graph.mean_logit(masks, 0, masks[0])
    assert value.item() == pytest.approx((logit(0.9) + logit(0.8) + logit(0.6)) / 3)
    (gradient,) = torch.autograd.grad(value, p)
    expected = torch.zeros_like(P)
    for row, column in ((0, 0), (1, 0), (1, 1)):
        each = P[0, row, column]
        expected[0, row, column] = 1 / (3 * each * (1 - each))
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(
    'move',
    [
        pytest.param(lambda m: m[torch.tensor([1, 0])], marks=INDEXED),
        pytest.param(lambda m: torch.stack([m[1], m[0]]), marks=INDEXED),
        pytest.param(lambda m: torch.cat([m[1:], m[:1]]).to(torch.bool), marks=INDEXED),
        lambda m: m.flip(0).float().bool().clone(),
        lambda m: m.reshape(2, 4).view(2, 2, 2)[[True, True]].unsqueeze(0).squeeze(0).flip(0).contiguous(),
        lambda m: torch.stack(m.unbind()[::-1]).detach().cpu(),
    ],
)
def test_masks_are_followed_through_what_moves_them(move):
    p = live()
    with live_masks() as graph:
        masks = move(p >= 0.5)
    assert torch.equal(masks[0], P[1] >= 0.5) and graph.known(masks)
    assert graph.mean_logit(masks, 0, masks[0]).item() == pytest.approx((logit(0.7) + logit(0.5)) / 2)


def test_a_mask_is_followed_into_the_picture_that_it_is_pasted_into():
    p = live()
    with live_masks() as graph:
        canvas = torch.zeros(2, 3, 3, dtype=torch.bool)
        for number in (0, 1):
            canvas[(torch.tensor([number]), slice(1, 3), slice(0, 2))] = (p[number][None] >= 0.5).to(dtype=torch.bool)
        canvas[:, 2, 0] = False
    whole = torch.ones(3, 3, dtype=torch.bool)
    # Of the nine pixels three were predicted: four were pasted, and one taken out again.
    assert graph.mean_logit(canvas, 0, whole).item() == pytest.approx((logit(0.9) + logit(0.2) + logit(0.6)) / 3)
    outside = ~whole
    outside[0] = True
    assert graph.mean_logit(canvas, 0, outside) is None


def test_values_that_are_no_probabilities_are_measured_from_their_threshold():
    values = torch.tensor([[[2.0, -1.0], [0.5, 3.0]]], requires_grad=True)
    with live_masks() as graph:
        masks = (values > 0.25).float()
    assert graph.mean_logit(masks, 0, ALL).item() == pytest.approx((2 - 1 + 0.5 + 3) / 4 - 0.25)


@INDEXED
def test_what_comes_of_no_live_comparison_is_not_known():
    p = live()
    with live_masks() as graph:
        plain, counted = P > 0.5, (p > 0.5).sum(0)
        mixed = torch.stack([plain[0], (p > 0.5)[1]])
    assert not graph.known(plain) and not graph.known(counted)
    assert graph.mean_logit(mixed, 0, ALL) is None
    assert graph.mean_logit(mixed, 1, ALL) is not None


def test_saturated_probabilities_are_finite():
    p = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    with live_masks() as graph:
        masks = p > 0.5
    value = graph.mean_logit(masks, 0, torch.ones(1, 2, dtype=torch.bool))
    assert math.isfinite(value.item()) and torch.isfinite(torch.autograd.grad(value, p)[0]).all()
