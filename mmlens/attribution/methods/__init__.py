"""Methods: how the activation and the gradient of a level become one map."""

from __future__ import annotations

from . import ablation, activation, drise, gradient, integrated, masking, precision_search
from .base import EngineMethod, Method, OnePassMethod
from .multi_pass import PassJob, PassMethod, Progress
from .registry import available_methods, get_method, register_method, register_pass_method

__all__ = [
    'EngineMethod',
    'Method',
    'OnePassMethod',
    'PassJob',
    'PassMethod',
    'Progress',
    'ablation',
    'activation',
    'available_methods',
    'drise',
    'get_method',
    'gradient',
    'integrated',
    'masking',
    'precision_search',
    'register_method',
    'register_pass_method',
]
