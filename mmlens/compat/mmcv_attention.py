"""Let torch's function modes see mmcv's deformable attention as one function.

Reason: where mmcv has no kernel for it, on any CPU, it is a Python function that calls ``grid_sample`` level by level,
which takes several times as long as it has to, and its gradient longer still. :func:`attend` does the same; within a
mode, such as :class:`mmlens.attribution.graph.live_graph`, the mode may compute it another way. Delete when mmcv has a
kernel for CPUs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mmlens.compat.import_hooks import after_import

if TYPE_CHECKING:
    from torch import Tensor

MODULE = 'mmcv.ops.multi_scale_deform_attn'
NAME = 'multi_scale_deformable_attn_pytorch'
_ORIGINAL = '_mmlens_original'


def install() -> None:
    """Put :func:`attend` in the function's place, now or when its module is imported. Idempotent."""
    after_import(MODULE, _put_in_place)


def _put_in_place() -> None:
    module = sys.modules[MODULE]
    if getattr(module, NAME) is not attend:
        setattr(module, _ORIGINAL, getattr(module, NAME))
        setattr(module, NAME, attend)


def attend(
    value: Tensor, value_spatial_shapes: Tensor, sampling_locations: Tensor, attention_weights: Tensor
) -> Tensor:
    """What mmcv's function returns; the names of the arguments are its own."""
    from torch.overrides import handle_torch_function, has_torch_function

    tensors = (value, value_spatial_shapes, sampling_locations, attention_weights)
    if has_torch_function(tensors):
        result: Any = handle_torch_function(attend, tensors, *tensors)
    else:
        result = getattr(sys.modules[MODULE], _ORIGINAL)(*tensors)
    return result  # type: ignore[no-any-return]
