"""mmlens: why did the network draw this box?"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

from .version import __version__

if TYPE_CHECKING:
    from .attribution.methods import Method, available_methods, register_method
    from .errors import MmlensError
    from .explain import explain_boxes, feature_maps, list_layers, load_detector
    from .results import BoxExplanation, BoxMap, FeatureMap, FeatureMaps

# Where each public name lives.
_HOME = {
    'Method': 'attribution.methods',
    'MmlensError': 'errors',
    'available_methods': 'attribution.methods',
    'explain_boxes': 'explain',
    'feature_maps': 'explain',
    'list_layers': 'explain',
    'load_detector': 'explain',
    'BoxExplanation': 'results',
    'BoxMap': 'results',
    'FeatureMap': 'results',
    'FeatureMaps': 'results',
    'register_method': 'attribution.methods',
}

__all__ = [
    'BoxExplanation',
    'BoxMap',
    'FeatureMap',
    'FeatureMaps',
    'Method',
    'MmlensError',
    '__version__',
    'available_methods',
    'explain_boxes',
    'feature_maps',
    'list_layers',
    'load_detector',
    'register_method',
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: `import mmlens` must stay free of torch.
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'.{_HOME[name]}', __name__), name)


def __dir__() -> List[str]:
    return sorted(__all__)
