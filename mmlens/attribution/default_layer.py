"""Which layer of a classifier to look at by default, found from what the network does."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from ..errors import LayerError
from .layers import written_name
from .tap import Tap, observe_outputs
from .trees import map_tensors, tensors_of

# How many layers are tried, a pass each, where the last norm layer lies on one of several paths.
_TRIES = 16


class DefaultLayer(NamedTuple):
    """The layer that is looked at by default.

    Attributes:
        name: As users write it.
        counts: Whether the prediction depends on its cells. Where it depends on those of no layer, as with a head that
            is still all zeros, that is the last norm layer over the picture, and another once the head has learned.
        note: Why it is a guess; empty where it is not.
    """

    name: str
    counts: bool
    note: str = ''


def find_default_layer(
    model: nn.Module,
    inside: Sequence[str],
    run: Callable[[], Tensor],
    input_size: Tuple[int, int],
    extra_tokens: Optional[int] = None,
) -> DefaultLayer:
    """The last layer over the picture that all of the prediction comes through, as far as there is one.

    First the last norm layer that lies over the picture and whose cells the prediction depends on is found. Where it
    lies on one of several paths, in a residual block or a branch, the smallest block around it that lies on all of them
    is taken, else the last such layer. Where the head reads a class token, patches reach it through the last attention
    layer at the latest: then it is the norm before that one.

    Args:
        model: A classifier.
        inside: Names of the children to look in, such as ``('backbone', 'neck')``.
        run: Runs the model on a picture and returns logits (1, n).
        input_size: ``(height, width)`` of the input.
        extra_tokens: See :func:`~mmlens.attribution.tokens.layouts_of`.

    Raises:
        LayerError: If no layer lies over the picture.
    """
    return _Search(model, inside, run, input_size, extra_tokens).find()


class _Search:
    def __init__(
        self,
        model: nn.Module,
        inside: Sequence[str],
        run: Callable[[], Tensor],
        input_size: Tuple[int, int],
        extra_tokens: Optional[int],
    ) -> None:
        self._model, self._run, self._size, self._extra = model, run, input_size, extra_tokens
        self._inside = [name for name in inside if isinstance(getattr(model, name, None), nn.Module)]
        self._modules = {
            f'{part}.{name}': module
            for part in self._inside
            for name, module in getattr(model, part).named_modules()
            if name
        }
        self._order, self._shapes = self._observed()
        self._known: Dict[str, Optional[bool]] = {}
        self._graph_ends = False  # in a part that runs without gradients

    def find(self) -> DefaultLayer:
        order = [name for name in reversed(self._order) if _is_norm(self._modules[name])]
        lying: List[str] = []
        unread = ''
        for name in order:
            if self._counts(name):
                return self._on_all_paths(name, behind_token=bool(lying), unread=unread)
            if self._known[name] is not None:
                lying.append(name)
            elif not unread and any(map(_may_be_cells, self._shapes[name])):
                unread = name
        if lying and self._graph_ends:
            around = (block for block in self._around(lying[0]) if self._counts(block) is not None)
            return DefaultLayer(written_name(next(around, lying[0])), False, self._why_guessed())
        if lying:
            return DefaultLayer(written_name(lying[0]), False)
        last = self._last_of_all(list(reversed(self._order)))
        if last is None:
            names = ' and '.join(f"'{part}'" for part in self._inside)
            raise LayerError(f'No layer of {names} lies over the picture: name one with `layers`.')
        return DefaultLayer(written_name(last), True)

    def _observed(self) -> Tuple[List[str], Dict[str, List[Tuple[int, ...]]]]:
        """All modules in the order in which they end last, and the shapes of what they return."""
        shapes: Dict[str, List[Tuple[int, ...]]] = {}

        def note(name: str, output: Any) -> None:
            shapes[name] = [*shapes.pop(name, []), *(tuple(tensor.shape) for tensor in tensors_of(output))]

        with observe_outputs(self._model, list(self._modules.items()), note):
            self._run()
        return list(shapes), shapes

    def _counts(self, name: str) -> Optional[bool]:
        """Whether the prediction depends on a layer's cells; ``None`` if it has none over the picture."""
        if name not in self._known:
            self._known[name] = self._dependence(name)
        return self._known[name]

    def _dependence(self, name: str) -> Optional[bool]:
        with Tap(self._model, {name: self._modules[name]}) as tap:
            logits = self._run()
            try:
                levels = tap.levels(self._size, self._extra)
            except LayerError:
                return None  # after pooling, or of no shape that makes a grid
            if not logits.requires_grad:
                self._graph_ends = True
                return False
            gradients = torch.autograd.grad(logits.max(), [level.tensor for level in levels], allow_unused=True)
            return any(g is not None and bool(level.layout(g).any()) for level, g in zip(levels, gradients))

    def _on_all_paths(self, norm: str, behind_token: bool, unread: str) -> DefaultLayer:
        """The norm layer, or what lies on all paths in its place."""
        written, why = written_name(norm), ''
        if unread:
            # Later norms work on tokens that are laid out otherwise; the blocks that they are in may not.
            after = self._order[self._order.index(norm) + 1 :]
            later = None if behind_token else self._last_of_all(list(reversed(after)))
            if later is not None:
                return DefaultLayer(written_name(later), True)
            why = (
                f"The default layer '{written}' is a guess: what later norm layers return, such as "
                f"'{written_name(unread)}', makes no grid over the input; name one with `layers`."
            )
        guessed = (
            f"The default layer '{written}' is a guess: it is one of several parallel branches, and no layer lies on "
            'all paths from the picture to the prediction; name some with `layers`.'
        )
        if behind_token:
            # A class token goes past the patches in every transformer, and no cell of a map could show it. But what
            # comes just before lies on all paths, unless there are other branches.
            before = self._last_of_all(list(reversed(self._order[: self._order.index(norm)])), _TRIES // 4)
            return DefaultLayer(written, True, why or ('' if before else guessed))
        if self._is_on_all_paths(norm):
            return DefaultLayer(written, True, why)
        last = self._last_of_all(self._around(norm) + list(reversed(self._order)))
        if last is not None:
            return DefaultLayer(written_name(last), True, why)
        return DefaultLayer(written, True, why or guessed)

    def _around(self, name: str) -> List[str]:
        """The blocks around a layer that run as a whole, the smallest first."""
        steps = name.split('.')
        around = ('.'.join(steps[:depth]) for depth in range(len(steps) - 1, 1, -1))
        return [block for block in around if block in self._shapes]

    def _last_of_all(self, names: Sequence[str], tries: int = _TRIES) -> Optional[str]:
        """The first of some layers that counts and lies on all paths."""
        tried = 0
        for name in dict.fromkeys(names):
            if tried == tries:
                return None
            if self._counts(name):
                tried += 1
                if self._is_on_all_paths(name):
                    return name
        return None

    def _is_on_all_paths(self, name: str) -> bool:
        """Whether nothing of the picture reaches the prediction past a layer: with it cut, no gradient returns."""
        starts: List[Tensor] = []

        def begin(module: nn.Module, args: Any, kwargs: Any) -> Any:
            return map_tensors(start, args), map_tensors(start, kwargs)

        def start(tensor: Tensor) -> Tensor:
            if not tensor.is_floating_point():
                return tensor
            starts.append(tensor.detach().clone().requires_grad_())
            return starts[-1].clone()  # the network may work in place on its input

        def cut(module: nn.Module, args: Any, output: Any) -> Any:
            return map_tensors(lambda tensor: tensor.detach().clone(), output)

        with Tap(self._model, {}), contextlib.ExitStack() as hooks:
            part = getattr(self._model, self._inside[0])
            hooks.callback(part.register_forward_pre_hook(begin, with_kwargs=True).remove)
            hooks.callback(self._modules[name].register_forward_hook(cut).remove)
            logits = self._run()
            if not logits.requires_grad:
                return True
            gradients = torch.autograd.grad(logits.max(), starts, allow_unused=True)
            return not any(g is not None and bool(g.any()) for g in gradients)

    def _why_guessed(self) -> str:
        return (
            'The default layer is a guess: a part of the network runs without gradients, which would tell what the '
            'prediction depends on; name one with `layers`.'
        )


def _may_be_cells(shape: Tuple[int, ...]) -> bool:
    """Whether a tensor may hold tokens that lie over the picture in a way that is not known: several, in rows."""
    return (len(shape) == 3 and min(shape[1:]) > 6) or (len(shape) == 2 and shape[0] > 1)


def _is_norm(module: nn.Module) -> bool:
    return 'norm' in type(module).__name__.lower() and not any(True for _ in module.children())
