"""What is known of a picture's boxes: which are wrong by the annotations, what was missed, and what was measured."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from ..metrics import error_types
from ..rendering import label_colours
from ..rendering.page.entries import place_record, truth_record

Record = Dict[str, Any]

# A box x1, y1, x2, y2 in picture pixels, and the name of its class.
Object = Tuple[Sequence[float], str]


def judge(items: List[Record], objects: Sequence[Object]) -> List[Object]:
    """Say of each detection what is wrong with it, in place, and add the objects that were missed.

    Args:
        items: Of a picture; those that were not detected are left as they are.
        objects: All annotated objects.

    Returns:
        Those that were missed.
    """
    found = [item for item in items if item.get('box') is not None and item['index'] >= 0]
    number = {name: n for n, name in enumerate(sorted({*(item['name'] for item in found), *(n for _, n in objects)}))}
    truths = np.array([box for box, _ in objects], np.float64).reshape(-1, 4)
    errors = error_types(
        np.array([item['box'] for item in found], np.float64).reshape(-1, 4),
        [number[item['name']] for item in found],
        [item.get('score', 0.0) for item in found],
        truths,
        [number[name] for _, name in objects],
    )
    for item, kind, truth in zip(found, errors.types, errors.truths):
        if kind is not None:
            item['error'] = kind
        if kind and truth is not None:
            item.update(truth_record(*objects[truth]))
    missed = [objects[n] for n in errors.missed]
    colours = {item['name']: (item['colour'], item['ink']) for item in items}
    for n, (box, name) in enumerate(missed):
        item = place_record(np.asarray(box), name, label_colours([number[name]])[0])
        if name in colours:
            item['colour'], item['ink'] = colours[name]
        items.append(dict(item, index=-1, key=f'missed{n}', error='missed', missed=True, maps=[]))
    return missed


def known_values(given: Mapping[str, Any]) -> Record:
    """The numbers, and lists of numbers, that are known: all finite, as plain floats."""
    plain = {name: np.asarray(value, np.float64) for name, value in given.items() if value is not None}
    return {name: value.tolist() for name, value in plain.items() if np.isfinite(value).all()}
