"""Methods: how the activation and the gradient of a level become one map."""

from __future__ import annotations

from . import ablation, activation, drise, gradient, masking
from .base import Method, available_methods, get_method, register_method
from .multi_pass import PassJob, PassMethod, Progress, Runs, pass_method

__all__ = [
    'Method',
    'PassJob',
    'PassMethod',
    'Progress',
    'Runs',
    'ablation',
    'activation',
    'available_methods',
    'drise',
    'get_method',
    'gradient',
    'masking',
    'pass_method',
    'register_method',
]
