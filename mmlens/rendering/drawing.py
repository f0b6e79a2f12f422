"""What drawing made: the picture, and what lies where in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Iterable, List, Optional, Tuple, Union

import cv2
import numpy as np

Rect = Tuple[int, int, int, int]
Item = Union[int, str]


@dataclass(frozen=True)
class Place:
    """A part of a drawing.

    Attributes:
        kind: ``'overlay'``: the picture at its own size, with what was drawn over it. ``'picture'``: the panel of a
            sheet that shows the picture without a map. ``'panel'``: the picture in any other panel. ``'tile'``: one
            channel within a panel. ``'title'``: the strip above a panel. ``'note'``: colour bar, key and words below
            a panel or overlay. ``'label'``: the label of a box. ``'heading'``, ``'key'``: strips across a whole sheet.
            ``'truth'``: the picture with its annotations.
        rect: ``x1, y1, x2, y2`` in the drawing's pixels, the right and lower edge excluded.
        item: Which item of the result is shown, by its position there; the number of a step, for the steps of a
            sample. ``None`` for what shows all of them or none.
    """

    kind: str
    rect: Rect
    item: Optional[Item] = None

    @property
    def size(self) -> Tuple[int, int]:
        """Width and height."""
        return self.rect[2] - self.rect[0], self.rect[3] - self.rect[1]

    def moved(self, x: int, y: int) -> Place:
        """The same place in a larger drawing, in which this one begins at ``x, y``."""
        left, top, right, bottom = self.rect
        return replace(self, rect=(left + x, top + y, right + x, bottom + y))


@dataclass(frozen=True)
class Drawing:
    """A drawing and its parts.

    Attributes:
        image: Shape (H, W, 3), uint8, BGR.
        places: What lies where; of nested places the outer one comes first.
    """

    image: np.ndarray = field(repr=False)
    places: Tuple[Place, ...] = ()

    def of_kind(self, *kinds: str) -> List[Place]:
        """The places of some kinds, in their order."""
        return [place for place in self.places if place.kind in kinds]

    def png(self) -> bytes:
        """The image as a PNG file."""
        return cv2.imencode('.png', self.image)[1].tobytes()

    @property
    def main(self) -> Place:
        """Where the picture itself is shown: the overlay, or the panel of a sheet that has no map."""
        return self.of_kind('overlay', 'picture')[0]


def moved(places: Iterable[Place], x: int, y: int) -> Tuple[Place, ...]:
    """Places of a part, in a drawing in which the part begins at ``x, y``."""
    return tuple(place.moved(x, y) for place in places)


def rect_at(x: int, y: int, image: np.ndarray) -> Rect:
    """Where an image lies that begins at ``x, y``."""
    return x, y, x + image.shape[1], y + image.shape[0]
