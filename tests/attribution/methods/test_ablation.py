"""AblationCAM, against loops over the published formula."""

import math

import pytest
import torch

from mmlens.attribution.methods.ablation import ablationcam
from mmlens.errors import MethodError


def slow(made, target, number, value='zero', chosen=None):
    """``sum_c (t - t_c) / t A_c``, one channel at a time."""
    tensor = made.tensors[number][0]
    reference = made.targets(made.tensors)[target]
    total = torch.zeros(tensor.shape[1:])
    for channel in range(len(tensor)) if chosen is None else chosen:
        altered = [tensor.clone() for tensor in made.tensors]
        altered[number][0, channel] = tensor[channel].mean() if value == 'mean' else 0
        total += (reference - made.targets(altered)[target]) / reference * tensor[channel]
    return total


@pytest.mark.parametrize('value', ['zero', 'mean'])
@pytest.mark.parametrize('size', [1, 3, 99])
def test_the_published_formula(made, value, size):
    job = made.job('ablationcam', size=size, ablated=value)
    maps = ablationcam(job)
    assert job.done == job.total == job.runs.passes == 5 + 4  # all three targets share them
    for target in range(3):
        for number in range(2):
            expected = slow(made, target, number, value)
            if target == 2:
                expected[:, 3:] = 0  # nothing there reaches the third target
            if target > 0 and number == 1:
                expected[:] = 0
            torch.testing.assert_close(maps[target][number], expected, rtol=1e-5, atol=1e-6)


def test_a_net_worked_out_by_hand(made):
    # t = 3 a + b for one cell of two channels (2, 5): without a, 5 of 11 are left; without b, 6.
    made.tensors = [torch.tensor([[[[2.0]], [[5.0]]]])]
    made.targets = lambda tensors: (tensors[0] * torch.tensor([3.0, 1.0])[:, None, None]).sum().reshape(1)
    ((only,),) = ablationcam(made.job('ablationcam'))
    assert only.item() == pytest.approx(6 / 11 * 2 + 5 / 11 * 5)


def test_levels_that_no_target_depends_on_are_not_tried(made):
    both = made.targets
    made.targets = lambda tensors: both(tensors)[1:]
    job = made.job('ablationcam')
    maps = ablationcam(job)
    assert job.runs.passes == 5
    assert not maps[0][1].any() and maps[0][0].any()


def test_classes_depend_on_every_cell(made):
    job = made.job('ablationcam', spatial=False, ablated='zero')
    maps = ablationcam(job)
    assert job.runs.passes == 9
    torch.testing.assert_close(maps[2][0], slow(made, 2, 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(('ratio', 'counts'), [(0.2, (1, 1)), (0.5, (2, 2)), (0.6, (3, 2)), (0.01, (1, 1))])
def test_a_share_of_the_channels_is_chosen_by_their_first_order_change(made, ratio, counts):
    job = made.job('ablationcam', ratio_channels_to_ablate=ratio)
    maps = ablationcam(job)
    assert job.runs.passes == sum(counts)
    gradients = made.gradients()
    for number, count in enumerate(counts):
        tensor = made.tensors[number][0]
        shares = []
        for channel in range(len(tensor)):
            largest = 0.0
            for of_target in gradients:
                if of_target[number] is not None:
                    changes = (of_target[number][0] * tensor).sum((1, 2)).abs()
                    largest = max(largest, (changes[channel] / changes.max()).item())
            shares.append(largest)
        chosen = sorted(range(len(tensor)), key=lambda channel: -shares[channel])[:count]
        torch.testing.assert_close(maps[0][number], slow(made, 0, number, chosen=chosen), rtol=1e-5, atol=1e-6)


def test_the_channels_of_pytorch_gradcam_can_be_had(made):
    from pytorch_grad_cam.ablation_layer import AblationLayer

    maps = ablationcam(made.job('ablationcam', ratio_channels_to_ablate=0.6, choose='gradcam'))
    chosen = AblationLayer().activations_to_be_ablated(made.tensors[0][0].numpy(), 0.6)
    torch.testing.assert_close(maps[0][0], slow(made, 0, 0, chosen={int(c) for c in chosen}), rtol=1e-5, atol=1e-6)


def test_an_early_end_keeps_what_was_measured(made):
    told = []

    def progress(done, total):
        told.append((done, total))
        return done < 6

    job = made.job('ablationcam', size=2, progress=progress)
    maps = ablationcam(job)
    assert told == [(2, 9), (4, 9), (5, 9), (7, 9)] and job.interrupted
    torch.testing.assert_close(maps[0][0], slow(made, 0, 0), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(maps[0][1], slow(made, 0, 1, chosen=[0, 1]), rtol=1e-5, atol=1e-6)


def test_a_target_of_zero_has_no_share_and_no_nan(made):
    plain = made.targets
    made.targets = lambda tensors: plain(tensors) * torch.tensor([1.0, 0.0, 1.0])
    maps = ablationcam(made.job('ablationcam'))
    assert all(each.isfinite().all() for of_target in maps for each in of_target)
    assert not maps[1][0].any() and maps[0][0].any()


@pytest.mark.parametrize('ratio', [0, -1, 1.5, math.nan])
def test_a_ratio_that_is_none_is_refused(made, ratio):
    with pytest.raises(MethodError, match='`ratio_channels_to_ablate` must be above 0 and at most 1'):
        ablationcam(made.job('ablationcam', ratio_channels_to_ablate=ratio))


@pytest.mark.parametrize('option', ['ablated', 'choose'])
def test_other_choices_are_refused(made, option):
    with pytest.raises(
        MethodError, match=r'`ablated` must be one of .*zero.*, and `choose` one of gradient, gradcam\.'
    ):
        ablationcam(made.job('ablationcam', **{option: 'noise'}))


def saturated(made, target):
    """The job's targets, with one whose gradient vanishes at every level."""
    gradients = made.gradients

    def vanishing():
        found = gradients()
        found[target] = [None] * len(found[target])
        return found

    made.gradients = vanishing


def test_a_saturated_target_is_explained_as_if_it_depended_on_every_cell(made):
    saturated(made, 1)
    maps = ablationcam(made.job('ablationcam'))
    for level in range(2):
        torch.testing.assert_close(maps[1][level], slow(made, 1, level), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(maps[2][0][:, :3], slow(made, 2, 0)[:, :3], rtol=1e-5, atol=1e-6)
    assert not maps[2][0][:, 3:].any()


def test_where_no_gradient_arrives_channels_are_chosen_as_in_pytorch_gradcam(made):
    for target in range(3):
        saturated(made, target)
    plain, asked = (
        ablationcam(made.job('ablationcam', ratio_channels_to_ablate=0.6, **options))
        for options in ({}, {'choose': 'gradcam'})
    )
    assert torch.equal(plain[0][0], asked[0][0]) and plain[0][0].any()


def test_classes_have_no_gradient_to_choose_channels_by(made):
    with pytest.raises(MethodError, match="`choose='gradient'` is for boxes"):
        ablationcam(made.job('ablationcam', spatial=False, ratio_channels_to_ablate=0.5, choose='gradient'))
