"""The samples of a config's dataset, and what every transform of their pipelines leaves."""

from __future__ import annotations

from ..choices import PHASES
from .samples import Samples

__all__ = ['PHASES', 'Samples']
