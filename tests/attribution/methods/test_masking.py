"""ScoreCAM and ReciproCAM, against loops over the published formulas."""

import pytest
import torch
import torch.nn.functional as F

from mmlens.attribution.methods.masking import reciprocam, scorecam


def reach(made, target, number):
    """Where any channel of a target's gradient is not zero."""
    gradient = made.gradients()[target][number]
    return torch.zeros(made.tensors[number].shape[2:]) if gradient is None else (gradient[0] != 0).any(0).float()


# ---------------------------------------------------------------- ScoreCAM


def slow_scorecam(made, target, number, align_corners=False, count=None):
    """``sum_c softmax_c(t(X M_c)) A_c``, one channel at a time."""
    channels = made.tensors[number][0][:count]
    scores = []
    for channel in channels:
        mask = F.interpolate(channel[None, None], (8, 12), mode='bilinear', align_corners=align_corners)[0, 0]
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        scores.append(made.of_input(made.inputs[0] * mask)[target])
    weights = torch.stack(scores).exp() / torch.stack(scores).exp().sum()
    return sum(weight * channel for weight, channel in zip(weights, channels))


@pytest.mark.parametrize('size', [1, 3, 99])
def test_scorecam_by_the_published_formula(made, size):
    job = made.job('scorecam', size=size)
    maps = scorecam(job)
    assert job.done == job.total == job.runs.passes == 5 + 4
    for target in range(3):
        for number in range(2):
            expected = slow_scorecam(made, target, number) * reach(made, target, number)
            torch.testing.assert_close(maps[target][number], expected, rtol=1e-5, atol=1e-6)


def test_scorecam_on_classes_lays_the_corners_of_the_grids_upon_each_other(made):
    maps = scorecam(made.job('scorecam', spatial=False))
    expected = slow_scorecam(made, 1, 1, align_corners=True)
    torch.testing.assert_close(maps[1][1], expected, rtol=1e-5, atol=1e-6)


def test_a_channel_that_is_the_same_everywhere_hides_all(made):
    made.tensors[0][0, 2] = 0.25
    seen = []
    of_input = made.of_input
    made.of_input = lambda one: seen.append(one.abs().max().item()) or of_input(one)
    assert all(each.isfinite().all() for of_target in scorecam(made.job('scorecam')) for each in of_target)
    assert seen[2] == 0 and min(seen[:2] + seen[3:]) > 0


def test_scorecam_ended_early_weighs_the_channels_so_far(made):
    job = made.job('scorecam', size=2, progress=lambda done, total: done < 3)
    maps = scorecam(job)
    assert job.runs.passes == 4 and job.interrupted
    torch.testing.assert_close(maps[0][0], slow_scorecam(made, 0, 0, count=4), rtol=1e-5, atol=1e-6)
    assert maps[0][1] is None


# ---------------------------------------------------------------- ReciproCAM


def slow_reciprocam(made, target, number, gaussian):
    """At each cell, the target with all other cells hidden, less the target with all cells hidden."""
    tensor = made.tensors[number]
    height, width = tensor.shape[2:]
    found = torch.zeros(height, width)

    def measured(mask):
        altered = list(made.tensors)
        altered[number] = tensor * mask
        return made.targets(altered)[target]

    for row in range(height):
        for column in range(width):
            mask = torch.zeros(height, width)
            for i in range(height):
                for j in range(width):
                    distance = abs(i - row) + abs(j - column)
                    if gaussian and max(abs(i - row), abs(j - column)) <= 1:
                        mask[i, j] = 0.5**distance  # 1, a half at the sides, a quarter at the corners
                    elif distance == 0:
                        mask[i, j] = 1
            found[row, column] = measured(mask) - measured(torch.zeros(height, width))
    return found


@pytest.mark.parametrize('gaussian', [True, False])
@pytest.mark.parametrize('size', [1, 4, 99])
def test_reciprocam_by_the_published_formula(made, gaussian, size):
    job = made.job('reciprocam', size=size, gaussian=gaussian)
    maps = reciprocam(job)
    assert job.done == job.total == job.runs.passes == (4 * 6 + 1) + (2 * 3 + 1)
    for target in range(3):
        for number in range(2):
            expected = slow_reciprocam(made, target, number, gaussian) * reach(made, target, number)
            torch.testing.assert_close(maps[target][number], expected, rtol=1e-5, atol=1e-6)


def test_cells_that_no_target_depends_on_are_not_tried(made):
    plain = made.targets
    made.targets = lambda tensors: plain(tensors)[2:]
    job = made.job('reciprocam')
    maps = reciprocam(job)
    assert job.runs.passes == 1 + 4 * 3  # no cell at all, and the left half of the first level
    expected = slow_reciprocam(made, 0, 0, True)
    assert not maps[0][0][:, 3:].any() and not maps[0][1].any()
    torch.testing.assert_close(maps[0][0][:, :3], expected[:, :3], rtol=1e-5, atol=1e-6)


def test_reciprocam_ended_early_leaves_zeros_where_nothing_was_measured(made):
    job = made.job('reciprocam', size=4, progress=lambda done, total: done < 8)
    maps = reciprocam(job)
    assert job.runs.passes == 8
    expected = slow_reciprocam(made, 0, 0, True).flatten()
    torch.testing.assert_close(maps[0][0].flatten()[:7], expected[:7], rtol=1e-5, atol=1e-6)
    assert not maps[0][0].flatten()[7:].any() and not maps[0][1].any()
