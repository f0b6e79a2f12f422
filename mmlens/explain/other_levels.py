"""Targets that no gradient connects with the named layers: where they come from, or where the gradient ends."""

from __future__ import annotations

from typing import Dict, List, Sequence

from torch import nn

from ..attribution.attribute import SATURATED, Attribution, gradients_at
from ..attribution.graph import depends_on
from ..attribution.layers import parse_layer_name, resolve_layer, resolve_layers
from ..attribution.tap import Level, Tap
from ..attribution.vanishing import where_gradients_vanish
from ..errors import LayerError
from .targets import Targets, quoted


def tell_other_levels(targets: Targets, maps: Sequence[Attribution], layers: Sequence[str]) -> None:
    """Correct the reasons of maps that are blank because the target comes through a layer beside the named ones.

    Args:
        targets: What was asked.
        maps: The map of each target; those that no gradient reached may get another reason.
        layers: Names of the layers.
    """
    blank = [position for position, one in enumerate(maps) if one.unreached and one.blank]
    beside = _beside(targets.network.model, layers) if blank else []
    # A layer of the head may be of the right level, and off the path for another reason.
    whole = [name for name in targets.network.default_layers if all(layer.startswith(f'{name}.') for layer in layers)]
    for names in (beside, whole):
        told = _reached(targets, blank, names, layers) if blank and names else {}
        for position, which in told.items():
            maps[position].blank = f'the box comes from another level, {which}; choose that layer, or the neck'
        blank = [position for position in blank if position not in told]


def tell_where_gradients_vanish(targets: Targets, maps: Sequence[Attribution], layers: Dict[str, nn.Module]) -> None:
    """Correct the reasons of maps that no gradient reached although the target comes through the layers.

    Args:
        targets: What was asked.
        maps: The map of each target.
        layers: The layers, by name.
    """
    vanished = [n for n, one in enumerate(maps) if one.unreached and one.blank and one.blank.endswith(SATURATED)]
    if not vanished:
        return
    for position, why in where_gradients_vanish(targets.network.model, layers, targets.scalars, vanished).items():
        maps[position].blank = f'no gradient reaches {quoted(list(layers))}: {why}'


def _reached(targets: Targets, positions: Sequence[int], names: Sequence[str], layers: Sequence[str]) -> Dict[int, str]:
    """For each of some targets that come through some of these names beside the layers: which."""
    found: Dict[int, str] = {}
    try:
        model = targets.network.model
        with Tap(model, {**resolve_layers(model, layers), **resolve_layers(model, names)}) as tap:
            scalars = targets.scalars(tap)
            own = [tensor for name in layers for tensor in tap.outputs_of(name)]
            levels = tap.levels(targets.prepared.input_size, targets.extra_tokens)
            # What follows the layers is no other level.
            levels = [level for level in levels if level.layer in names and not depends_on(level.tensor, own)]
            for position in positions:
                gradients = gradients_at(scalars[position], levels, keep_graph=True)
                reached = [level for level, gradient in zip(levels, gradients) if gradient is not None]
                if reached:
                    found[position] = _listed(reached, levels)
    except LayerError:  # one of these does not run, or returns no map
        pass
    return found


def _listed(reached: Sequence[Level], levels: Sequence[Level]) -> str:
    if all(sum(other.layer == level.layer for other in levels) == 1 for level in reached):
        return f'that of {quoted([level.layer for level in reached])}'
    grids = [
        f"{level.index + 1} of '{level.layer}' ({' x '.join(map(str, level.activation.shape[2:]))} cells)"
        for level in reached
    ]
    return 'number ' + ' and '.join(grids)


def _beside(model: nn.Module, layers: Sequence[str]) -> List[str]:
    """Names of the other entries of the lists that the named layers are in."""
    found: List[str] = []
    for name in layers:
        steps = parse_layer_name(name)
        if len(steps) < 2 or not steps[-1].lstrip('-').isdecimal():
            continue
        around = name[: name.rindex('[')] if name.endswith(']') else name.rpartition('.')[0]
        own = resolve_layer(model, name)
        entries = resolve_layer(model, around)._modules.values()
        found += [f'{around}[{index}]' for index, each in enumerate(entries) if each is not None and each is not own]
    return [name for name in dict.fromkeys(found) if name not in layers]
