"""Which weights are drawn: those being trained, or their moving average."""

from __future__ import annotations

from typing import Any, Optional

from mmengine.hooks import EMAHook
from mmengine.model import is_model_wrapper
from torch import nn

from ..errors import ModelError

# With these, each process holds only a part of the weights.
_SHARDING = ('FullyShardedDataParallel', 'DeepSpeedEngineWrapper', 'ColossalAIModelWrapper')


def bare(model: Any) -> nn.Module:
    """The model inside DistributedDataParallel, torch.compile and similar wrappers.

    Raises:
        ModelError: If the wrapper holds only a part of the weights.
    """
    while True:
        if any(type(model).__name__.endswith(kind) for kind in _SHARDING):
            raise ModelError(
                f'{type(model).__name__} splits the weights among the processes, so none can run the model alone: '
                'draw from its checkpoints with the mmlens commands.'
            )
        inner = getattr(model, '_orig_mod', None)
        if inner is None and is_model_wrapper(model):
            inner = model.module
        if inner is None:
            return model
        model = inner


def averaged(runner: Any) -> Optional[nn.Module]:
    """The model with the moving average of the weights; ``None`` if no EMAHook keeps one."""
    hook = _ema_hook(runner)
    return None if hook is None else _average_of(hook, runner)


def validated(runner: Any) -> nn.Module:
    """The model as validation and test see it: with averaged weights where an EMAHook swaps them in."""
    hook = _ema_hook(runner)
    # mmpretrain's EMAHook can leave validation to the weights that are trained.
    if hook is None or not getattr(hook, 'evaluate_on_ema', True):
        return bare(runner.model)
    return _average_of(hook, runner)


def _average_of(hook: EMAHook, runner: Any) -> nn.Module:
    # The hook copies the model before its weights are initialised: until the first step there is no average.
    return bare(hook.ema_model.module if int(hook.ema_model.steps) else runner.model)


def _ema_hook(runner: Any) -> Optional[EMAHook]:
    return next((hook for hook in runner.hooks if isinstance(hook, EMAHook)), None)
