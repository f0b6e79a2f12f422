"""Names of the pictures that one transform makes of a sample: what was done to each and not to the others."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

import numpy as np

from .recording import Call
from .states import State

Words = List[str]


def names_of_views(chains: Sequence[Sequence[Call]], before: Sequence[State]) -> List[str]:
    """Name pictures by what the transforms noted about them, or else by the transforms that differ.

    Args:
        chains: The calls that made each picture.
        before: What the steps before left.

    Returns:
        A name each, such as ``'640 × 640, flipped horizontally'``; empty where nothing tells them apart.
    """
    noted = [_noted(chain, before) for chain in chains]
    names = _told_apart(noted)
    if len(set(names)) < len(names):
        names = _told_apart([[*one, *other] for one, other in zip(noted, _transforms(chains))])
    return names


def _told_apart(words: Sequence[Words]) -> List[str]:
    """What is said of each, without what is said of all."""
    return [', '.join(word for word in own if any(word not in other for other in words)) for own in words]


def _noted(chain: Sequence[Call], before: Sequence[State]) -> Words:
    """What Resize and RandomFlip noted: the content's size, and whether it was flipped."""
    states = [call.left for call in chain if call.left]
    meta = _last_notes(states)
    words = []
    if before and meta.get('scale_factor') is not None:
        height, width = before[0].items[0].size
        x, y = np.broadcast_to(np.asarray(meta['scale_factor'], np.float64).ravel()[:2], 2)
        words.append(f'{width * x:.0f} × {height * y:.0f}')
    if meta.get('flip') is not None:
        directions = dict(horizontal='horizontally', vertical='vertically', diagonal='both ways')
        direction = directions.get(str(meta.get('flip_direction')), '')
        words.append(f'flipped {direction}'.strip() if meta['flip'] else 'not flipped')
    return words


def _last_notes(states: Sequence[State]) -> Dict[str, Any]:
    """The notes of all states together: packing keeps those alone that ``meta_keys`` lists."""
    return {key: value for state in states for key, value in state.meta.items() if value is not None}


def _transforms(chains: Sequence[Sequence[Call]]) -> List[Words]:
    """The transforms of each picture but for flips, which are noted; those of the same name with what differs."""
    settings: Dict[str, List[Dict[str, Any]]] = {}
    for chain in chains:
        for call in chain:
            settings.setdefault(call.name, []).append(_settings(call.subject))
    differing = {
        name: [key for key in each[0] if any(other.get(key) != each[0][key] for other in each)]
        for name, each in settings.items()
    }
    return [
        [_with_settings(call, differing[call.name]) for call in chain if 'Flip' not in call.name] for chain in chains
    ]


def _with_settings(call: Call, keys: Sequence[str]) -> str:
    own = _settings(call.subject)
    return ' '.join([call.name, *(f'{key}={own[key]}' for key in keys if key in own)])


def _settings(transform: Any) -> Dict[str, Any]:
    """What a transform was set to: numbers and texts alone."""
    values = getattr(transform, '__dict__', {}).items()
    return {key: value for key, value in values if isinstance(value, (bool, int, float, str)) and key[0] != '_'}
