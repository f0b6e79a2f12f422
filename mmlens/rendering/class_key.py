"""The key of a sheet: one colour a class on all of its pictures, and the names behind colours and numbers."""

from __future__ import annotations

from collections import Counter
from typing import Dict, Sequence

import numpy as np

from ..results.samples import SampleSteps, Step, View
from .colours import INK, PAPER, Colour, label_colours
from .sheets import MARGIN
from .text import put_text, shorten, text_size

# With more boxes than this, the boxes of a picture bear the numbers of their classes, and the key the names.
MOST_NAMES = 8
# With still more boxes, tags would hide the picture.
_MOST_NUMBERS = 80
_MOST_COUNTS = 5
VOID = 255  # no class, in segmentation maps

_LETTERS, _CHIP = 13, 12
_IGNORED: Colour = (150, 150, 150)
_UNKNOWN: Colour = (255, 255, 255)


class Key:
    """One colour a class for the whole sheet, and the names behind numbers and colours.

    Args:
        sample: Knows the classes' names.
        labels: The classes on the sheet.
        used: Whether the sheet needs the key drawn.
    """

    def __init__(self, sample: SampleSteps, labels: Sequence[int], used: bool) -> None:
        self._sample = sample
        self._colours: Dict[int, Colour] = dict(zip(labels, label_colours(labels)))
        self.used = used and bool(labels)

    @classmethod
    def of(cls, sample: SampleSteps, steps: Sequence[Step]) -> Key:
        """The key to everything that is drawn of some steps."""
        views = [view for step in steps for view in step.views]
        labels = {int(label) for view in views for label in view.labels}
        segments = {int(label) for view in views if view.seg_map is not None for label in np.unique(view.seg_map)}
        crowded = any(len(view.boxes) > MOST_NAMES for view in views)
        return cls(sample, sorted((labels | segments) - {-1, VOID}), crowded or bool(segments))

    def colour(self, label: int, ignored: bool) -> Colour:
        """Colour of a class; grey for boxes that are ignored."""
        return _IGNORED if ignored else self._colours.get(label, _UNKNOWN)

    def tag(self, view: View, number: int) -> str:
        """What a box is labelled with."""
        label = int(view.labels[number])
        if label < 0 or len(view.boxes) > _MOST_NUMBERS:
            return ''
        name = str(label) if len(view.boxes) > MOST_NAMES else self._sample.name_of(label)
        return f'{name} (ignored)' if view.ignored[number] else name

    def counts(self, view: View) -> str:
        """How many boxes there are of the most frequent classes: ``3 cat, 1 dog``."""
        counted = Counter(int(label) for label in view.labels).most_common()
        named = [f'{number} {self._sample.name_of(label)}' for label, number in counted[:_MOST_COUNTS]]
        others = sum(number for _, number in counted[_MOST_COUNTS:])
        return ', '.join([*named, *([f'{others} others'] if others else [])])

    def draw(self, width: int) -> np.ndarray:
        """The key as a strip of this width: chip, number and name of each class."""
        texts = [f'{label} {self._sample.name_of(label)}' for label in self._colours]
        texts = [shorten(text, _LETTERS, width - 2 * MARGIN - 2 * _CHIP) for text in texts]
        x, y, places = MARGIN, 0, []
        height = text_size('', _LETTERS)[1]
        for text in texts:
            step = _CHIP + 6 + text_size(text, _LETTERS)[0]
            if x > MARGIN and x + step > width - MARGIN:
                x, y = MARGIN, y + height + 4
            places.append((x, y))
            x += step + MARGIN
        strip = np.full((y + height + MARGIN, width, 3), PAPER, np.uint8)
        for (x, y), text, colour in zip(places, texts, self._colours.values()):
            strip[y + 2 : y + 2 + _CHIP, x : x + _CHIP] = INK
            strip[y + 3 : y + 1 + _CHIP, x + 1 : x + _CHIP - 1] = colour
            put_text(strip, text, (x + _CHIP + 6, y), _LETTERS)
        return strip
