"""Under which names a checkpoint keeps the weights of a model: in which of its entries, behind which prefix."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Sequence, Tuple

from torch import Tensor

State = Dict[str, Tensor]
Shapes = Dict[str, Tuple[int, ...]]

# Of several that fit, these are taken first: mmdet's semi-supervised detectors predict with their teacher.
_FIRST = ('', 'detector.', 'model.', 'architecture.', 'teacher.', 'student.')
# Parts of names that DistributedDataParallel and torch.compile add anywhere.
_WRAPPERS = ('module', '_orig_mod')
# Entries of a checkpoint that hold a model's weights, the usual ones first.
_ENTRIES = ('state_dict', 'model', 'model_state_dict')
_BATCHES = 'num_batches_tracked'  # old checkpoints lack it, and nothing is predicted with it


@dataclass(frozen=True)
class Fit:
    """How the weights of a checkpoint fit a model.

    Attributes:
        state: The weights, by the model's names.
        entry: Where in the checkpoint they were; ``''`` if they are all that it holds.
        prefix: What their names began with in the checkpoint.
        lacked: What the model's names begin with, and the checkpoint's do not.
        count: How many of the model's weights have a value of the right shape.
        wanted: How many there are.
        others: Prefixes of other weights that would fit as well.
    """

    state: State
    entry: str = ''
    prefix: str = ''
    lacked: Tuple[str, ...] = ()
    count: int = 0
    wanted: int = 0
    others: Tuple[str, ...] = ()

    @property
    def entire(self) -> bool:
        """Whether the model gets all of its weights."""
        return self.count == self.wanted

    @property
    def moved(self) -> bool:
        """Whether they were elsewhere than OpenMMLab saves them."""
        return bool(self.prefix or self.lacked or self.entry not in ('', 'state_dict'))

    def note(self, checkpoint: str) -> str:
        """A sentence on where the weights were."""
        where = f" in its entry '{self.entry}'" if self.entry not in ('', 'state_dict') else ''
        names = f", whose names begin with '{self.prefix}'," if self.prefix else ''
        if self.lacked:
            names = f", whose names lack the model's {_either(self.lacked)},"
        others = f'; those of {_either(self.others)} fit as well' if self.others else ''
        return f'{checkpoint}: the weights{where}{names} fit the model entirely and were loaded{others}.'

    def hint(self) -> str:
        """A clause on a prefix with which more would fit, for a sentence on what does not."""
        if not self.count or not self.moved:
            return ''
        names = f"'{self.prefix}' stands before its names" if self.prefix else "it is in the entry '" + self.entry + "'"
        if self.lacked:
            names = f'its names lack {_either(self.lacked)}'
        return f'{names}, and {self.count} of {self.wanted} weights fit the model then; '


def states_in(content: Any) -> Dict[str, State]:
    """The weights in a checkpoint, by the entry they are in, the usual one first; ``''`` is the checkpoint itself."""
    if not isinstance(content, dict):
        return {}
    if 'state_dict' not in content and _is_state(content):
        return {'': content}
    found = {name: content[name] for name in _ENTRIES if _is_state(content.get(name))}
    if 'state_dict' in content and 'state_dict' not in found:
        return {}
    found.update({str(name): value for name, value in content.items() if name not in found and _is_state(value)})
    nested = {name: value for name, value in content.items() if isinstance(value, dict) and name not in found}
    for name, inner in nested.items():
        found.update({f'{name}.{key}': value for key, value in inner.items() if _is_state(value)})
    return found


def _is_state(value: Any) -> bool:
    named = isinstance(value, dict) and bool(value) and all(isinstance(key, str) for key in value)
    return named and any(isinstance(one, Tensor) for one in value.values())


def best_fit(states: Dict[str, State], shapes: Shapes) -> Fit:
    """The weights that fit a model best: the first that fit it entirely, else those of which most do.

    Args:
        states: See :func:`states_in`.
        shapes: The shapes of the model's own weights by their names.
    """
    fits: List[Fit] = []
    for entry, state in states.items():
        plain = without_wrappers(state, shapes)
        found = [_fit(plain, entry, prefix, shapes) for prefix in _prefixes(plain, shapes)]
        lacked = _lacked(plain, shapes)
        if lacked:
            found.append(_fit_without(plain, entry, lacked, shapes))
        fits += found
        if any(fit.entire for fit in found):
            break
    entire = [fit for fit in fits if fit.entire]
    if not entire:
        return max(fits, key=lambda fit: fit.count)
    others = tuple(fit.prefix for fit in entire[1:] if fit.prefix)
    return replace(entire[0], others=others)


def without_wrappers(state: State, shapes: Shapes) -> State:
    """A state without what DistributedDataParallel and torch.compile put into its names."""
    if any(part in _WRAPPERS for name in shapes for part in name.split('.')):
        return state
    return _renamed(state, lambda name: '.'.join(part for part in name.split('.') if part not in _WRAPPERS))


def _renamed(state: State, rename: Any) -> State:
    renamed: Any = OrderedDict((rename(name), value) for name, value in state.items())
    metadata = getattr(state, '_metadata', None)  # modules read the version of their weights in it
    if metadata is not None:
        renamed._metadata = type(metadata)((rename(name), value) for name, value in metadata.items())
    return renamed


def _prefixes(state: State, shapes: Shapes) -> List[str]:
    """What names in a state may begin with that the model's do not; ``''`` is always one."""
    found: Dict[str, None] = {'': None}
    weights = [name for name in shapes if not name.endswith(_BATCHES)]
    for own in weights[:1] + weights[-1:]:
        found.update(dict.fromkeys(name[: -len(own)] for name in state if name.endswith(f'.{own}')))
    return sorted(found, key=lambda prefix: _FIRST.index(prefix) if prefix in _FIRST else len(_FIRST))


def _fit(state: State, entry: str, prefix: str, shapes: Shapes) -> Fit:
    chosen = {name: value for name, value in state.items() if name.startswith(prefix)}
    plain = _renamed(chosen, lambda name: name[len(prefix) :]) if prefix else state
    count, wanted = _counted(plain, shapes)
    return Fit(plain, entry, prefix, (), count, wanted)


def _lacked(state: State, shapes: Shapes) -> Tuple[str, ...]:
    """The first part of the model's names, where a state has them all without it: ``('detector.',)`` of a tracker."""
    firsts = {name: name.partition('.')[::2] for name in shapes}
    if not shapes or any(name in state for name in shapes):
        return ()
    return tuple(dict.fromkeys(f'{first}.' for first, rest in firsts.values() if rest in state))


def _fit_without(state: State, entry: str, lacked: Tuple[str, ...], shapes: Shapes) -> Fit:
    full = {f'{first}{name}': value for first in lacked for name, value in state.items()}
    count, wanted = _counted(full, shapes)
    return Fit(full, entry, '', lacked, count, wanted)


def _counted(state: State, shapes: Shapes) -> Tuple[int, int]:
    wanted = {name: shape for name, shape in shapes.items() if not name.endswith(_BATCHES)}
    return sum(
        isinstance(state.get(name), Tensor) and tuple(state[name].shape) == shape for name, shape in wanted.items()
    ), len(wanted)


def _either(prefixes: Sequence[str]) -> str:
    return ' and '.join(f"'{prefix}'" for prefix in prefixes)
