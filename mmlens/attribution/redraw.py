"""The weights of a network, part by part from the head down, and how they are drawn anew."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import torch
from torch import Tensor, nn

from .layer_sets import StridedLayer
from .layers import resolve_layers
from .tap import observe_outputs


@dataclass
class Part:
    """A part of a network.

    Attributes:
        name: As people read it: a child of the model, or the backbone and a stride.
        parameters: Its weights; those that it shares with a part before it are not among them.
        norms: Its modules that keep running statistics.
    """

    name: str
    parameters: List[nn.Parameter] = field(default_factory=list)
    norms: List[nn.Module] = field(default_factory=list)


def parts_of(
    model: nn.Module, run: Callable[[], Any], inside: str = '', layers: Sequence[StridedLayer] = ()
) -> List[Part]:
    """The parts of a network in reverse order of execution, found in one traced pass.

    A part is a child of the model; the backbone falls into one a stride: what runs up to the last layer of that stride.
    Weights that no module runs with, such as those of the model itself, belong to the part that runs first.

    Args:
        model: The network.
        run: Runs the network on a picture.
        inside: Name of the backbone; empty if there is none.
        layers: The last layer of every stride of the backbone; see
            :func:`~mmlens.attribution.layer_sets.last_of_strides`.

    Returns:
        The parts that have weights. All weights are in exactly one of them.
    """
    named = dict(model.named_modules())
    ended = _ends(model, named, run)
    units = _units(model, ended, inside, layers)
    placed: Dict[str, List[nn.Module]] = {}
    for path, module in named.items():
        name = _unit_of(path, ended, inside, units)
        placed.setdefault(name, []).append(module)
    parts = [_part(name, placed[name]) for name, _ in units if name in placed]
    parts = [part for part in parts if part.parameters] or [Part('model')]
    rest = _part('', placed.get('', []))
    parts[-1].parameters += rest.parameters
    parts[-1].norms += rest.norms
    return _disjoint(parts)


def _ends(model: nn.Module, named: Dict[str, nn.Module], run: Callable[[], Any]) -> Dict[str, int]:
    """When each module that ran ended last."""
    ended: Dict[str, int] = {}
    count = iter(range(1 << 62))

    def note(name: str, output: Any) -> None:
        ended[name] = next(count)

    with observe_outputs(model, [(name, module) for name, module in named.items() if name], note):
        run()
    return ended


def _units(
    model: nn.Module, ended: Dict[str, int], inside: str, layers: Sequence[StridedLayer]
) -> List[Tuple[str, int]]:
    """Names of the parts and when they end, the last first."""
    names = {id(module): name for name, module in model.named_modules()}
    found: List[Tuple[str, int]] = []
    for child, _ in model.named_children():
        ends = [end for name, end in ended.items() if name == child or name.startswith(f'{child}.')]
        if ends and not (child == inside and layers):
            found.append((child, max(ends)))
    modules = resolve_layers(model, [layer.name for layer in layers])
    found += [(f'{inside}, stride {layer.stride}', ended[names[id(modules[layer.name])]]) for layer in layers]
    return sorted(found, key=lambda unit: -unit[1])


def _unit_of(path: str, ended: Dict[str, int], inside: str, units: Sequence[Tuple[str, int]]) -> str:
    """The part that a module belongs to; empty for what did not run."""
    known = dict(units)
    child = path.partition('.')[0]
    if child in known:
        return child
    strided = [(name, end) for name, end in reversed(units) if name.startswith(f'{inside}, ')]
    if child != inside or path == inside or not strided:
        return ''
    while path not in ended:  # its weights are used by a module around it
        path = path.rpartition('.')[0]
        if path in ('', inside):
            return ''
    return next((name for name, end in strided if ended[path] <= end), strided[-1][0])


def _part(name: str, modules: Sequence[nn.Module]) -> Part:
    parameters = [p for module in modules for p in module._parameters.values() if p is not None]
    return Part(name, parameters, [module for module in modules if _keeps_statistics(module)])


def _keeps_statistics(module: nn.Module) -> bool:
    return all(isinstance(module._buffers.get(name), Tensor) for name in ('running_mean', 'running_var'))


def _disjoint(parts: Sequence[Part]) -> List[Part]:
    seen: set = set()
    for part in parts:
        own = {id(p): p for p in part.parameters if id(p) not in seen}
        part.parameters = list(own.values())
        seen |= own.keys()
    return [part for part in parts if part.parameters]


def draw_anew(part: Part, generator: torch.Generator) -> None:
    """Shuffle the values of each of a part's weights among themselves.

    Every tensor keeps its mean, spread and range, so that activations stay in theirs; what it has learnt, which is
    where each value stands, is gone. A tensor of one value, or of equal ones, stays as it is.
    """
    for parameter in part.parameters:
        order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
        parameter.data.copy_(parameter.data.reshape(-1)[order].view_as(parameter))


@contextlib.contextmanager
def weights_kept(parts: Sequence[Part]) -> Iterator[Callable[[], None]]:
    """Give parts their weights and statistics back when the block ends. Yields a function that does so before."""
    tensors = [p.data for part in parts for p in part.parameters]
    for norm in (norm for part in parts for norm in part.norms):
        tensors += [norm.get_buffer('running_mean'), norm.get_buffer('running_var')]
    kept = [tensor.clone() for tensor in tensors]

    def give_back() -> None:
        for tensor, value in zip(tensors, kept):
            tensor.copy_(value)

    try:
        yield give_back
    finally:
        give_back()


def measure_statistics(parts: Sequence[Part], run: Callable[[], Any]) -> None:
    """Set the statistics of parts' norms to those of what comes in when the network runs: weights have changed.

    What comes into a norm in its last call counts, if it holds several values a channel.
    """

    def measure(module: nn.Module, inputs: Tuple[Any, ...]) -> None:
        values: Tensor = inputs[0].detach()
        by_channel = values.transpose(0, 1).flatten(1).float()
        if by_channel.shape[1] > 1:
            variance, mean = torch.var_mean(by_channel, 1)
            module.get_buffer('running_mean').copy_(mean)
            module.get_buffer('running_var').copy_(variance)

    with contextlib.ExitStack() as undo, torch.no_grad():
        for part in parts:
            for norm in part.norms:
                undo.callback(norm.register_forward_pre_hook(measure).remove)
        run()
