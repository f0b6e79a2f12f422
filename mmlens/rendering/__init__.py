"""Drawing: arrays in, new arrays out. Nothing here ever sees a model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from .box_maps import draw_box_maps
    from .class_maps import draw_class_maps
    from .colours import label_colours
    from .curves import Axis, Line, check_size, check_style, curve_figure, draw_curves
    from .drawing import Drawing, Place
    from .feature_maps import check_arrangement, draw_feature_maps
    from .samples import draw_steps
    from .sheets import fit_canvas, side_by_side

# Where each public name lives. Loaded on first use: `choices` must stay free of cv2.
_HOME = {
    'Axis': 'curves',
    'Drawing': 'drawing',
    'Line': 'curves',
    'Place': 'drawing',
    'check_arrangement': 'feature_maps',
    'check_size': 'curves',
    'check_style': 'curves',
    'curve_figure': 'curves',
    'draw_box_maps': 'box_maps',
    'draw_class_maps': 'class_maps',
    'draw_curves': 'curves',
    'draw_feature_maps': 'feature_maps',
    'draw_steps': 'samples',
    'fit_canvas': 'sheets',
    'label_colours': 'colours',
    'side_by_side': 'sheets',
}

__all__ = [
    'Axis',
    'Drawing',
    'Line',
    'Place',
    'check_arrangement',
    'check_size',
    'check_style',
    'curve_figure',
    'draw_box_maps',
    'draw_class_maps',
    'draw_curves',
    'draw_feature_maps',
    'draw_steps',
    'fit_canvas',
    'label_colours',
    'side_by_side',
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'.{_HOME[name]}', __name__), name)


def __dir__() -> List[str]:
    return sorted(__all__)
