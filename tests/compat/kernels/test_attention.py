from __future__ import annotations

import torch
from torch.autograd import gradcheck


def attention_case():
    shapes = torch.tensor([[3, 4], [2, 2]])
    start = torch.tensor([0, 12])
    value = torch.randn(1, 16, 2, 3, dtype=torch.float64, requires_grad=True)
    places = torch.rand(1, 5, 2, 2, 4, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(1, 5, 2, 2, 4, dtype=torch.float64, requires_grad=True)
    return value, shapes, start, places, weights, 64


def test_ms_deform_attn_is_the_torch_version_with_its_gradient(ops):
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction, multi_scale_deformable_attn_pytorch

    value, shapes, start, places, weights, step = attention_case()
    output = MultiScaleDeformableAttnFunction.apply(value, shapes, start, places, weights, step)
    expected = multi_scale_deformable_attn_pytorch(value, shapes, places, weights)
    assert torch.equal(output, expected)
    slope = torch.randn_like(output)
    for ours, theirs in zip(*(torch.autograd.grad(y, (value, places, weights), slope) for y in (output, expected))):
        torch.testing.assert_close(ours, theirs)


def test_ms_deform_attn_passes_gradcheck(ops):
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    assert gradcheck(MultiScaleDeformableAttnFunction.apply, attention_case())
