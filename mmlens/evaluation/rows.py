"""What is compared: methods with their layers and fusions, and the baselines that stand beside them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..errors import MmlensError
from ..metrics import gaussian_map, random_map, sobel_map
from ..models.detector import Detector

# (picture, boxes (N, 4), name of the picture) -> N maps; the same array where boxes share one.
Drawn = Callable[[np.ndarray, np.ndarray, str], List[np.ndarray]]


@dataclass(frozen=True)
class Row:
    """One row of the table: a method, or a baseline.

    Attributes:
        name: What the table calls it.
        options: Arguments of :func:`mmlens.explain_boxes` that differ from its defaults, as sorted pairs.
        baseline: Whether it is there to be beaten.
        draw: Makes the maps without any network; ``None`` for a method.
    """

    name: str
    options: Tuple[Tuple[str, Any], ...] = ()
    baseline: bool = False
    draw: Optional[Drawn] = None

    @classmethod
    def of_method(cls, name: str, baseline: bool = False, **options: Any) -> Row:
        """A row of a method; options that are ``None`` keep their defaults."""
        given = {key: value for key, value in options.items() if value is not None}
        return cls(name, tuple(sorted(given.items())), baseline)

    @property
    def settings(self) -> Dict[str, Any]:
        """The options as arguments."""
        settings = {key: list(value) if isinstance(value, tuple) else value for key, value in self.options}
        if len(settings.get('against', ())) == 1:
            settings['against'] = settings['against'][0]  # 'auto' stands alone
        return settings


def read_row(text: str, **shared: Any) -> Row:
    """Read a row as users write it: ``method``, or ``name: method/layers/fusion/against``.

    Args:
        text: Parts may be empty, and left out at the end; then they keep their defaults. Several layers, or classes
            to contrast with, are joined by ``+``.
        **shared: Options of a method that stands alone.

    Raises:
        MmlensError: If it has too many parts, or no name.

    Example:
        >>> read_row('fine: layercam/backbone.stage1+neck/product').settings
        {'fusion': 'product', 'layers': ['backbone.stage1', 'neck'], 'method': 'layercam'}
    """
    name, colon, rest = (part.strip() for part in text.partition(':'))
    if not colon:
        return Row.of_method(name, method=None if name == 'default' else name, **shared)
    parts = [part.strip() for part in rest.split('/')]
    if not name or len(parts) > 4:
        raise MmlensError(f"'{text}' is no row: write a method, or NAME: METHOD/LAYERS/FUSION/AGAINST.")
    method, layers, fusion, against = parts + [''] * (4 - len(parts))
    return Row.of_method(
        name, method=method or None, layers=_several(layers), fusion=fusion or None, against=_several(against)
    )


def _several(text: str) -> Optional[Tuple[str, ...]]:
    return tuple(text.split('+')) if text else None


def baselines(detector: Detector) -> List[Row]:
    """The rows that stand beside every method: noise, edges, a Gaussian in the box, and two usual maps of the neck.

    The last is the rule of Ultralytics 8.4: LayerCAM at what the head reads, each level scaled to its maximum, then
    the maximum over levels.
    """
    last = ('neck',) if getattr(detector.model, 'neck', None) is not None else ('backbone',)
    return [
        Row('random', baseline=True, draw=_random),
        Row('edges', baseline=True, draw=lambda picture, boxes, name: [sobel_map(picture)] * len(boxes)),
        Row('gaussian', baseline=True, draw=lambda picture, boxes, name: _gaussians(picture, boxes)),
        Row.of_method('neck gradcam', True, method='gradcam', layers=last, fusion='sum'),
        Row.of_method('ultralytics', True, method='layercam', layers=last, fusion='max'),
    ]


def _random(picture: np.ndarray, boxes: np.ndarray, name: str) -> List[np.ndarray]:
    # Seeded by the picture's name: the same whatever else is measured, and before or after what.
    return [random_map(picture.shape[:2], zlib.crc32(name.encode()))] * len(boxes)


def _gaussians(picture: np.ndarray, boxes: np.ndarray) -> List[np.ndarray]:
    return [gaussian_map(picture.shape[:2], box) for box in boxes]


def check_names(rows: Sequence[Row]) -> None:
    """Check that rows can be told apart.

    Raises:
        MmlensError: If two have one name.
    """
    names = [row.name for row in rows]
    for name in names:
        if names.count(name) > 1:
            raise MmlensError(f"Two rows are called '{name}': give one of them another name, as in `other: METHOD`.")
