"""What the optimizer's settings will be over a training, found without training."""

from __future__ import annotations

from .groups import PARAMS
from .rehearse import rehearse
from .schedule import Curve, Schedule

__all__ = ['PARAMS', 'Curve', 'Schedule', 'rehearse']
