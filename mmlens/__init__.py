"""mmlens: why did the network draw this box?"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

from .version import __version__

if TYPE_CHECKING:
    from .explain import explain_boxes, feature_maps, list_layers, load_detector
    from .results import BoxExplanation, BoxMap, FeatureMap, FeatureMaps

_HOME = {
    'explain_boxes': 'explain',
    'feature_maps': 'explain',
    'list_layers': 'explain',
    'load_detector': 'explain',
    'BoxExplanation': 'results',
    'BoxMap': 'results',
    'FeatureMap': 'results',
    'FeatureMaps': 'results',
}

__all__ = [
    'BoxExplanation',
    'BoxMap',
    'FeatureMap',
    'FeatureMaps',
    '__version__',
    'explain_boxes',
    'feature_maps',
    'list_layers',
    'load_detector',
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: `import mmlens` must stay free of torch.
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'.{_HOME[name]}', __name__), name)


def __dir__() -> List[str]:
    return sorted(__all__)
