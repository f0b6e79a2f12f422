"""Methods of the installed pytorch-grad-cam that mmlens does not define itself."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor

from ...compat import gradcam as compat
from .base import EngineMethod, Formula, Method, OnePassMethod


def from_gradcam_package(name: str) -> Optional[Method]:
    """Wrap the class of pytorch_grad_cam called ``name`` (lower case); ``None`` if it has no such class."""
    cam_class = compat.cam_classes().get(name)
    if cam_class is None:
        return None
    shows = f"pytorch-grad-cam's {cam_class.__name__}"
    if compat.needs_forward_passes(cam_class):
        return EngineMethod(name, cam_class, shows)
    cam = compat.bare(cam_class)
    return OnePassMethod(name, _Formula(cam), bool(getattr(cam, 'uses_gradients', True)), shows)


def smoothed_formula(method: OnePassMethod) -> Optional[Formula]:
    """The method's formula with grad-cam's own eigen smoothing; ``None`` if it is not one of the package's."""
    return _Formula(method.formula.cam, True) if isinstance(method.formula, _Formula) else None


class _Formula:
    """Calls a ``BaseCAM``'s ``get_cam_image`` on one level."""

    def __init__(self, cam: Any, eigen_smooth: bool = False) -> None:
        self.cam = cam
        self.eigen_smooth = eigen_smooth

    def __call__(self, activation: Tensor, gradient: Optional[Tensor], spatial: bool) -> Tensor:
        a = activation.cpu().numpy()
        g = None if gradient is None else gradient.cpu().numpy()
        # The input and the target are the engine's business; formulas look at neither.
        image = self.cam.get_cam_image(None, None, None, a, g, self.eigen_smooth)
        return torch.as_tensor(image, dtype=torch.float32, device=activation.device)
