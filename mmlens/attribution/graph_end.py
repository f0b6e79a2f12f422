"""Where in a network gradients end: a part that runs without them, or detaches what it returns."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, List, Optional

import torch
from torch import nn

from .layers import written_name
from .tap import Tap
from .trees import tensors_of


def where_graph_ends(model: nn.Module, run: Callable[[Tap], Any]) -> Optional[str]:
    """A sentence on the part of a model that lets no gradient through; ``None`` if there is none.

    Args:
        model: The model; given back as it was.
        run: Runs it within a tap, with gradients on.
    """
    named = [(name, module) for name, module in model.named_modules() if name]
    first = next((each for each in named if any(True for _ in each[1].parameters(recurse=False))), None)
    if first is None:
        return None
    enabled: Dict[str, bool] = {}
    fed: Dict[str, bool] = {first[0]: True}
    cut: List[str] = []

    def begins(name: str) -> Callable[..., None]:
        def note(module: nn.Module, args: Any) -> None:
            enabled.setdefault(name, torch.is_grad_enabled())
            fed[name] = fed.get(name, False) or _any_graph(args)

        return note

    def ends(name: str) -> Callable[..., None]:
        def note(module: nn.Module, args: Any, output: Any) -> None:
            holds = any(other.startswith(f'{name}.') and fed[other] for other in fed)
            if (fed[name] or holds) and _returns_numbers(output) and not _any_graph(output):
                cut.append(name)

        return note

    with Tap(model, {first[0]: first[1]}) as tap, contextlib.ExitStack() as hooks:
        for name, module in named:
            hooks.callback(module.register_forward_pre_hook(begins(name)).remove)
            hooks.callback(module.register_forward_hook(ends(name)).remove)
        run(tap)
    off = next((name for name, on in enabled.items() if not on), None)
    if off is not None:
        around = [off[:end] for end, letter in enumerate(off) if letter == '.']
        name = next((each for each in reversed(around) if enabled.get(each, False)), '')
        return _sentence(model, name, 'runs without them, as under torch.no_grad')
    return _sentence(model, cut[0], 'detaches what it returns') if cut else None


def _sentence(model: nn.Module, name: str, why: str) -> str:
    which = f"'{written_name(name)}' ({type(model.get_submodule(name)).__name__})" if name else type(model).__name__
    return (
        f'Gradients end in {which}, which {why}: use a method without gradients, such as reciprocam, scorecam or '
        'eigencam, or take that out of its forward.'
    )


def _any_graph(value: Any) -> bool:
    return any(tensor.requires_grad for tensor in tensors_of(value))


def _returns_numbers(value: Any) -> bool:
    return any(tensor.is_floating_point() for tensor in tensors_of(value))
