"""What is compared: methods with their layers, fusions and options, and the baselines that stand beside them."""

from __future__ import annotations

import ast
import zlib
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..errors import MmlensError
from ..metrics import gaussian_map, random_map, sobel_map
from ..models.classifier import Classifier
from ..models.detector import Detector
from ..models.network import Network

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
        if 'method_options' in given:
            given['method_options'] = tuple(sorted(dict(given['method_options']).items()))
        return cls(name, tuple(sorted(given.items())), baseline)

    @property
    def settings(self) -> Dict[str, Any]:
        """The options as arguments."""
        settings = {key: list(value) if isinstance(value, tuple) else value for key, value in self.options}
        if 'method_options' in settings:
            settings['method_options'] = dict(settings['method_options'])
        if len(settings.get('against', ())) == 1:
            settings['against'] = settings['against'][0]  # 'auto' stands alone
        return settings


def method_of(row: Row, network: Network) -> str:
    """The name of a row's method, which may be the default."""
    return row.settings.get('method', 'gradcam' if isinstance(network, Classifier) else 'evidencecam')


def read_row(text: str, **shared: Any) -> Row:
    """Read a row as users write it: ``method``, or ``name: method/layers/fusion/against/key=value``.

    Args:
        text: Parts may be empty, and left out at the end; then they keep their defaults. Several layers, classes to
            contrast with, or options are joined by ``+``. A part with ``=`` holds options of the method, wherever it
            stands.
        **shared: Options of a method that stands alone.

    Raises:
        MmlensError: If it has too many parts, or no name.

    Example:
        >>> read_row('fine: layercam/backbone.stage1+neck/product').settings
        {'fusion': 'product', 'layers': ['backbone.stage1', 'neck'], 'method': 'layercam'}
        >>> read_row('few: drise/num_masks=200+seed=1').settings
        {'method': 'drise', 'method_options': {'num_masks': 200, 'seed': 1}}
    """
    name, colon, rest = (part.strip() for part in text.partition(':'))
    if not colon:
        return Row.of_method(name, method=None if name == 'default' else name, **shared)
    given = [part.strip() for part in rest.split('/')]
    parts = [part for part in given if '=' not in part]
    if not name or len(parts) > 4:
        raise MmlensError(f"'{text}' is no row: write a method, or NAME: METHOD/LAYERS/FUSION/AGAINST/KEY=VALUE.")
    method, layers, fusion, against = parts + [''] * (4 - len(parts))
    return Row.of_method(
        name,
        method=method or None,
        layers=_several(layers),
        fusion=fusion or None,
        against=_several(against),
        method_options=read_options([each for part in given if '=' in part for each in part.split('+')]),
    )


def read_options(given: Sequence[str]) -> Optional[Dict[str, Any]]:
    """Read options of a method, ``key=value`` each; ``None`` if there are none.

    Raises:
        MmlensError: If one has no name or no value.
    """
    found: Dict[str, Any] = {}
    for each in given:
        key, _, value = (part.strip() for part in each.partition('='))
        if not key or not value:
            raise MmlensError(f"'{each}' is no option of a method: write KEY=VALUE.")
        try:
            found[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[key] = value
    return found or None


def _several(text: str) -> Optional[Tuple[str, ...]]:
    return tuple(text.split('+')) if text else None


def baselines(detector: Detector) -> List[Row]:
    """The rows that stand beside every method: noise, edges, a Gaussian in the box, and two usual maps of the neck.

    The last is the rule of Ultralytics 8.4: LayerCAM at what the head reads, each level scaled to its maximum, then
    the maximum over levels.
    """
    last = ('neck',) if getattr(detector.model, 'neck', None) is not None else ('backbone',)
    return [
        *_drawn(),
        Row.of_method('neck gradcam', True, method='gradcam', layers=last, fusion='sum'),
        Row.of_method('ultralytics', True, method='layercam', layers=last, fusion='max'),
    ]


def class_baselines() -> List[Row]:
    """The rows that stand beside every method on classes: noise, edges, a Gaussian in the middle, and plain GradCAM."""
    return [*_drawn(), Row.of_method('plain gradcam', True, method='gradcam')]


def _drawn() -> List[Row]:
    return [
        Row('random', baseline=True, draw=_random),
        Row('edges', baseline=True, draw=lambda picture, boxes, name: [sobel_map(picture)] * len(boxes)),
        Row('gaussian', baseline=True, draw=lambda picture, boxes, name: _gaussians(picture, boxes)),
    ]


def _random(picture: np.ndarray, boxes: np.ndarray, name: str) -> List[np.ndarray]:
    # Seeded by the picture's name: the same whatever else is measured, and before or after what.
    return [random_map(picture.shape[:2], zlib.crc32(name.encode('utf-8', 'surrogateescape')))] * len(boxes)


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
