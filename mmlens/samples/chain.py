"""Put the calls of a recording in order: the path of the sample, and of the pictures mixed into it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from ..models.pixels import Window
from ..results.samples import Branch, Step, View
from .naming import names_of_views
from .pictures import Colours
from .recording import Call
from .states import State, same
from .views import Frame, views_of

Within = Tuple[str, ...]


@dataclass
class Way:
    """What happened to one picture.

    Attributes:
        steps: What each transform left.
        states: The same, as copied, with what the transforms noted about the geometry.
        colours: How to read the values of the next array.
        frame: Where the annotations lie.
        rejected: Transforms that returned nothing, so the dataset had to try again.
    """

    steps: List[Step]
    states: List[State]
    colours: Colours
    frame: Frame
    rejected: List[str]

    @property
    def path(self) -> str:
        """The picture's file; empty if unknown."""
        found = [state.meta['img_path'] for state in self.states if state.meta.get('img_path')]
        return str(found[0]) if found else ''


def way_of_sample(call: Call, window: Optional[Window] = None) -> Way:
    """Follow a sample through the transforms of its dataset and the wrappers around it.

    Args:
        call: The outermost dataset's call for the sample.
        window: See :func:`~mmlens.models.pixels.as_bytes`.
    """
    way = _new_way(leaf_of(call), window)
    _follow_dataset(call, way)
    return way


def leaf_of(call: Call) -> Any:
    """The innermost dataset that the sample comes from."""
    parts = [each for each in call.calls if each.of_dataset]
    return leaf_of(parts[0]) if parts else call.subject


def _new_way(dataset: Any, window: Optional[Window]) -> Way:
    return Way([], [], Colours(window=window), Frame(original=bool(getattr(dataset, 'test_mode', False))), [])


def _follow_dataset(call: Call, way: Way) -> None:
    parts = [each for each in call.calls if each.of_dataset]
    if not parts:
        # After a transform returned nothing, the dataset started over with another sample.
        rejecting = [n for n, each in enumerate(call.calls) if each.returned is None]
        way.rejected += [call.calls[n].name for n in rejecting]
        calls = call.calls[rejecting[-1] + 1 if rejecting else 0 :]
        if calls and calls[0].before:
            _append(way, call.name, (), calls[0].before)
        for each in calls:
            _follow(each, way, ())
        return
    # A wrapper requests the sample first; whatever it requests later is mixed in by its own next transform.
    _follow_dataset(parts[0], way)
    others: List[Call] = []
    for each in call.calls[call.calls.index(parts[0]) + 1 :]:
        if each.of_dataset:
            others += [each] if each.returned is not None else []
        elif each.returned is None:
            way.rejected.append(each.name)
        else:
            _follow(each, way, (), others)
            others = []


def _chains(calls: Sequence[Call]) -> List[List[Call]]:
    """Group calls by the results they hand on to each other."""
    chains: List[List[Call]] = []
    for call in calls:
        for chain in reversed(chains):
            if call.given is chain[-1].returned:
                chain.append(call)
                break
        else:
            chains.append([call])
    return chains


def _follow(call: Call, way: Way, within: Within, mixed: Sequence[Call] = ()) -> None:
    """Append what a transform left, after what the transforms it called left of the same picture."""
    own: List[Call] = []
    apart: List[List[Call]] = []
    # The last ones requested are mixed in: a wrapper asks again if one is rejected.
    branches = [_branch_of_dataset(each, way.colours.window) for each in mixed[len(mixed) - call.mixed :]]
    for chain in _chains(call.calls):
        if chain[0].given is call.given and not own:
            own = chain
        elif chain[-1].returned is not None:
            apart.append(chain)
    names = names_of_views(apart, way.states) if call.left and len(call.left.items) == len(apart) > 1 else []
    for n, chain in enumerate(apart):
        branches.append(_branch_of_calls(chain, way, names[n] if names else ''))
    if not branches:  # otherwise its own transforms have processed them further
        branches = [_branch_of_cache(state, way) for state in call.cached]
    before = len(way.steps)
    for each in own:
        _follow(each, way, (*within, call.name))
    way.colours = way.colours.after(call.subject)
    if call.left is None:
        return
    found = tuple(branch for branch in branches if branch.steps)
    if found or len(way.steps) == before or not same(call.left, way.states[-1]):
        _append(way, call.name, within, call.left, found)


def _append(way: Way, name: str, within: Within, state: State, branches: Tuple[Branch, ...] = ()) -> None:
    way.colours = way.colours.of(state.items[0].image)
    way.frame = way.frame.after(state, way.states)
    views = _joined(views_of(state, way.colours, way.frame), branches)
    changed = not way.states or not same(state, way.states[-1])
    way.steps.append(Step(name, within, views, changed, branches, way.frame.notes_of(len(way.steps))))
    way.states.append(state)


def _joined(views: Tuple[View, ...], branches: Tuple[Branch, ...]) -> Tuple[View, ...]:
    """The views of a step that collects branches as several pictures: each as its branch left it."""
    if len(views) < 2 or len(branches) != len(views):
        return views
    ends = [branch.steps[-1].views[0] for branch in branches]
    return tuple(
        replace(
            end if end.shape == view.shape and np.array_equal(end.picture, view.picture) else view, name=branch.name
        )
        for view, end, branch in zip(views, ends, branches)
    )


def _branch_of_dataset(call: Call, window: Optional[Window]) -> Branch:
    way = way_of_sample(call, window)
    return Branch(way.path, tuple(way.steps))


def _branch_of_calls(chain: Sequence[Call], parent: Way, name: str) -> Branch:
    way = replace(parent, steps=[], states=[], rejected=[])
    for call in chain:
        _follow(call, way, ())
    return Branch(way.path, tuple(way.steps), name)


def _branch_of_cache(state: State, parent: Way) -> Branch:
    way = replace(parent, steps=[], states=[], rejected=[])
    _append(way, 'from the cache', (), state)
    return Branch(way.path, tuple(way.steps))


def rejections(way: Way) -> Optional[str]:
    """A sentence on what was rejected before the sample came through; ``None`` if nothing was."""
    if not way.rejected:
        return None
    names = ', '.join(dict.fromkeys(way.rejected))
    return f'rejected before this sample came through: {len(way.rejected)} (by {names})'
