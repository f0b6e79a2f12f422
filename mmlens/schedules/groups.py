"""Parameter groups: which are alike, and what to call them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

from torch import nn
from torch.optim import Optimizer

from ..choices import PARAMS
from ..errors import ModelError
from ..models.outline import count_parameters

_MOST_PARTS = 4
_KINDS = {'weight': 'weights', 'bias': 'biases'}
_NORM_KINDS = {'weight': 'norm weights', 'bias': 'norm biases'}


@dataclass
class Group:
    """Parameter groups of one optimizer that are treated alike throughout a training.

    Attributes:
        settings: The optimizer's own dict for the first of them, which schedulers change.
        names: Full names of their parameters.
        layers: For each name, the layer a layer-wise decay assigns it to; ``None`` without such a decay.
        parameters: Total number of values in the parameters.
    """

    settings: Dict[str, Any]
    names: List[str]
    layers: List[Optional[int]]
    parameters: int


def read_value(settings: Dict[str, Any], param: str) -> float:
    """Read a setting of a parameter group; for Adam and similar optimizers, momentum is the first beta.

    Raises:
        ModelError: If the optimizer has no such setting.
    """
    if param == 'momentum' and 'momentum' not in settings and 'betas' in settings:
        return float(settings['betas'][0])
    if param not in settings:
        known = [name for name in PARAMS if name in settings]
        raise ModelError(f'The optimizer has no {param} to draw; set `param` to {" or ".join(known)}.')
    return float(settings[param])


def merge_alike(optimizer: Optimizer, param: str, model: nn.Module, keep: float = 0) -> List[Group]:
    """Keep one of all groups that start with the same value: schedulers treat them alike.

    Args:
        optimizer: Its list of groups is shortened in place.
        param: The setting to compare.
        model: Provides the parameter names.
        keep: Leave this many groups at the start as they are. Defaults to 0.

    Returns:
        What each remaining group stands for, in order.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    alike: Dict[Any, Group] = {}
    for place, settings in enumerate(optimizer.param_groups):
        # fix_lr: mmpretrain's SimSiamHook holds the learning rate of such a group.
        key = (read_value(settings, param), settings.get('fix_lr'), min(place, keep))
        group = alike.setdefault(key, Group(settings, [], [], 0))
        own = [names.get(id(parameter), '?') for parameter in settings['params']]
        group.names += own
        group.layers += [_layer(settings)] * len(own)
        group.parameters += count_parameters(settings['params'])
    optimizer.param_groups[:] = [group.settings for group in alike.values()]
    return list(alike.values())


def _layer(settings: Dict[str, Any]) -> Optional[int]:
    """The layer as recorded by mmpretrain's and mmdet's constructors for layer-wise decay."""
    if isinstance(settings.get('layer_id'), int):
        return settings['layer_id']
    found = re.match(r'layer_(\d+)_', str(settings.get('group_name', '')))
    return int(found.group(1)) if found else None


def label_groups(groups: Sequence[Group], model: nn.Module, custom_keys: Iterable[str] = ()) -> List[str]:
    """Find a short name for each group.

    Args:
        groups: All of them, so that names can be made distinct.
        model: Tells which parameters belong to norm layers.
        custom_keys: Those in the config's ``paramwise_cfg``.

    Returns:
        One label per group, all distinct: by the layers of a layer-wise decay (``layer 3``), else by custom
        keys (``backbone``), else by kind (``weights``, ``norm layers, biases``).
    """
    if len(groups) == 1:
        return ['all parameters']
    kinds = _kinds(model)
    find_key = _key_finder(custom_keys)
    every_layer = {layer for group in groups for layer in group.layers}
    keyed = [[find_key(name) for name in group.names] for group in groups]
    holders = Counter(key for keys in keyed for key in set(keys))  # how many groups a key's parameters are in
    labels = []
    for group, keys in zip(groups, keyed):
        layers = set(group.layers)
        if None not in layers and layers != every_layer:
            labels.append(_layer_label(sorted(layer for layer in layers if layer is not None)))
        elif None in keys and all(holders[key] == 1 for key in set(keys)):
            labels.append('the rest')
        else:
            words = _simplified([kinds.get(name, name) for name, key in zip(group.names, keys) if key is None])
            labels.append(_join([*sorted({key.strip('.') for key in keys if key}), *words]))
    return _told_apart(labels, groups)


def _kinds(model: nn.Module) -> Dict[str, str]:
    """What each parameter is, by its full name."""
    found = {}
    for prefix, module in model.named_modules():
        words = _NORM_KINDS if 'Norm' in type(module).__name__ else _KINDS
        for name, _ in module.named_parameters(recurse=False):
            full = f'{prefix}.{name}' if prefix else name
            found[full] = words.get(name, name)
    return found


def _simplified(kinds: List[str]) -> List[str]:
    """Each kind once, shortened where all norm-layer parameters or all biases are included."""
    words = set(kinds)
    if {'norm weights', 'norm biases'} <= words:
        words = words - {'norm weights', 'norm biases'} | {'norm layers'}
    if {'biases', 'norm biases'} <= words:
        words = words - {'norm biases'}
    return sorted(words, key=lambda word: (word != 'weights', word))


def _key_finder(custom_keys: Iterable[str]) -> Callable[[str], Optional[str]]:
    """Match as mmengine's constructor does: the longest key contained in the name, the first of equally long ones."""
    by_length = sorted(sorted(custom_keys), key=len, reverse=True)
    return lambda name: next((key for key in by_length if key in name), None)


def _layer_label(layers: List[int]) -> str:
    if len(layers) == 1:
        return f'layer {layers[0]}'
    if layers == list(range(layers[0], layers[-1] + 1)):
        return f'layers {layers[0]} to {layers[-1]}'
    return 'layers ' + _join([str(layer) for layer in layers])


def _told_apart(labels: List[str], groups: Sequence[Group]) -> List[str]:
    """Where labels coincide, add the parts of the model, then a number."""
    twice = {label for label, number in Counter(labels).items() if number > 1}
    tops = [_join(_ordered(name.split('.')[0] for name in group.names)) for group in groups]
    labels = [f'{label} of {top}' if label in twice else label for label, top in zip(labels, tops)]
    seen: Dict[str, int] = Counter()
    told = []
    for label in labels:
        seen[label] += 1
        told.append(label if seen[label] == 1 else f'{label} ({seen[label]})')
    return told


def _ordered(words: Iterable[str]) -> List[str]:
    return list(dict.fromkeys(words))


def _join(parts: List[str]) -> str:
    if len(parts) > _MOST_PARTS:
        parts = [*parts[: _MOST_PARTS - 1], f'{len(parts) - _MOST_PARTS + 1} more']
    return ', '.join(parts)


def combine(groups: Sequence[Group]) -> Group:
    """Merge several groups into one, with the settings of the first."""
    names = [name for group in groups for name in group.names]
    layers = [layer for group in groups for layer in group.layers]
    return Group(groups[0].settings, names, layers, sum(group.parameters for group in groups))
