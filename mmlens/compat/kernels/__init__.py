"""mmcv's compiled ops, computed by torchvision's kernels or, where it has none, by plain torch.

Every function has the name and the argument names of the op it stands in for (mmcv/ops/csrc/pytorch/pybind.cpp) and,
like it, writes into the output tensors that it is given. :mod:`mmlens.compat.mmcv_ops` puts them where mmcv looks.
"""

from __future__ import annotations

from mmlens.compat.kernels.attention import ms_deform_attn_backward, ms_deform_attn_forward
from mmlens.compat.kernels.deform import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from mmlens.compat.kernels.focal import sigmoid_focal_loss_backward, sigmoid_focal_loss_forward
from mmlens.compat.kernels.nms import nms, nms_match, softnms
from mmlens.compat.kernels.rois import roi_align_backward, roi_align_forward, roi_pool_backward, roi_pool_forward

__all__ = [
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
    'ms_deform_attn_backward',
    'ms_deform_attn_forward',
    'nms',
    'nms_match',
    'roi_align_backward',
    'roi_align_forward',
    'roi_pool_backward',
    'roi_pool_forward',
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softnms',
]
