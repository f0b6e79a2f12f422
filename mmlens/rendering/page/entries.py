"""Results -> what a page knows of a picture: plain numbers and text, and the numbers under which bytes are kept."""

from __future__ import annotations

import hashlib
import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ...errors import MmlensError
from ..colours import Colour, label_colours, text_colour
from ..look import NOTHING_AGAINST, Look, counter_title
from .encoding import Budget, encode_map, encode_picture, range_of

if TYPE_CHECKING:
    from ...results.boxes import BoxExplanation, BoxMap
    from ...results.classes import ClassExplanation
    from ...results.comparison import BoxComparison, BoxPair

# Keeps bytes for the page, and returns the number under which it finds them.
Keep = Callable[[bytes], int]
Record = Dict[str, Any]

SIZES = (('small', 32.0**2), ('medium', 96.0**2), ('large', math.inf))  # COCO's


def entry_of(
    result: Any,
    keep: Keep,
    budget: Budget,
    look: Optional[Record] = None,
    label: str = '',
    known: Optional[int] = None,
) -> Record:
    """What a page knows of the picture of a result.

    Args:
        result: A :class:`~mmlens.BoxExplanation`, :class:`~mmlens.ClassExplanation` or :class:`~mmlens.BoxComparison`,
            or an error of a detector with its maps, as ``ErrorReport.explain`` returns it.
        keep: Keeps the bytes of pictures and maps.
        budget: How many those may be.
        look: ``colormap`` and ``alpha``, where they are not the default ones.
        label: What its maps are called. Defaults to the name of their method.
        known: Number of the picture's bytes, if they have been kept already.

    Returns:
        ``w``, ``h``, ``picture`` (a number of bytes), ``notes``, ``items`` (boxes or classes, each with its ``maps``)
        and ``methods``: the key of a map's method -> how it is told.

    Raises:
        MmlensError: If the result is of another kind.
    """
    maker = _MAKERS.get(_kind_of(result))
    if maker is None:
        raise MmlensError(f'A report shows maps of boxes and classes, and comparisons; not {type(result).__name__}.')
    height, width = result.picture.shape[:2]
    # First the picture: a page shows it as soon as it has arrived.
    data = keep(encode_picture(result.picture, budget)) if known is None else known
    items, methods = maker(result, _Encoder(keep, budget, look or {}, label))
    notes = [] if _kind_of(result) == 'failure' else list(result.notes)
    return dict(w=width, h=height, picture=data, notes=notes, items=items, methods=methods)


def digest_of(picture: np.ndarray) -> str:
    """What tells a picture from others."""
    return hashlib.blake2b(np.ascontiguousarray(picture).data, digest_size=8).hexdigest()


def _kind_of(result: Any) -> str:
    return 'failure' if hasattr(result, 'failure') else getattr(result, 'kind', '')


def place_record(box: Optional[np.ndarray], name: str, colour: Colour) -> Record:
    """Where an item lies, what it is called and in which colour it is drawn."""
    record: Record = dict(name=name, colour=_css(colour), ink=_css(text_colour(colour)), box=None)
    if box is not None:
        edges = [float(edge) for edge in np.nan_to_num(np.asarray(box, np.float64))]
        area = max(edges[2] - edges[0], 0.0) * max(edges[3] - edges[1], 0.0)
        record.update(box=[round(edge, 1) for edge in edges], size=next(name for name, end in SIZES if area < end))
    return record


class _Encoder:
    """Encodes the maps of a result."""

    def __init__(self, keep: Keep, budget: Budget, look: Record, label: str = '') -> None:
        self._keep, self._budget, self._look, self._label = keep, budget, look, label

    def method(self, result: Any, side: str = '') -> Tuple[str, Record]:
        """Key and words of how a result's maps were made."""
        target = getattr(result, 'target', '')
        look = Look.of(result.fusion, self._look.get('colormap'), self._look.get('alpha'))
        name = side or self._label or result.method
        words = [layers_in_words(getattr(result, 'layers', ())), result.fusion]
        own = result.method if name != result.method else ''
        told: Record = dict(
            name=name,
            detail=' · '.join(filter(None, [own, *words, f'of {target}' if target not in ('', 'score') else ''])),
            target=target or 'score',
            side=bool(side),
            colormap=look.colormap,
            alpha=look.alpha,
            rooted=look.rooted,
        )
        return '|'.join([told['name'], told['detail']]), told

    def map(self, each: Any, method: str, rooted: bool, name: str) -> Record:
        """The map of a box or class, and what speaks against it."""
        values = each.normalised  # maps may be made anew each time they are asked for
        low, peak = range_of(each.raw, values)
        record: Record = dict(
            method=method,
            data=self._bytes(values, rooted),
            rooted=rooted,
            low=_short(low),
            peak=_short(peak),
        )
        if each.blank:
            record['blank'] = each.blank
        if each.against:
            record['against'] = each.against
        if each.counter is not None:
            counter = each.counter
            record.update(counter=self._bytes(counter, rooted), counterTitle=counter_title(name, each.against))
            if not counter.any():
                record['counterBlank'] = NOTHING_AGAINST
        return record

    def _bytes(self, values: np.ndarray, rooted: bool) -> int:
        return self._keep(encode_map(values, self._budget, rooted).data)


