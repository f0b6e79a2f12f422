"""The owner of everything temporary done to a model."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import LayerError
from .tokens import Layout, layouts_of, why_no_map
from .trees import map_tensors


@dataclass
class Level:
    """One map (1, C, h, w) of a tapped layer's output.

    Attributes:
        layer: The layer's name as the user wrote it.
        index: Position among the layer's levels.
        tensor: What the layer returned, in its own layout; gradients are taken with respect to it.
        layout: Turns ``tensor``, or its gradient, into (1, C, h, w).
    """

    layer: str
    index: int
    tensor: Tensor
    layout: Layout

    @property
    def activation(self) -> Tensor:
        """Shape (1, C, h, w), detached."""
        return self.layout(self.tensor.detach())


class Tap:
    """Begin the autograd graph at named layers of a model, and give the model back as it was.

    Inside the context the model is in eval mode, its parameters are frozen, and each tapped layer
    returns a copy of its output from which the graph begins: nothing below the layer is kept for,
    or visited by, the backward pass. On leaving, also after an error, every hook, ``training``
    flag, ``requires_grad``, ``.grad``, buffer and random state is as before.

    Args:
        model: The model.
        layers: Modules to tap, by the names that errors and results will show.

    Example:
        >>> with Tap(model, {'neck': model.neck}) as tap, live_graph():
        ...     score = model(picture).max()
        ...     gradients = torch.autograd.grad(score, tap.tensors)
    """

    def __init__(self, model: nn.Module, layers: Dict[str, nn.Module]) -> None:
        self.model = model
        self.layers = layers
        self._outputs: Dict[str, List[Tensor]] = {}
        self._ran: Set[str] = set()
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Tap:
        self._outputs, self._ran = {name: [] for name in self.layers}, set()
        with contextlib.ExitStack() as undo:
            for parameter in _parameters(undo.enter_context(evaluating(self.model))):
                parameter.requires_grad_(False)
            undo.enter_context(torch.enable_grad())
            for name, module in self.layers.items():
                handle = module.register_forward_hook(self._swap(name))
                undo.callback(handle.remove)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._undo.__exit__(*error)
        self._outputs = {}

    def _swap(self, name: str) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            self._ran.add(name)
            return map_tensors(lambda tensor: self._tap_tensor(name, tensor), output)

        return hook

    def _tap_tensor(self, name: str, tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        # Copies protect the activation from layers that work in place: ReLU on what is returned, a residual
        # sum on what went in where the layer is an identity.
        start = tensor.clone() if tensor.requires_grad else tensor.detach().clone().requires_grad_()
        self._outputs[name].append(start)
        # A layer that follows another tapped one stays connected to it.
        return start.clone()

    @property
    def tensors(self) -> List[Tensor]:
        """The tapped tensors in the layers' own layout, layer by layer, call by call."""
        return [tensor for outputs in self._outputs.values() for tensor in outputs]

    def levels(self, input_size: Tuple[int, int], extra_tokens: Optional[int] = None) -> List[Level]:
        """What the tapped layers returned, as maps.

        Args:
            input_size: ``(height, width)`` of the network's input; tells the grid of token layers.
            extra_tokens: How many tokens stand before the grid; see
                :func:`~mmlens.attribution.tokens.layouts_of`.

        Raises:
            LayerError: If a layer did not run, or returned nothing that lies over one input.
        """
        return [level for name in self.layers for level in self._levels_of(name, input_size, extra_tokens)]

    def _levels_of(self, name: str, input_size: Tuple[int, int], extra: Optional[int]) -> List[Level]:
        outputs = self._outputs[name] if name in self._ran else None
        return levels_of(self.model, name, self.layers[name], outputs, input_size, extra)


def levels_of(
    model: nn.Module,
    name: str,
    module: nn.Module,
    outputs: Optional[Sequence[Tensor]],
    input_size: Tuple[int, int],
    extra_tokens: Optional[int] = None,
) -> List[Level]:
    """What one layer returned, as maps.

    Args:
        model: The model that the layer is in.
        name: The layer's name as the user wrote it.
        module: The layer.
        outputs: What it returned; ``None`` if it did not run.
        input_size, extra_tokens: See :meth:`Tap.levels`.

    Raises:
        LayerError: See :meth:`Tap.levels`.
    """
    if outputs is None:
        raise LayerError(_did_not_run(name, module))
    inside = _classes_around(model, module)
    found = [
        (tensor, layout) for tensor in outputs for layout in layouts_of(tensor.shape, input_size, inside, extra_tokens)
    ]
    if not found:
        why = why_no_map([tensor.shape for tensor in outputs], input_size, extra_tokens)
        raise LayerError(f"Layer '{name}' {why}")
    return [Level(name, index, tensor, layout) for index, (tensor, layout) in enumerate(found)]


def _classes_around(model: nn.Module, module: nn.Module) -> List[str]:
    """Class names of a module and of those it lies in."""
    named = dict(model.named_modules())
    path = next((name for name, candidate in named.items() if candidate is module), None)
    if path is None:
        return [type(module).__name__]
    steps = path.split('.') if path else []
    return [type(named['.'.join(steps[:depth])]).__name__ for depth in range(len(steps) + 1)]


def _did_not_run(name: str, module: nn.Module) -> str:
    if isinstance(module, (nn.ModuleList, nn.ModuleDict)):
        inside = ' or '.join(f"'{name}[{key}]'" if key.isdigit() else f"'{name}.{key}'" for key in module._modules)
        return f"Layer '{name}' is a list of layers, which is not run as a whole: choose {inside}."
    return f"Layer '{name}' does not run when the model predicts: choose another (`mmlens layers` shows which run)."


