"""Why this class and not that one."""

import pytest
import torch

from mmlens.attribution.contrast import contrast, contrasted, one_of
from mmlens.errors import MmlensError

LOGITS = torch.tensor([2.0, -1.0, 1.5, 4.0])  # three classes, and a background


def test_auto_is_the_class_that_scores_second():
    assert contrasted('auto', LOGITS, 0, 3, True) == [2]
    assert contrasted('auto', LOGITS, 2, 3, True) == [0]
    assert contrasted('auto', LOGITS[:3], 1, 3, False) == [0]


def test_the_background_is_the_last_logit_or_none():
    assert contrasted('background', LOGITS, 0, 3, True) == [3]
    assert contrasted('background', LOGITS[:3], 0, 3, False) == []
    assert contrasted('background', LOGITS[:1], 0, 1, False) == []


def test_a_class_is_not_contrasted_with_itself():
    assert contrasted([1, 2], LOGITS, 2, 3, True) == [1]
    assert contrasted([2], LOGITS, 2, 3, True) is None


def test_a_single_class_is_told():
    with pytest.raises(MmlensError, match='one class only'):
        contrasted('auto', LOGITS[:1], 0, 1, False)


def test_one_other_class_is_a_difference():
    assert contrast(LOGITS, 0, [1]).item() == pytest.approx(3.0)
    assert contrast(LOGITS, 0, []).item() == 2.0


def test_several_are_weighted_by_their_probabilities():
    p = LOGITS.softmax(0)
    expected = (p[1] * 3 + p[2] * 0.5) / (p[1] + p[2])
    assert contrast(LOGITS, 0, [1, 2]).item() == pytest.approx(expected.item(), rel=1e-6)


def test_it_is_the_target_of_finer_cam():
    """pytorch-grad-cam's own implementation, its gradient included."""
    from pytorch_grad_cam.utils.model_targets import FinerWeightedTarget

    ours, theirs = (LOGITS.clone().requires_grad_() for _ in range(2))
    (got,) = torch.autograd.grad(contrast(ours, 0, [1, 2]), ours)
    (expected,) = torch.autograd.grad(FinerWeightedTarget(0, [1, 2], 1)(theirs), theirs)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-7)


def test_classes_that_are_most_unlikely_are_contrasted_as_exactly_as_others():
    logits = torch.tensor([30.0, -20.0, -22.0, 0.0], requires_grad=True)
    value = contrast(logits, 1, [2])
    (gradient,) = torch.autograd.grad(value, logits)
    assert float(value) == 2 and gradient.tolist() == [0, 1, -1, 0]


@pytest.mark.parametrize(
    ('given', 'read'),
    [(['auto'], 'auto'), (('background',), 'background'), ('auto', 'auto'), (['dog'], ['dog']), (None, None)]
    + [(['auto', 'dog'], ['auto', 'dog']), ([3], [3])],
)
def test_a_name_that_stands_alone_in_a_list_is_that_name(given, read):
    assert one_of(given) == read
