"""Begin the autograd graph at named layers of a model."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Callable, ContextManager, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

import torch
from torch import Tensor, nn

from ..defaults import modules_of
from ..errors import LayerError
from .restore import evaluating, parameters_of, swapped_forwards
from .tokens import Layout, layouts_of, why_no_map
from .trees import map_tensors
from .windows import reads_at_once


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

    @cached_property
    def finite(self) -> Tensor:
        """The activation in float32, 0 where it is not a number or infinite; made once for all targets."""
        return finite(self.activation)


def finite(values: Tensor) -> Tensor:
    """Values in float32, 0 where they are not finite.

    Half precision overflows in places; one such value must not ruin the whole map.
    """
    values = values.float()
    if not values.numel() or (reads_at_once(values) and all(extreme.isfinite() for extreme in values.aminmax())):
        return values
    return torch.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


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
            for parameter in parameters_of(undo.enter_context(evaluating(self.model))):
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

    @contextlib.contextmanager
    def before_layers(self, context: Callable[[], ContextManager[None]]) -> Iterator[None]:
        """Run the model's children that finish before the layers start, such as a neck's backbone, in a context."""
        tapped = {id(module) for module in self.layers.values()}
        others = [
            child for child in self.model.children() if all(id(inner) not in tapped for inner in modules_of(child))
        ]

        def steer(module: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
            if self.tensors:
                return forward(*args, **kwargs)
            with context():
                return forward(*args, **kwargs)

        with swapped_forwards(others, steer):
            yield

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
    def ran(self) -> int:
        """How many of the layers have run so far."""
        return len(self._ran)

    @property
    def tensors(self) -> List[Tensor]:
        """The tapped tensors in the layers' own layout, layer by layer, call by call."""
        return [tensor for outputs in self._outputs.values() for tensor in outputs]

    def outputs_of(self, name: str) -> List[Tensor]:
        """The tapped tensors of one layer, call by call."""
        return list(self._outputs[name])

    def levels(self, input_size: Tuple[int, int], extra_tokens: Optional[int] = None) -> List[Level]:
        """What the tapped layers returned, as maps.

        Args:
            input_size: ``(height, width)`` of the network's input, from which the grid of token layers is derived.
            extra_tokens: How many tokens stand before the grid; see
                :func:`~mmlens.attribution.tokens.layouts_of`.

        Raises:
            LayerError: If a layer did not run, or returned nothing that lies over one input.
        """
        return [level for name in self.layers for level in self._levels_of(name, input_size, extra_tokens)]

    def levels_of_each(
        self, number: int, input_size: Tuple[int, int], extra_tokens: Optional[int] = None
    ) -> Optional[List[List[Level]]]:
        """What the tapped layers returned for each of several inputs, which went through the model together.

        Args:
            number: How many inputs.
            input_size, extra_tokens: See :meth:`levels`.

        Returns:
            The levels of each input, whose tensors are parts of :attr:`tensors`; ``None`` if the layers do not keep
            inputs apart along their first axis.

        Raises:
            LayerError: See :meth:`levels`.
        """
        if any(tensor.ndim < 3 or len(tensor) != number for tensor in self.tensors):
            return None
        found: List[List[Level]] = []
        for n in range(number):
            levels: List[Level] = []
            for name, module in self.layers.items():
                parts = [tensor.detach()[n : n + 1] for tensor in self._outputs[name]] if name in self._ran else None
                levels += levels_of(self.model, name, module, parts, input_size, extra_tokens)
            found.append(levels)
        return found

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
    # A single cell has no place in the picture; the coarsest of several levels may well be one.
    if all(layout(tensor.detach())[0, 0].numel() == 1 for tensor, layout in found):
        raise LayerError(
            f"Layer '{name}' returns a single cell for the whole input, as behind a pooling, which lies nowhere in the "
            'picture: choose a layer before it.'
        )
    return [Level(name, index, tensor, layout) for index, (tensor, layout) in enumerate(found)]


def _classes_around(model: nn.Module, module: nn.Module) -> List[str]:
    """Class names of a module and of those it lies in."""
    path = next((name for name, candidate in model.named_modules() if candidate is module), None)
    if path is None:
        return [type(module).__name__]
    around = [model]
    for step in path.split('.') if path else []:
        around.append(around[-1]._modules[step])  # type: ignore[arg-type]
    return [type(each).__name__ for each in around]


def _did_not_run(name: str, module: nn.Module) -> str:
    if isinstance(module, (nn.ModuleList, nn.ModuleDict)):
        inside = ' or '.join(f"'{name}[{key}]'" if key.isdigit() else f"'{name}.{key}'" for key in module._modules)
        return f"Layer '{name}' is a list of layers, which is not run as a whole: choose {inside}."
    return (
        f"Layer '{name}' does not run when the model predicts: choose another (`list_layers(model, picture)` shows "
        'which run).'
    )


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
