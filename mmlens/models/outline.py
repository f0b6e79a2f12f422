"""A model's modules and the names and shapes of its parameters, without weights."""

from __future__ import annotations

import contextlib
import copy
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from .. import compat
from ..errors import ModelError, reason
from .inputs import default_scope

# What fills a tensor with random numbers.
_DRAWING = {Tensor.normal_, Tensor.uniform_, Tensor.bernoulli_, Tensor.log_normal_, Tensor.exponential_}


def build_outline(cfg: Config) -> nn.Module:
    """Build a model whose parameters lie on the 'meta' device: they have names and shapes, but no memory.

    Nothing is initialised, loaded or downloaded. Buffers are real, because constructors compute with them.

    Args:
        cfg: The whole config of a model.

    Raises:
        ModelError: If the config has no model, or the model cannot be built.
    """
    if not cfg.get('model'):
        raise ModelError(
            f"The config {cfg.filename or ''} has no 'model': give the config that the model is trained with."
        )
    from mmengine.registry import MODELS

    compat.prepare(cfg.get('default_scope') or 'mmdet')
    with default_scope(cfg), torch.random.fork_rng(devices=[]), parameters_on_meta(), _no_checkpoints() as asked_for:
        try:
            return MODELS.build(_untrained(copy.deepcopy(cfg.model)))
        except compat.DependencyError:
            raise
        except Exception as error:  # custom constructors raise anything
            without = f' without the checkpoint that it begins with, {asked_for[-1]}' if asked_for else ''
            raise ModelError(f'The model of the config cannot be built{without}: {reason(error)}') from error


@contextlib.contextmanager
def parameters_on_meta() -> Iterator[None]:
    """Move every parameter to the 'meta' device as soon as a module gets it, before it is initialised."""
    moved = WeakTensorKeyDictionary()  # so that modules that share a parameter still share it

    def move(module: nn.Module, name: str, parameter: Optional[nn.Parameter]) -> Any:
        if parameter is None or parameter.is_meta or nn.parameter.is_lazy(parameter):
            return parameter
        if parameter not in moved:
            moved[parameter] = nn.Parameter(parameter.data.to('meta'), requires_grad=parameter.requires_grad)
        return moved[parameter]

    hook = register_module_parameter_registration_hook(move)
    try:
        with _NothingDrawn():
            yield
    finally:
        hook.remove()


class _NothingDrawn(TorchFunctionMode):
    """No random numbers for tensors without memory: torch imports sympy to draw none, which takes a second."""

    def __torch_function__(
        self, function: Callable, types: Iterable, args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        if function in _DRAWING and args[0].is_meta:
            return args[0]
        return function(*args, **(kwargs or {}))


def count_parameters(parameters: Any) -> int:
    """Count the elements of some parameters."""
    return sum(parameter.numel() for parameter in parameters)


@contextlib.contextmanager
def _no_checkpoints() -> Iterator[List[str]]:
    """Give an empty checkpoint to constructors that load one; yield the list of those requested."""
    from mmengine.runner import checkpoint

    loader: Any = checkpoint.CheckpointLoader
    asked_for: List[str] = []

    def load_nothing(filename: str, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        asked_for.append(filename)
        return {'state_dict': {}}

    loading = loader.__dict__['load_checkpoint']
    loader.load_checkpoint = staticmethod(load_nothing)
    try:
        yield asked_for
    finally:
        loader.load_checkpoint = loading


def _untrained(model: Any) -> Any:
    """The config without requests for pretrained models of other packages (timm, transformers)."""
    if isinstance(model, dict) and model.get('pretrained') is True:
        model['pretrained'] = False
    for part in model.values() if isinstance(model, dict) else model if isinstance(model, (list, tuple)) else ():
        _untrained(part)
    return model
