"""mmlens: why did the network draw this box?"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

from .version import __version__

if TYPE_CHECKING:
    from .attribution.methods import Method, available_methods, register_method
    from .class_explain import explain_classes, load_classifier
    from .class_results import ClassExplanation, ClassMap
    from .errors import MmlensError
    from .explain import explain_boxes, list_layers, load_detector
    from .feature_explain import feature_maps
    from .results import BoxExplanation, BoxMap, FeatureMap, FeatureMaps
    from .samples import Samples
    from .schedules.rehearse import rehearse
    from .schedules.schedule import Schedule
    from .steps import SampleSteps

# Where each public name lives.
_HOME = {
    'ClassExplanation': 'class_results',
    'ClassMap': 'class_results',
    'Method': 'attribution.methods',
    'MmlensError': 'errors',
    'available_methods': 'attribution.methods',
    'explain_boxes': 'explain',
    'explain_classes': 'class_explain',
    'feature_maps': 'feature_explain',
    'list_layers': 'explain',
    'load_classifier': 'class_explain',
    'load_detector': 'explain',
    'BoxExplanation': 'results',
    'BoxMap': 'results',
    'FeatureMap': 'results',
    'FeatureMaps': 'results',
    'SampleSteps': 'steps',
    'Samples': 'samples',
    'Schedule': 'schedules',
    'register_method': 'attribution.methods',
    'rehearse': 'schedules',
}

_LIGHT = ('class_results', 'errors', 'results', 'steps')  # they need no torch

__all__ = [
    'BoxExplanation',
    'BoxMap',
    'ClassExplanation',
    'ClassMap',
    'FeatureMap',
    'FeatureMaps',
    'Method',
    'MmlensError',
    'SampleSteps',
    'Samples',
    'Schedule',
    '__version__',
    'available_methods',
    'explain_boxes',
    'explain_classes',
    'feature_maps',
    'list_layers',
    'load_classifier',
    'load_detector',
    'register_method',
    'rehearse',
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: `import mmlens` must stay free of torch.
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    if _HOME[name] not in _LIGHT:
        from .compat import require

        require('torch')  # the first import of all: says in one sentence if it is missing
    return getattr(importlib.import_module(f'.{_HOME[name]}', __name__), name)


def __dir__() -> List[str]:
    return sorted(__all__)
