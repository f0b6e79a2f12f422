"""Drawing: arrays in, new arrays out. Nothing here ever sees a model."""

from __future__ import annotations

from .box_maps import draw_box_maps
from .class_maps import draw_class_maps
from .colours import label_colours
from .curves import Axis, Line, check_size, check_style, curve_figure, draw_curves
from .drawing import Drawing, Place
from .feature_maps import check_arrangement, draw_feature_maps
from .samples import draw_steps
from .sanity import draw_sanity
from .sheets import fit_canvas, side_by_side

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
    'draw_sanity',
    'draw_steps',
    'fit_canvas',
    'label_colours',
    'side_by_side',
]
