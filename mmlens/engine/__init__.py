"""What mmengine's Runner runs: hooks that draw while a model is trained or tested, a metric, and a visualizer."""

from __future__ import annotations

from .boxam_hook import BoxAMVisHook
from .cam_hook import CAMVisHook
from .featmap_hook import FeatmapVisHook
from .map_metric import MapMetric
from .vis_hook import VisHook
from .visualizer import BoxAMVisualizer, sample_with_maps

__all__ = [
    'BoxAMVisHook',
    'BoxAMVisualizer',
    'CAMVisHook',
    'FeatmapVisHook',
    'MapMetric',
    'VisHook',
    'sample_with_maps',
]
