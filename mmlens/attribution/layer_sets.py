"""Sets of layers that have a name of their own: ``auto``, the last layer of every stride."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from torch import nn

from .fusion import Size
from .layers import written_name
from .tap import observe_outputs
from .tokens import layouts_of
from .trees import tensors_of

AUTO = 'auto'


@dataclass(frozen=True)
class StridedLayer:
    """A layer that returns one map.

    Attributes:
        name: As users write it.
        stride: Pixels of the input a cell is wide and high, as a power of two.
    """

    name: str
    stride: int


def last_of_strides(
    model: nn.Module,
    inside: str,
    run: Callable[[], Any],
    input_size: Size,
    extra_tokens: Optional[int] = None,
) -> List[StridedLayer]:
    """The last layer of every stride within a part of a network, found in one traced pass.

    A layer counts if each of its calls returns one map over the picture, all of the same stride, and it does not lie in
    a block that returns one of another stride: what a block does before it changes the stride is no result. Of those of
    one stride, the one that finishes last is taken, the outermost of blocks that end together. The pass ends where the
    part does: what follows is not run.

    Args:
        model: The network.
        inside: Name of the part, such as ``backbone``; it does not count itself.
        run: Runs the network on a picture.
        input_size: ``(height, width)`` of the input.
        extra_tokens: See :func:`~mmlens.attribution.tokens.layouts_of`.

    Returns:
        One layer a stride, the finest first.
    """
    part = model.get_submodule(inside)
    named = [(f'{inside}.{name}', module) for name, module in part.named_modules() if name]
    kinds = {name: [type(model).__name__, type(part).__name__, type(module).__name__] for name, module in named}
    strides: Dict[str, List[Optional[int]]] = {}

    def note(name: str, output: Any) -> None:
        # Taken out first, so that the order is that of the last call.
        strides[name] = [*strides.pop(name, []), _stride_of(output, input_size, kinds[name], extra_tokens)]

    with observe_outputs(model, named, note), _ended_after(part), contextlib.suppress(_Ended):
        run()
    steady = {name: found[0] for name, found in strides.items() if found[0] is not None and len(set(found)) == 1}
    last = {stride: name for name, stride in steady.items() if not _in_another(name, stride, steady)}
    return [StridedLayer(written_name(last[stride]), stride) for stride in sorted(last)]


def _in_another(name: str, stride: int, strides: Dict[str, int]) -> bool:
    steps = name.split('.')
    around = ('.'.join(steps[:depth]) for depth in range(1, len(steps)))
    return any(strides.get(block, stride) != stride for block in around)


def _stride_of(output: Any, input_size: Size, kinds: List[str], extra_tokens: Optional[int]) -> Optional[int]:
    tensors = [tensor for tensor in tensors_of(output) if tensor.is_floating_point()]
    if len(tensors) != 1:
        return None
    layouts = layouts_of(tensors[0].shape, input_size, kinds, extra_tokens)
    if len(layouts) != 1:
        return None
    h, w = layouts[0](tensors[0]).shape[-2:]
    if min(h, w) < 2:
        return None
    return 2 ** round(math.log2(math.sqrt(input_size[0] * input_size[1] / (h * w))))


@contextlib.contextmanager
def _ended_after(part: nn.Module) -> Iterator[None]:
    def end(module: nn.Module, inputs: Tuple[Any, ...], output: Any) -> None:
        raise _Ended

    handle = part.register_forward_hook(end)
    try:
        yield
    finally:
        handle.remove()


class _Ended(Exception):
    """The part of the network that is looked at has run."""
