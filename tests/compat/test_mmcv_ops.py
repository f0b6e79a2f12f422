from __future__ import annotations

import sys

import pytest
import torch

from mmlens import compat
from mmlens.compat import mmcv_ops


def test_importing_compat_costs_no_torch(fresh):
    done = fresh('import sys, mmlens.compat; print({"torch", "mmcv", "numpy"} & set(sys.modules))')
    assert done.stdout.strip() == 'set()', done.stderr


def test_prepare_twice_adds_each_hook_once(ops):
    before = list(sys.meta_path)
    compat.prepare()
    assert sys.meta_path == before
    assert sum(isinstance(finder, mmcv_ops._StandInFinder) for finder in sys.meta_path) == 1


def test_an_op_that_is_not_served_can_be_imported_but_not_called(ops):
    with pytest.raises(compat.DependencyError, match="mmcv's op 'box_iou_rotated'.*compiled ops"):
        ops.box_iou_rotated(torch.rand(2, 5), torch.rand(3, 5))


def test_the_stand_in_looks_like_a_module(ops):
    import mmcv._ext
    from mmcv.utils.env import collect_env
    from mmcv.utils.ext_loader import check_ops_exist

    assert mmcv._ext.__spec__.name == 'mmcv._ext'
    assert not hasattr(mmcv._ext, '__path__')
    assert 'stand-in' in collect_env()['MMCV Compiler']
    assert check_ops_exist()


def test_compiled_ops_are_left_alone(fresh, tmp_path):
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').write_text('')
    (tmp_path / 'mmcv' / '_ext.py').write_text('compiled = True')
    code = """
from mmlens.compat import mmcv_ops
mmcv_ops.install()
import mmcv._ext
print(mmcv._ext.compiled, mmcv_ops.in_use(), hasattr(mmcv._ext, 'nms'))
"""
    done = fresh(code, tmp_path)
    assert done.stdout.split() == ['True', 'False', 'False'], done.stderr


def test_deformable_attention_on_the_cpu_needs_no_op(ops):
    attention = ops.MultiScaleDeformableAttention(
        embed_dims=8, num_heads=2, num_levels=1, num_points=2, batch_first=True
    )
    attention.init_weights()
    query = torch.rand(1, 6, 8, requires_grad=True)
    shapes, start = torch.tensor([[2, 3]]), torch.tensor([0])
    out = attention(
        query, value=query, reference_points=torch.rand(1, 6, 1, 2), spatial_shapes=shapes, level_start_index=start
    )
    assert out.shape == query.shape
    assert torch.autograd.grad(out.sum(), query)[0].abs().sum() > 0