@contextlib.contextmanager
def observe_outputs(
    model: nn.Module, layers: Iterable[Tuple[str, nn.Module]], note: Callable[[str, Any], None]
) -> Iterator[None]:
    """Call ``note(name, output)`` whenever one of ``layers`` returns; the model runs without gradients."""

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda module, inputs, output: note(name, output)

    with contextlib.ExitStack() as undo:
        undo.enter_context(evaluating(model))
        undo.enter_context(torch.no_grad())
        for name, module in layers:
            undo.callback(module.register_forward_hook(watch(name)).remove)
        yield


Forward = Callable[..., Any]


@contextlib.contextmanager
def swapped_forwards(
    model: nn.Module, steer: Callable[[nn.Module, Forward, Tuple, Dict[str, Any]], Any]
) -> Iterator[None]:
    """Call ``steer(module, forward, args, kwargs)`` instead of the forward of every module within a model."""

    def swapped(module: nn.Module) -> Forward:
        forward = module.forward
        return lambda *args, **kwargs: steer(module, forward, args, kwargs)

    inner = [module for module in model.modules() if module is not model]
    # A forward of the module's own, beside its class's, is somebody else's patch: it is kept, and put back.
    patched = {id(module): module.__dict__['forward'] for module in inner if 'forward' in module.__dict__}
    wrappers = [swapped(module) for module in inner]
    try:
        for module, wrapper in zip(inner, wrappers):
            module.__dict__['forward'] = wrapper
        yield
    finally:
        for module in inner:
            module.__dict__.pop('forward', None)
            if id(module) in patched:
                module.__dict__['forward'] = patched[id(module)]


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[List[nn.Module]]:
    """Put a model into eval mode, and give it back as it was. Yields its modules."""
    with contextlib.ExitStack() as undo:
        modules = undo.enter_context(unchanged(model))
        undo.enter_context(torch.inference_mode(False))
        if any(module.training for module in modules):
            # The flags alone will not do: LeViT and its like make what they predict with when they are told.
            undo.enter_context(attributes_kept(modules))
            model.eval()
        for module in modules:
            vars(module)['training'] = False  # as `module.training = False`, without nn.Module's checks
        yield modules


@contextlib.contextmanager
def attributes_kept(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Put back which attributes modules have and what they refer to; what is changed in place stays changed."""
    kept = [(module, dict(vars(module))) for module in modules]
    try:
        yield
    finally:
        for module, attributes in kept:
            now = vars(module)
            if now.keys() != attributes.keys() or any(now[name] is not value for name, value in attributes.items()):
                now.clear()
                now.update(attributes)


@contextlib.contextmanager
def unchanged(model: nn.Module) -> Iterator[List[nn.Module]]:
    """Put back flags, buffers, gradients and random states of a model when the block ends. Yields its modules."""
    modules = list(model.modules())  # walking through a model takes as long as a layer: once is enough
    training = [module.training for module in modules]
    parameters = [(p, p.requires_grad, p.grad) for p in _parameters(modules)]
    buffers = [(module, dict(module._buffers)) for module in modules]
    tensors = [b for _, named in buffers for b in named.values() if b is not None]
    values = _joined(tensors)
    states = _random_states(p.device for p, _, _ in parameters)
    try:
        yield modules
    finally:
        for module, flag in zip(modules, training):
            vars(module)['training'] = flag
        for parameter, requires_grad, grad in parameters:
            parameter.requires_grad_(requires_grad)
            parameter.grad = grad
        for module, named in buffers:
            module._buffers.clear()
            module._buffers.update(named)
        _restore_values(tensors, values)
        _restore_random_states(states)


def _parameters(modules: Sequence[nn.Module]) -> List[nn.Parameter]:
    """The parameters of modules, each once."""
    found = {id(p): p for module in modules for p in module._parameters.values() if p is not None}
    return list(found.values())


Kind = Tuple[torch.dtype, torch.device]


def _joined(tensors: Sequence[Tensor]) -> Dict[Kind, Tensor]:
    """Values of many small tensors, joined by kind: a batch norm alone has three, and each torch call costs."""
    kinds: Dict[Kind, List[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor.detach().reshape(-1))
    return {kind: torch.cat(parts) for kind, parts in kinds.items()}


def _restore_values(tensors: Sequence[Tensor], values: Dict[Kind, Tensor]) -> None:
    # Compared by value, for changes through `.data` do not count in a tensor's version.
    now = _joined(tensors)
    for kind, value in values.items():
        if torch.equal(now[kind], value):
            continue
        members = [tensor for tensor in tensors if (tensor.dtype, tensor.device) == kind]
        for tensor, part in zip(members, value.split([tensor.numel() for tensor in members])):
            if not torch.equal(tensor, part.view(tensor.shape)):
                tensor.data.copy_(part.view(tensor.shape))


def _random_states(devices: Iterable[torch.device]) -> Tuple[Any, Any, Tensor, Dict[torch.device, Tensor]]:
    cuda = {device: torch.cuda.get_rng_state(device) for device in set(devices) if device.type == 'cuda'}
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda


def _restore_random_states(states: Tuple[Any, Any, Tensor, Dict[torch.device, Tensor]]) -> None:
    python, numpy, cpu, cuda = states
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(cpu)
    for device, state in cuda.items():
        torch.cuda.set_rng_state(state, device)
