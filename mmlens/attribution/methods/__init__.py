"""Methods: how the activation and the gradient of a level become one map."""

from __future__ import annotations

from . import activation, gradient
from .base import Method, available_methods, get_method, register_method

__all__ = ['Method', 'activation', 'available_methods', 'get_method', 'gradient', 'register_method']
