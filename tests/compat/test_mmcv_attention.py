"""mmcv's deformable attention, which function modes see."""

import sys

import torch
from torch.overrides import TorchFunctionMode

from mmlens.compat import mmcv_attention


class Seen(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.functions = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.functions.append(function)
        return function(*args, **(kwargs or {}))


def a_module():
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttention

    torch.manual_seed(0)
    module = MultiScaleDeformableAttention(embed_dims=8, num_heads=2, num_levels=1, num_points=2, batch_first=True)
    torch.nn.init.normal_(module.sampling_offsets.weight)
    query, value = torch.randn(1, 3, 8), torch.randn(1, 6, 8)
    how = dict(
        reference_points=torch.rand(1, 3, 1, 2),
        spatial_shapes=torch.tensor([[2, 3]]),
        level_start_index=torch.tensor([0]),
    )
    return lambda: module.eval()(query, value=value, **how)


def test_a_mode_sees_one_function_and_the_result_is_the_same(ops):
    run = a_module()
    expected = run()
    with Seen() as seen:
        found = run()
    assert mmcv_attention.attend in seen.functions
    assert torch.nn.functional.grid_sample not in seen.functions
    assert torch.equal(found, expected)


def test_a_live_graph_computes_it_otherwise(ops):
    from mmlens.attribution.graph import live_graph

    run = a_module()
    with live_graph(), Seen() as seen:
        found = run()
    assert mmcv_attention.attend in seen.functions
    torch.testing.assert_close(found, run())
    names, stack = set(), [found.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None:
            names.add(type(node).__name__)
            stack += [child for child, _ in node.next_functions]
    assert '_AttentionBackward' in names and not any('GridSampler' in name for name in names)


def test_installing_twice_changes_nothing(ops):
    module = sys.modules[mmcv_attention.MODULE]
    before = dict(vars(module))
    mmcv_attention.install()
    assert dict(vars(module)) == before
