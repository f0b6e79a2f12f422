"""How the optimizer's settings will change over a training run, found without training."""

from __future__ import annotations

from ..choices import PARAMS
from .rehearse import rehearse
from .schedule import Curve, Schedule

__all__ = ['PARAMS', 'Curve', 'Schedule', 'rehearse']
