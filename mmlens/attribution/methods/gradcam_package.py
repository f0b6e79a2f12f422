"""Methods of the installed pytorch-grad-cam that mmlens does not define itself."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor

from ...compat import gradcam as compat
from .base import Method, needs_more


def from_gradcam_package(name: str) -> Optional[Method]:
    """Wrap the ``BaseCAM`` subclass called ``name`` (lower case); ``None`` if there is none.

    Raises:
        MethodError: If the class needs more than activations and gradients.
    """
    cam_class = compat.cam_classes().get(name)
    if cam_class is None:
        return None
    if compat.needs_forward_passes(cam_class):
        raise needs_more(cam_class.__name__)
    cam = compat.bare(cam_class)
    shows = f"pytorch-grad-cam's {cam_class.__name__}"
    return Method(name, _Formula(cam), bool(getattr(cam, 'uses_gradients', True)), shows)


class _Formula:
    """Calls a ``BaseCAM``'s ``get_cam_image`` on one level."""

    def __init__(self, cam: Any) -> None:
        self.cam = cam

    def __call__(self, activation: Tensor, gradient: Optional[Tensor], spatial: bool) -> Tensor:
        a = activation.cpu().numpy()
        g = None if gradient is None else gradient.cpu().numpy()
        # The input and the target are the engine's business; formulas look at neither.
        image = self.cam.get_cam_image(None, None, None, a, g, False)
        return torch.as_tensor(image, dtype=torch.float32, device=activation.device)
