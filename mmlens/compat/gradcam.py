"""pytorch-grad-cam's formulas without its engine, whichever version is installed.

Reason: grad-cam 1.5 dropped the argument ``use_cuda``, reads the device off the model's parameters, and added methods
that are not subclasses of BaseCAM. mmlens has its own taps and targets and needs only the formulas. Delete the part
about versions when grad-cam 1.4 is no longer supported.
"""

from __future__ import annotations

import contextlib
import inspect
from functools import lru_cache
from typing import Any, Dict, Iterator

from mmlens.compat.dependencies import require

# A class that overrides one of these has its formula there, not in get_cam_weights or get_cam_image.
ENGINE = ('__call__', 'forward', 'compute_cam_per_layer', 'aggregate_multi_layers')


@lru_cache(maxsize=None)
def cam_classes() -> Dict[str, type]:
    """The methods of the installed pytorch_grad_cam.

    Returns:
        Lower-cased class name -> class: BaseCAM's subclasses, and the classes that are used like them.

    Raises:
        DependencyError: grad-cam is missing or cannot be imported.
    """
    require('pytorch_grad_cam')
    import pytorch_grad_cam

    return {name.lower(): value for name, value in vars(pytorch_grad_cam).items() if _is_method(value)}


def bare(cam_class: type, **options: Any) -> Any:
    """Make an instance of a BaseCAM subclass without hooking a model; call its get_cam_weights or get_cam_image.

    Args:
        cam_class: The class, of the package or of a user.
        **options: Further arguments of its constructor, such as ``k`` of FEM.
    """
    import torch

    # Without target layers no hook is registered; grad-cam 1.5 takes the device from the model's first parameter.
    # Layers other than PReLU would draw it from torch's random numbers.
    return cam_class(torch.nn.PReLU(), [], **options)


@lru_cache(maxsize=None)
def needs_forward_passes(cam_class: type) -> bool:
    """Whether a method needs more than a layer's activations and gradients: further passes, biases, a live graph.

    Found by trying: the method gets a level's activations and gradients and nothing else, neither an input, nor a
    layer, nor targets, so that one which wants to run the model fails.
    """
    import numpy as np
    from pytorch_grad_cam.base_cam import BaseCAM

    if not issubclass(cam_class, BaseCAM):
        return True
    if any(getattr(cam_class, name) is not getattr(BaseCAM, name) for name in ENGINE):
        return True
    activations, gradients = np.random.RandomState(0).rand(2, 1, 3, 4, 5).astype(np.float32)
    state = np.random.get_state()  # RandomCAM draws from the global one
    try:
        cam = bare(cam_class).get_cam_image(None, None, None, activations, gradients, False)
    except Exception:  # whatever is missing first
        return True
    finally:
        np.random.set_state(state)
    return np.shape(cam) != (1, 4, 5)


def looks_everywhere(cam_class: type) -> bool:
    """Whether a method finds its layers by itself and ignores those it is given."""
    return cam_class.__name__ == 'FullGrad'


@contextlib.contextmanager
def engine(cam: Any) -> Iterator[Any]:
    """Let a method of the package run the model, and clean up quietly.

    Reason: before release() takes the hooks off, it detaches what was kept in place, which fails for views. That
    happens in __del__, whose errors are printed. Delete this when the package detaches copies.
    """
    try:
        yield cam
    finally:
        for part in (cam, getattr(cam, 'base_cam', None), *getattr(cam, 'base_cam_per_layer', ())):
            kept = getattr(part, 'activations_and_grads', None)
            if kept is not None:
                kept.activations, kept.gradients = [], []


def _is_method(value: Any) -> bool:
    from pytorch_grad_cam.base_cam import BaseCAM

    if not inspect.isclass(value) or value is BaseCAM:
        return False
    alike = hasattr(value, 'forward') and 'target_layers' in inspect.signature(value).parameters
    return issubclass(value, BaseCAM) or alike
