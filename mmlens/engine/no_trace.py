"""Look at a model in the middle of its training without leaving a trace."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Tuple

import torch
from mmengine.logging import MessageHub
from torch import nn

from ..attribution.restore import attributes_kept, unchanged


@contextlib.contextmanager
def no_trace(*models: nn.Module) -> Iterator[None]:
    """Put everything back as it was when the block ends, even after an error.

    That is, of each model: training flags, ``requires_grad``, ``.grad``, buffers, plain attributes of its modules
    (heads keep the anchors of the last input size); random states of Python, NumPy and torch; autocast and grad
    mode, and mmengine's message hub. Inside, models are in eval mode, autocast is off and nothing runs compiled.

    Args:
        *models: Without their wrappers; see :func:`mmlens.engine.weights.bare`.
    """
    with contextlib.ExitStack() as undo:
        for model in models or (nn.Identity(),):  # even without a model, the random states are kept
            undo.enter_context(attributes_kept(undo.enter_context(unchanged(model))))
            # Even if it is in eval mode already: LeViT and its kind cache values computed from their weights when they
            # are switched to it, and an EMAHook swaps weights around a validation.
            model.eval()
        for device in sorted({parameter.device.type for model in models for parameter in model.parameters()}):
            with contextlib.suppress(RuntimeError):  # a device without autocast cannot be inside one
                undo.enter_context(torch.autocast(device, enabled=False))
        undo.enter_context(torch.enable_grad())
        undo.enter_context(_message_hub_kept())
        yield


@contextlib.contextmanager
def _message_hub_kept() -> Iterator[None]:
    """Put the hub back as it was: some heads and losses write to it."""
    hub = MessageHub.get_current_instance()
    parts: List[Dict[str, Any]] = [hub.log_scalars, hub.runtime_info, hub._resumed_keys]
    kept = [(part, dict(part)) for part in parts]
    # A buffer that is updated replaces its arrays instead of changing them.
    buffers: List[Tuple[Any, Dict[str, Any]]] = [(buffer, dict(vars(buffer))) for buffer in hub.log_scalars.values()]
    try:
        yield
    finally:
        for part, values in kept:
            part.clear()
            part.update(values)
        for buffer, values in buffers:
            vars(buffer).update(values)
