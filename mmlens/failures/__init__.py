"""What a detector did wrong on annotated pictures, what that costs, and why: TIDE's types of errors with maps.

Example:
    >>> from mmlens import find_errors
    >>> report = find_errors('config.py', 'checkpoint.pth', annotations='coco.json', images='pictures')
    >>> report.counts['classification'], report.costs.of_type['classification']
    (18, 9.49)
    >>> worst = report.worst('classification', 3)
    >>> cv2.imwrite('worst.png', report.explain(worst[0]).draw())
"""

from __future__ import annotations

from .explained import ExplainedFailure, Why
from .explaining import check_asked
from .failure import Failure
from .find import find_errors
from .report import ErrorReport

__all__ = ['ErrorReport', 'ExplainedFailure', 'Failure', 'Why', 'check_asked', 'find_errors']
