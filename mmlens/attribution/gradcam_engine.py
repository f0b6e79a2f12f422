"""Class maps by pytorch-grad-cam's own engine, for its methods that need more than one pass."""

from __future__ import annotations

import contextlib
import inspect
from functools import partial
from typing import Any, Callable, Dict, Iterator, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from ..compat import gradcam as compat
from ..errors import LayerError, MethodError, reason
from .contrast import contrast
from .restore import unchanged
from .tokens import layouts_of, why_no_map
from .trees import map_tensors, tensors_of


class Logits(nn.Module):
    """A model that returns logits (B, n) and nothing else, as pytorch-grad-cam wants it.

    Args:
        model: The model.
        logits_of: Its inputs (B, 3, H, W) -> logits.
    """

    def __init__(self, model: nn.Module, logits_of: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model = model
        self._logits_of = logits_of

    def forward(self, inputs: Tensor) -> Tensor:
        """See the class."""
        return self._logits_of(inputs)


@contextlib.contextmanager
def borrowed(model: nn.Module) -> Iterator[None]:
    """Let a foreign engine work on a model in eval mode; hooks, modules and values are restored at the end."""
    modules = [(module, dict(module._modules), dict(module._forward_hooks)) for module in model.modules()]
    with unchanged(model), torch.inference_mode(False), torch.enable_grad():
        model.requires_grad_(True)
        try:
            yield
        finally:
            for module, children, hooks in modules:
                module._modules.clear()
                module._modules.update(children)
                module._forward_hooks.clear()
                module._forward_hooks.update(hooks)


def map_by_engine(
    cam_class: type,
    model: nn.Module,
    logits_of: Callable[[Tensor], Tensor],
    layers: Dict[str, nn.Module],
    inputs: Tensor,
    category: int,
    *,
    extra_tokens: Optional[int] = None,
    eigen_smooth: bool = False,
    others: Optional[Sequence[int]] = None,
) -> Tensor:
    """One class's map by a class of pytorch-grad-cam.

    Args:
        cam_class: A class of the installed pytorch-grad-cam.
        model: The model; given back as it was.
        logits_of: Its inputs (B, 3, H, W) -> logits (B, n).
        layers: Name -> module; none for a method that finds its layers by itself.
        inputs: Shape (1, 3, H, W).
        category: Class index.
        extra_tokens: See :func:`~mmlens.attribution.tokens.layouts_of`.
        eigen_smooth: Whether the first principal component is taken.
        others: Classes that it is contrasted with; see :func:`~mmlens.attribution.contrast.contrast`.

    Returns:
        Shape (H, W), float32 in [0, 1], on the input's grid.

    Raises:
        MethodError: If the method fails on this model or layer.
    """
    with borrowed(model):
        wrapped = Logits(model, logits_of).eval()
        options: Dict[str, Any] = dict(reshape_transform=_as_maps(inputs.shape[2:], extra_tokens))
        try:
            with compat.engine(cam_class(wrapped, list(layers.values()), **options)) as cam:
                for layer in layers.values():  # what follows may work in place on what the engine keeps
                    layer.register_forward_hook(lambda module, args, output: map_tensors(Tensor.clone, output))
                found = cam(input_tensor=inputs, eigen_smooth=eigen_smooth, **_target(cam, category, others))
        except LayerError:
            raise
        except Exception as error:  # any method of the package, on any model
            raise MethodError(
                f'{cam_class.__name__} of pytorch-grad-cam does not work on this model'
                f'{" at " if layers else ""}{", ".join(layers)} ({reason(error).rstrip(".")}); choose another method.'
            ) from error
    return torch.nan_to_num(torch.as_tensor(found[0], dtype=torch.float32))


def _target(cam: Any, category: int, others: Optional[Sequence[int]]) -> Dict[str, Any]:
    """The arguments that say what is explained."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    if others is not None:
        return {'targets': [partial(contrast, label=category, others=others)]}
    if 'target_idx' in inspect.signature(cam.forward).parameters:
        return {'target_idx': category}  # FinerCAM compares the class with those of the nearest logits
    return {'targets': [ClassifierOutputTarget(category)]}


def guided_gradients(model: nn.Module, logits_of: Callable[[Tensor], Tensor], inputs: Tensor, category: int) -> Tensor:
    """Gradient of a logit at the input, with nothing negative let through a ReLU (guided backpropagation).

    Source: Springenberg et al. 2015; https://arxiv.org/abs/1412.6806. Only ``nn.ReLU`` is guided, as in
    pytorch-grad-cam; a network without one gives plain gradients.

    Returns:
        Shape (3, H, W), float32.
    """
    from pytorch_grad_cam.guided_backprop import GuidedBackpropReLUasModule
    from pytorch_grad_cam.utils.find_layers import replace_all_layer_type_recursive

    with borrowed(model):
        for module in model.modules():
            module.training = False
        replace_all_layer_type_recursive(model, nn.ReLU, GuidedBackpropReLUasModule())
        start = inputs.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(logits_of(start)[0, category], start)
    return gradient[0].float()


def _as_maps(input_size: Sequence[int], extra_tokens: Optional[int]) -> Callable[[Any], Tensor]:
    """Turns what a layer returns for a batch into maps (B, C, h, w)."""
    size: Tuple[int, int] = (int(input_size[0]), int(input_size[1]))

    def reshape(output: Any) -> Tensor:
        tensor = next(iter(tensors_of(output)))
        layouts = layouts_of((1, *tensor.shape[1:]), size, (), extra_tokens)
        if not layouts:
            raise LayerError(f'The layer {why_no_map([tensor.shape], size, extra_tokens)}')
        if layouts[0](tensor[:1])[0, 0].numel() == 1:
            raise LayerError('The layer returns a single cell for the whole input: choose a layer before the pooling.')
        return torch.cat([layouts[0](one[None]) for one in tensor])

    return reshape
