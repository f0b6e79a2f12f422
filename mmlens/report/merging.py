"""Several results of one picture: the same boxes and classes are found again, and get one more map."""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Optional, Sequence

import numpy as np

from ..metrics import iou

Record = Dict[str, Any]

SAME_IOU = 0.9  # another method's own pass may move an edge by a rounding error


def merge_items(items: List[Record], new: Sequence[Record]) -> None:
    """Add the items of another result to those of a picture, in place.

    What has the same class and lies at the same place gets the maps of the new one; the rest is added under keys that
    are not taken.
    """
    unclaimed = list(items)
    for item in new:
        same = find_item(unclaimed, item['name'], item.get('box'), {each['method'] for each in item['maps']})
        if same is None:
            taken = {each['key'] for each in items}
            if item['key'] in taken:
                item['key'] = next(key for key in (f'{item["key"]}-{n}' for n in range(2, 10**6)) if key not in taken)
            items.append(item)
            continue
        unclaimed.remove(same)
        same['maps'] += item['maps']
        same.setdefault('figures', {}).update(item.get('figures', {}))
        for name in ('candidate', 'overlap', 'rank', 'told', 'sentences'):
            if name in item:
                same.setdefault(name, item[name])


def find_item(
    items: Sequence[Record], name: str, box: Optional[Sequence[float]], methods: Collection[str] = ()
) -> Optional[Record]:
    """The item of a class at a place that has no map of these methods yet; ``None`` if there is none."""
    alike = [each for each in items if each['name'] == name and not {m['method'] for m in each['maps']} & set(methods)]
    if box is None:
        return next((each for each in alike if each.get('box') is None), None)
    alike = [each for each in alike if each.get('box') is not None]
    if not alike:
        return None
    overlaps = iou(np.asarray(box, np.float64), np.array([each['box'] for each in alike], np.float64))
    best = int(overlaps.argmax())
    # A box without an area overlaps nothing, not even itself.
    same = overlaps[best] >= SAME_IOU or alike[best]['box'] == list(box)
    return alike[best] if same else None
