"""Layers by the names users write: resolving and listing them."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from torch import nn

from ..errors import LayerError
from .tap import observe_outputs
from .trees import tensors_of

# `backbone.layer4[-1].conv2` -> 'backbone', 'layer4', '-1', 'conv2'
_STEP = re.compile(r'(?:^|\.)([A-Za-z_]\w*|\d+)(?!\w)|\[(-?\d+)\]|\[(["\'])(.+?)\3\]')


@dataclass(frozen=True)
class LayerInfo:
    """A layer of a model.

    Attributes:
        name: As users write it.
        kind: Class of the module.
        shapes: Shape of each output tensor of each call; empty if the layer did not run, ``None``
            if the model was not run at all.
        auto: Whether it is one of the layers that ``auto`` stands for.
    """

    name: str
    kind: str
    shapes: Optional[Tuple[Tuple[int, ...], ...]] = None
    auto: bool = False


def parse_layer_name(name: str) -> List[str]:
    """Split a layer's name into steps.

    Raises:
        LayerError: If ``name`` is not a dotted path with optional indexes.

    Example:
        >>> parse_layer_name('backbone.layer4[-1].conv2')
        ['backbone', 'layer4', '-1', 'conv2']
    """
    steps, position = [], 0
    while position < len(name):
        match = _STEP.match(name, position)
        if match is None:
            break
        steps.append(match.group(1) or match.group(2) or match.group(4))
        position = match.end()
    if position != len(name) or not steps or name.startswith('.'):
        raise LayerError(f"'{name}' is not a layer's name: write it like 'neck' or 'backbone.layer4[-1].conv2'.")
    return steps


def resolve_layer(model: nn.Module, name: str) -> nn.Module:
    """Find a module by its name; a negative index counts from the end.

    Args:
        model: The model to look in.
        name: Such as ``neck``, ``backbone.layer4[-1]`` or ``neck.out_convs.2``. A leading
            ``model.`` is accepted.

    Raises:
        LayerError: If there is no such layer; the message names the nearest ones.
    """
    steps = parse_layer_name(name)
    if steps[0] == 'model' and len(steps) > 1 and _child(model, 'model') is None:
        steps = steps[1:]
    module, path = model, ''
    for step in steps:
        child = _child(module, step)
        if child is None:
            raise LayerError(_no_such_layer(model, module, name, path, step))
        module, path = child, _join(path, step)
    return module


def resolve_layers(model: nn.Module, names: Sequence[str]) -> Dict[str, nn.Module]:
    """Find modules by their names, each module once, by the first of its names.

    Args:
        model: The model to look in.
        names: See :func:`resolve_layer`.

    Raises:
        LayerError: See :func:`resolve_layer`.
    """
    found: Dict[str, nn.Module] = {}
    for name in names:
        module = resolve_layer(model, name)
        if all(module is not other for other in found.values()):
            found[name] = module
    return found


def list_layers(model: nn.Module, run: Optional[Callable[[], Any]] = None) -> List[LayerInfo]:
    """List every named layer of a model, in the order of definition.

    Args:
        model: The model.
        run: Runs the model once; then each layer is listed with its output shapes.
    """
    named = [(name, module) for name, module in model.named_modules() if name]
    if run is None:
        return [LayerInfo(written_name(name), type(module).__name__) for name, module in named]
    shapes: dict = {name: [] for name, _ in named}

    def note(name: str, output: Any) -> None:
        shapes[name].extend(tuple(t.shape) for t in tensors_of(output))

    with observe_outputs(model, named, note):
        run()
    return [LayerInfo(written_name(name), type(module).__name__, tuple(shapes[name])) for name, module in named]


def _child(module: nn.Module, step: str) -> Optional[nn.Module]:
    children = module._modules
    if step in children:
        return children[step]
    if _is_index(step):
        values = list(children.values())
        index = int(step)
        return values[index] if _is_list(module) and -len(values) <= index < len(values) else None
    # Some modules sit behind a property, such as ResNet's `norm1`.
    value = getattr(module, step, None)
    return value if isinstance(value, nn.Module) else None


def _is_index(step: str) -> bool:
    return step.lstrip('-').isdecimal()


def _is_list(module: nn.Module) -> bool:
    # A Sequential whose entries have names counts too: it can be indexed.
    return bool(module._modules) and (isinstance(module, nn.Sequential) or all(map(_is_index, module._modules)))


def _join(path: str, step: str) -> str:
    if _is_index(step):
        return f'{path}[{step}]'
    if not step.isidentifier():
        return f"{path}['{step}']"
    return f'{path}.{step}' if path else step


def written_name(name: str) -> str:
    """A module's name as users write it: ``layers.0.ln1`` -> ``layers[0].ln1``; what torch.compile adds is left out."""
    path = ''
    for step in name.split('.'):
        path = path if step == '_orig_mod' else _join(path, step)
    return path


def _no_such_layer(model: nn.Module, parent: nn.Module, name: str, path: str, step: str) -> str:
    where = f"'{path}' has" if path else 'the model has'
    if _is_list(parent) and (_is_index(step) or all(map(_is_index, parent._modules))):
        return f"No layer '{name}': {where} {len(parent._modules)} entries, [0] to [{len(parent._modules) - 1}]."
    inside = [key for key, child in parent._modules.items() if child is not None]
    if not inside:
        return f"No layer '{name}': '{path}' has no layers inside; use '{path}' itself."
    candidates = [_join(path, n) for n in difflib.get_close_matches(step, inside, n=3, cutoff=0.4)]
    if not candidates:
        every = [written_name(n) for n, _ in model.named_modules() if n]
        candidates = difflib.get_close_matches(name, every, n=3, cutoff=0.5)
    if not candidates:
        candidates = [_join(path, n) for n in inside[:6]]
    return (
        f"No layer '{name}': did you mean {' or '.join(repr(c) for c in candidates)}? (`list_layers(model)` lists all.)"
    )
