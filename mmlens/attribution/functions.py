"""Torch's functions as function modes see them."""

from __future__ import annotations

from typing import Callable, Set

import torch
from torch import Tensor


def functions_of(*names: str) -> Set[Callable]:
    """What a call by these names may reach a function mode as: torch's function, and the method of tensors."""
    return {getattr(owner, name) for owner in (torch, Tensor) for name in names if hasattr(owner, name)}
