from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

SHAPES = [  # stride, padding, dilation, groups, deform_groups
    (1, 1, 1, 1, 1),
    (2, 1, 1, 1, 2),
    (1, 2, 2, 2, 1),
    (2, 0, 1, 2, 2),
]
GRADIENT_SHAPES = [(2, 0, 1, 1, 2), (2, 1, 1, 2, 1), (1, 0, 2, 1, 1)]


def slow_deform_conv(bilinear, planes, offset, weight, stride, padding, dilation, groups, deform_groups, mask=None):
    """Input (C, H, W), offset (G * 2 * K * K, h, w), weight (O, C / groups, K, K), mask (G * K * K, h, w)."""
    channels = len(planes)
    outputs, per_group, k, _ = weight.shape
    out = np.zeros((outputs, *offset.shape[1:]))
    for o, i, j in np.ndindex(*out.shape):
        first = o // (outputs // groups) * per_group
        for c, a, b in itertools.product(range(first, first + per_group), range(k), range(k)):
            tap = c // (channels // deform_groups) * k * k + a * k + b
            y = i * stride - padding + a * dilation + offset[2 * tap, i, j]
            x = j * stride - padding + b * dilation + offset[2 * tap + 1, i, j]
            strength = 1 if mask is None else mask[tap, i, j]
            out[o, i, j] += weight[o, c - first, a, b] * bilinear(planes[c], y, x) * strength
    return out


def deform_case(stride, padding, dilation, groups, deform_groups):
    planes = torch.randn(2, 4, 6, 7, dtype=torch.float64)
    weight = torch.randn(6, 4 // groups, 3, 3, dtype=torch.float64)
    size = [(n + 2 * padding - dilation * 2 - 1) // stride + 1 for n in (6, 7)]
    offset = torch.randn(2, deform_groups * 18, *size, dtype=torch.float64)
    mask = torch.rand(2, deform_groups * 9, *size, dtype=torch.float64)
    return planes, offset, mask, weight, torch.randn(6, dtype=torch.float64)


@pytest.mark.parametrize('shape', SHAPES)
def test_deform_conv_samples_where_the_offsets_say(ops, bilinear, shape):
    planes, offset, mask, weight, bias = deform_case(*shape)
    plain = ops.deform_conv2d(planes, offset, weight, *shape)
    modulated = ops.modulated_deform_conv2d(planes, offset, mask, weight, bias, *shape)
    unbiased = ops.modulated_deform_conv2d(planes, offset, mask, weight, None, *shape)
    for n in range(2):
        arrays = planes[n].numpy(), offset[n].numpy(), weight.numpy()
        np.testing.assert_allclose(plain[n].numpy(), slow_deform_conv(bilinear, *arrays, *shape), atol=1e-12)
        expected = slow_deform_conv(bilinear, *arrays, *shape, mask=mask[n].numpy())
        np.testing.assert_allclose(unbiased[n].numpy(), expected, atol=1e-12)
        np.testing.assert_allclose(modulated[n].numpy(), expected + bias.numpy()[:, None, None], atol=1e-12)


def test_deform_conv_without_offsets_is_a_convolution(ops):
    planes, offset, mask, weight, bias = deform_case(1, 1, 1, 1, 1)
    expected = torch.nn.functional.conv2d(planes, weight, padding=1)
    zero = torch.zeros_like(offset)
    torch.testing.assert_close(ops.deform_conv2d(planes, zero, weight, 1, 1), expected)
    halved = ops.modulated_deform_conv2d(planes, zero, torch.full_like(mask, 0.5), weight, bias, 1, 1)
    torch.testing.assert_close(halved, 0.5 * expected + bias[:, None, None])


def gradient_case(stride, padding, dilation, groups, deform_groups):
    """Planes, offset, mask, weight and bias, small enough for gradcheck; offsets off the grid, where it has a kink."""
    size = (5 + 2 * padding - dilation * 2 - 1) // stride + 1
    shapes = [(1, 4, 5, 5), (1, deform_groups * 18, size, size), (1, deform_groups * 9, size, size)]
    shapes += [(2, 4 // groups, 3, 3), (2,)]
    case = [torch.randn(*shape, dtype=torch.float64) for shape in shapes]
    case[1] = case[1].floor() + 0.1 + 0.8 * torch.rand_like(case[1])
    return [x.requires_grad_() for x in case]


@pytest.mark.parametrize('shape', GRADIENT_SHAPES)
def test_deform_conv_passes_gradcheck(ops, shape):
    planes, offset, _, weight, _ = gradient_case(*shape)
    assert gradcheck(lambda *x: ops.deform_conv2d(*x, *shape), [planes, offset, weight])


@pytest.mark.parametrize('with_bias', [True, False])
@pytest.mark.parametrize('shape', GRADIENT_SHAPES)
def test_modulated_deform_conv_passes_gradcheck(ops, shape, with_bias):
    inputs = gradient_case(*shape)[: 5 if with_bias else 4]

    def convolve(planes, offset, mask, weight, bias=None):
        return ops.modulated_deform_conv2d(planes, offset, mask, weight, bias, *shape)

    assert gradcheck(convolve, inputs)


def test_offsets_of_a_finer_grid_are_read_as_mmcv_reads_them(ops, bilinear):
    """DyHead's: mmcv takes as many numbers of a sample as the output has positions, one after another."""
    planes, _, _, weight, _ = deform_case(1, 1, 1, 1, 1)
    offset = torch.randn(2, 18, 12, 14, dtype=torch.float64)
    mask = torch.rand(2, 9, 12, 14, dtype=torch.float64)
    found = ops.modulated_deform_conv2d(planes, offset, mask, weight, None, 1, 1)
    for n in range(2):
        read = [x[n].flatten()[: len(x[n]) * 42].reshape(-1, 6, 7).numpy() for x in (offset, mask)]
        expected = slow_deform_conv(bilinear, planes[n].numpy(), read[0], weight.numpy(), 1, 1, 1, 1, 1, mask=read[1])
        np.testing.assert_allclose(found[n].numpy(), expected, atol=1e-12)


def test_offsets_of_a_finer_grid_pass_gradcheck(ops):
    planes, _, _, weight, _ = gradient_case(2, 1, 1, 1, 1)
    offset = (torch.randn(1, 18, 5, 5).double().floor() + 0.1 + 0.8 * torch.rand(1, 18, 5, 5)).requires_grad_()
    mask = torch.rand(1, 9, 5, 5, dtype=torch.float64, requires_grad=True)

    def convolve(planes, offset, mask, weight):
        return ops.modulated_deform_conv2d(planes, offset, mask, weight, None, 2, 1)

    assert gradcheck(convolve, [planes, offset, mask, weight])


def test_offsets_of_a_coarser_grid_are_refused(ops):
    planes, offset, mask, weight, bias = deform_case(1, 1, 1, 1, 1)
    with pytest.raises(RuntimeError, match='offset'):
        ops.modulated_deform_conv2d(planes, offset[..., :3, :3], mask[..., :3, :3], weight, bias, 1, 1)