def _of_boxes(result: BoxExplanation, encoder: _Encoder) -> Tuple[List[Record], Dict[str, Record]]:
    key, told = encoder.method(result)
    colours = label_colours([box.label for box in result])
    items = []
    for box, colour in zip(result, colours):
        item = _box_item(box, colour)
        item['maps'] = [encoder.map(box, key, told['rooted'], box.class_name)]
        items.append(item)
    return _with_keys(items), {key: told}


def _box_item(box: BoxMap, colour: Colour) -> Record:
    item = dict(place_record(box.box, box.class_name, colour), score=_short(box.score), index=box.index)
    if box.candidate is not None:
        own = [round(float(edge), 1) for edge in box.candidate]
        item.update(candidate=own, overlap=_short(box.overlap or 0.0), rank=box.rank)
    return item


def _of_classes(result: ClassExplanation, encoder: _Encoder) -> Tuple[List[Record], Dict[str, Record]]:
    key, told = encoder.method(result)
    colours = label_colours([each.category for each in result])
    items = []
    for each, colour in zip(result, colours):
        item = place_record(None, each.class_name, colour)
        item.update(score=_short(each.score), index=each.rank, rank=each.rank)
        item['maps'] = [encoder.map(each, key, told['rooted'], each.class_name)]
        items.append(item)
    return _with_keys(items), {key: told}


def _of_comparison(result: BoxComparison, encoder: _Encoder) -> Tuple[List[Record], Dict[str, Record]]:
    sides = [encoder.method(side, name) for side, name in zip((result.a, result.b), result.names)]
    colours = label_colours([(pair.a or pair.b).label for pair in result])  # type: ignore[union-attr]
    items = [_pair_item(pair, colour, result.names, sides, encoder) for pair, colour in zip(result, colours)]
    return _with_keys(items), dict(sides)


def _pair_item(
    pair: BoxPair, colour: Colour, names: Sequence[str], sides: Sequence[Tuple[str, Record]], encoder: _Encoder
) -> Record:
    shown = next(box for box, there in zip((pair.a, pair.b), (*pair.found, True)) if box is not None and there)
    item = dict(place_record(shown.box, pair.class_name, colour), index=shown.index)
    item['score'] = _short(max(box.score for box, found in zip((pair.a, pair.b), pair.found) if box and found))
    scores = [
        f'{name} {box.score:.2f}' if box and found else f'{name}: not found'
        for name, box, found in zip(names, (pair.a, pair.b), pair.found)
    ]
    item.update(told=' · '.join(scores), figures={'change': _short(pair.change)})
    if not all(pair.found):
        item['error'] = f'only {names[pair.found.index(True)]}'
    maps = []
    for (key, told), box, found in zip(sides, (pair.a, pair.b), pair.found):
        if box is not None:
            record = encoder.map(box, key, told['rooted'], pair.class_name)
            record['title'] = f'{told["name"]} {box.score:.2f}' + ('' if found else ', not found')
            maps.append(record)
    item['maps'] = maps
    return item


def _of_failure(result: Any, encoder: _Encoder) -> Tuple[List[Record], Dict[str, Record]]:
    """An error, its maps named by the questions that they answer."""
    failure = result.failure
    key, told = encoder.method(result)
    missed = failure.box is None
    name, label = (failure.truth_name, failure.truth_label) if missed else (failure.class_name, failure.label)
    item = place_record(failure.truth if missed else failure.box, name, label_colours([label])[0])
    item.update(index=failure.rank, error=failure.type, missed=missed, sentences=[failure.sentence, *result.notes])
    item['figures'] = {'cost in mAP50': _short(failure.cost)}
    item['maps'] = []
    if not missed:
        item['score'] = _short(failure.score)
        item.update({} if failure.truth is None else truth_record(failure.truth, failure.truth_name))
    if result.candidate is not None:
        item['candidate'] = [round(float(edge), 1) for edge in result.candidate]
    for why in result.maps:
        each = SimpleNamespace(
            raw=why.raw, normalised=why.values, blank=why.blank, against='', counter=why.counter, box=None
        )
        record = encoder.map(each, key, told['rooted'], name)
        record['title'] = ': '.join(filter(None, [why.title, why.question]))
        if why.counter is not None:
            record['counterTitle'] = why.counter_title
        item['maps'].append(record)
    return _with_keys([item]), {key: told}


def truth_record(box: Any, name: str) -> Record:
    """The annotated object that an item is compared with."""
    return dict(truth=[round(float(edge), 1) for edge in box], truthName=name)


def _with_keys(items: List[Record]) -> List[Record]:
    """Give each item the word that its address ends with: its rank where there is one of its own."""
    taken: Dict[str, None] = {}
    for number, item in enumerate(items):
        wish = str(item['index'])
        item['key'] = wish if item['index'] >= 0 and wish not in taken else f'g{number}'
        taken[item['key']] = None
    return items


def layers_in_words(layers: Sequence[str]) -> str:
    """The first few layers."""
    more = len(layers) - 3
    return ', '.join(layers[:3]) + (f' and {more} more' if more > 0 else '')


def _css(colour: Colour) -> str:
    blue, green, red = (int(channel) for channel in colour)
    return f'#{red:02x}{green:02x}{blue:02x}'


def _short(value: float) -> float:
    """Six digits say all that is seen."""
    number = float(value)
    return float(f'{number:.6g}') if math.isfinite(number) else 0.0


_MAKERS: Dict[str, Callable[[Any, _Encoder], Tuple[List[Record], Dict[str, Record]]]] = {
    'box maps': _of_boxes,
    'class maps': _of_classes,
    'a comparison of box maps': _of_comparison,
    'failure': _of_failure,
}
