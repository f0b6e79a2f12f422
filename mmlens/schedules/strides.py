"""Take many scheduler steps at once, where that equals taking them one by one.

Most of mmengine's schedulers compute each value from the previous one, so a run of four million iterations would
take four million steps. But their recursions are closed forms in disguise, valid for steps of any length: with all
lengths divided by n, one call of the scheduler's own ``_get_value`` advances n iterations.
"""

from __future__ import annotations

import bisect
import copy
import math
import sys
from typing import Any, Callable, List, NamedTuple, Tuple

from mmengine.optim import scheduler as schedulers
from mmengine.optim.scheduler.momentum_scheduler import MomentumSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

_NEVER = sys.maxsize


class _LongStep(NamedTuple):
    """How a class of schedulers takes a long step.

    Attributes:
        lengths: Names of the attributes that hold lengths in steps, or lists of them.
        reach: The furthest step that a long step from the scheduler's ``last_step`` may reach.
        recursive: Whether a value depends on the previous one; if not, only ``last_step`` counts.
    """

    lengths: Tuple[str, ...]
    reach: Callable[[Any], float]
    recursive: bool = True


def _before_restart(scheduler: Any) -> float:
    """The restart itself discards what was before, so it is a step of its own."""
    ends = scheduler.cumulative_periods
    place = bisect.bisect(ends, scheduler.last_step)
    return ends[place] - 1 if place < len(ends) else _NEVER


def _next_milestone(scheduler: Any) -> float:
    return min((place for place in scheduler.milestones if place > scheduler.last_step), default=_NEVER)


# Keyed by the function that computes a value: subclasses that only choose what is scheduled share it.
_LONG_STEPS = {
    schedulers.CosineAnnealingParamScheduler._get_value: _LongStep(('T_max',), lambda s: s.T_max),
    schedulers.LinearParamScheduler._get_value: _LongStep(('total_iters',), lambda s: s.total_iters),
    schedulers.PolyParamScheduler._get_value: _LongStep(('total_iters',), lambda s: s.total_iters),
    schedulers.CosineRestartParamScheduler._get_value: _LongStep(('periods', 'cumulative_periods'), _before_restart),
    schedulers.MultiStepParamScheduler._get_value: _LongStep((), _next_milestone, recursive=False),
    schedulers.StepParamScheduler._get_value: _LongStep(
        (), lambda s: (s.last_step // s.step_size + 1) * s.step_size, recursive=False
    ),
    schedulers.OneCycleParamScheduler._get_value: _LongStep((), lambda s: _NEVER, recursive=False),
}
# Only steps between the scheduler's begin and end change values.
_PLAIN_STEPS = (_ParamScheduler.step, MomentumSchedulerMixin.step)


def fast_forward(steppers: List[_ParamScheduler], steps: int) -> None:
    """Advance several schedulers by the same number of steps.

    The result equals ``for _ in range(steps): [scheduler.step() for scheduler in steppers]``, up to rounding.
    Steps are taken one by one wherever several schedulers are active at once, or one whose recursion is not known
    to hold for long steps.

    Args:
        steppers: Schedulers of the same setting of one optimizer, in stepping order.
        steps: How many steps.
    """
    if any(type(scheduler).step not in _PLAIN_STEPS for scheduler in steppers):
        _one_by_one(steppers, steps)
        return
    while steps > 0:
        length = min([steps, *(_steps_to_change(scheduler) for scheduler in steppers)])
        at_work = [scheduler for scheduler in steppers if scheduler.begin <= scheduler._global_step + 1 < scheduler.end]
        for scheduler in steppers:
            if scheduler not in at_work:
                scheduler._global_step += length  # before its begin and after its end a step does nothing else
        if len(at_work) == 1:
            _forward_one(at_work[0], length)
        elif at_work:
            _one_by_one(at_work, length)
        steps -= length


def _one_by_one(steppers: List[_ParamScheduler], steps: int) -> None:
    for _ in range(steps):
        for scheduler in steppers:
            scheduler.step()


def _steps_to_change(scheduler: _ParamScheduler) -> int:
    """Number of steps until the scheduler begins or ends."""
    upcoming = scheduler._global_step + 1
    edges = [math.ceil(edge) for edge in (scheduler.begin, scheduler.end)]
    return min([edge - upcoming for edge in edges if edge > upcoming], default=_NEVER)


def _forward_one(scheduler: Any, steps: int) -> None:
    kind = _LONG_STEPS.get(type(scheduler)._get_value)
    while steps > 0:
        # The very first step initialises, and beyond its reach a recursion follows other rules.
        length = math.floor(kind.reach(scheduler)) - scheduler.last_step if kind and scheduler.last_step >= 0 else 0
        if kind and length > 0:
            length = min(steps, length)
            _long_step(scheduler, length, kind)
        else:
            length = 1
            scheduler.step()
        steps -= length


def _long_step(scheduler: Any, length: int, kind: _LongStep) -> None:
    scheduler._global_step += length
    scheduler.last_step += length
    strider = copy.copy(scheduler)
    if kind.recursive:
        strider.last_step = scheduler.last_step / length
        for name in kind.lengths:
            setattr(strider, name, _divided(getattr(scheduler, name), length))
    for group, value in zip(scheduler.optimizer.param_groups, strider._get_value()):
        group[scheduler.param_name] = value


def _divided(length: Any, by: int) -> Any:
    return [each / by for each in length] if isinstance(length, list) else length / by
