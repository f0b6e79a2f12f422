"""mmlens: why did the network draw this box?"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

from .version import __version__

if TYPE_CHECKING:
    from . import metrics
    from .attribution.fusion import LevelMap, available_fusions, register_fusion
    from .attribution.methods import Method, available_methods, register_method, register_pass_method
    from .errors import MmlensError
    from .explain.box_scores import BoxScores
    from .explain.boxes import explain_boxes
    from .explain.classes import explain_classes
    from .explain.comparing import compare_boxes
    from .explain.features import feature_maps
    from .explain.layers import list_layers
    from .explain.misses import explain_miss, why_missed
    from .explain.networks import load_classifier, load_detector, open_network
    from .explain.sanity import check_sanity
    from .failures import ErrorReport, find_errors
    from .histories import History, find_histories
    from .report import Report
    from .results.boxes import BoxExplanation, BoxMap
    from .results.classes import ClassExplanation, ClassMap
    from .results.comparison import BoxComparison, BoxPair
    from .results.features import FeatureMap, FeatureMaps
    from .results.loading import load
    from .results.misses import Miss, Misses
    from .results.predicted import Predicted
    from .results.samples import SampleSteps
    from .results.sanity import SanityCheck
    from .samples import Samples
    from .schedules.rehearse import rehearse
    from .schedules.schedule import Schedule

# Where each public name lives.
_HOME = {
    'BoxComparison': 'results.comparison',
    'BoxExplanation': 'results.boxes',
    'BoxMap': 'results.boxes',
    'BoxPair': 'results.comparison',
    'BoxScores': 'explain.box_scores',
    'ClassExplanation': 'results.classes',
    'ClassMap': 'results.classes',
    'ErrorReport': 'failures',
    'FeatureMap': 'results.features',
    'FeatureMaps': 'results.features',
    'History': 'histories',
    'LevelMap': 'attribution.fusion',
    'Method': 'attribution.methods',
    'Miss': 'results.misses',
    'Misses': 'results.misses',
    'MmlensError': 'errors',
    'Predicted': 'results.predicted',
    'Report': 'report',
    'SampleSteps': 'results.samples',
    'Samples': 'samples',
    'SanityCheck': 'results.sanity',
    'Schedule': 'schedules',
    'available_fusions': 'attribution.fusion',
    'available_methods': 'attribution.methods',
    'check_sanity': 'explain.sanity',
    'compare_boxes': 'explain.comparing',
    'explain_boxes': 'explain.boxes',
    'explain_classes': 'explain.classes',
    'explain_miss': 'explain.misses',
    'feature_maps': 'explain.features',
    'find_errors': 'failures',
    'find_histories': 'histories',
    'list_layers': 'explain.layers',
    'load': 'results.loading',
    'load_classifier': 'explain.networks',
    'load_detector': 'explain.networks',
    'open_network': 'explain.networks',
    'register_fusion': 'attribution.fusion',
    'register_method': 'attribution.methods',
    'register_pass_method': 'attribution.methods',
    'rehearse': 'schedules',
    'why_missed': 'explain.misses',
}

_LIGHT = ('errors', 'histories', 'report', 'results')  # they need no torch

__all__ = [
    'BoxComparison',
    'BoxExplanation',
    'BoxMap',
    'BoxPair',
    'BoxScores',
    'ClassExplanation',
    'ClassMap',
    'ErrorReport',
    'FeatureMap',
    'FeatureMaps',
    'History',
    'LevelMap',
    'Method',
    'Miss',
    'Misses',
    'MmlensError',
    'Predicted',
    'Report',
    'SampleSteps',
    'Samples',
    'SanityCheck',
    'Schedule',
    '__version__',
    'available_fusions',
    'available_methods',
    'check_sanity',
    'compare_boxes',
    'explain_boxes',
    'explain_classes',
    'explain_miss',
    'feature_maps',
    'find_errors',
    'find_histories',
    'list_layers',
    'load',
    'load_classifier',
    'load_detector',
    'metrics',
    'open_network',
    'register_fusion',
    'register_method',
    'register_pass_method',
    'rehearse',
    'why_missed',
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: `import mmlens` must stay free of torch.
    if name == 'metrics':  # a module of its own names
        return importlib.import_module('.metrics', __name__)
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    if _HOME[name].split('.')[0] not in _LIGHT:
        from .compat import require

        require('torch')  # the first import of all: says in one sentence if it is missing
    return getattr(importlib.import_module(f'.{_HOME[name]}', __name__), name)


def __dir__() -> List[str]:
    return sorted(__all__)
