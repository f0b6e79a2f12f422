"""The key of a sheet of a sample: one colour per class on all its pictures, and the names behind them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Dict, Sequence

import cv2
import numpy as np

from .colours import PAPER, Colour, label_colours
from .key import key_strip
from .predicted import VOID
from .sheets import MARGIN

if TYPE_CHECKING:
    from ..results.samples import SampleSteps, Step, View

# With more boxes than this, boxes are labelled with class numbers, and the key has the names.
MOST_NAMES = 8
# With still more boxes, tags would hide the picture.
_MOST_NUMBERS = 80
_MOST_COUNTS = 5

_IGNORED: Colour = (150, 150, 150)
_UNKNOWN: Colour = (255, 255, 255)


class Key:
    """One colour per class for the whole sheet, and the names behind numbers and colours.

    Args:
        sample: Has the names of the classes.
        labels: The classes on the sheet.
        used: Whether the sheet needs the key.
    """

    def __init__(self, sample: SampleSteps, labels: Sequence[int], used: bool) -> None:
        self._sample = sample
        self._colours: Dict[int, Colour] = dict(zip(labels, label_colours(labels)))
        self.used = used and bool(labels)

    @classmethod
    def of(cls, sample: SampleSteps, steps: Sequence[Step]) -> Key:
        """The key to all that is drawn of these steps."""
        views = [view for step in steps for view in step.views]
        labels = {int(label) for view in views for label in view.labels}
        segments = {int(label) for view in views if view.seg_map is not None for label in np.unique(view.seg_map)}
        crowded = any(len(view.boxes) > MOST_NAMES for view in views)
        return cls(sample, sorted((labels | segments) - {-1, VOID}), crowded or bool(segments))

    def colour(self, label: int, ignored: bool) -> Colour:
        """Colour of a class; grey for boxes that are ignored."""
        return _IGNORED if ignored else self._colours.get(label, _UNKNOWN)

    def tag(self, view: View, number: int) -> str:
        """The label of a box."""
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
        entries = [(f'{label} {self._sample.name_of(label)}', colour) for label, colour in self._colours.items()]
        strip = key_strip(entries, width, MARGIN)
        return cv2.copyMakeBorder(strip, 0, MARGIN, 0, 0, cv2.BORDER_CONSTANT, value=PAPER)
