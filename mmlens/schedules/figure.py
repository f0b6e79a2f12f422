"""A schedule in words and as a figure."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ..errors import count
from ..rendering import Axis, Line
from .schedule import Curve, Schedule

NAMES = {'lr': 'learning rate', 'momentum': 'momentum', 'weight_decay': 'weight decay'}


def describe(curve: Curve) -> str:
    """One line about a curve: whose it is, and where it begins, peaks and ends."""
    values = curve.values
    course = f'{values[0]:.4g} at first, {values.max():.4g} at most, {values[-1]:.4g} at last'
    return f'{curve.label} ({amount(curve)}): ' + (f'{values[0]:.4g}' if values.min() == values.max() else course)


def amount(curve: Curve) -> str:
    """How many parameters a curve is for: ``3 tensors, 1.5 k parameters``."""
    number = float(curve.parameters)
    for unit in ('', ' k', ' M'):
        if number < 1000 or unit == ' M':
            break
        number /= 1000
    return f'{count(curve.tensors, "tensor")}, {number:.3g}{unit} parameters'


def summarise(schedule: Schedule) -> str:
    """How long the training is, and on what."""
    length = schedule.epoch_length
    if length is None:
        parts = [count(schedule.total, 'iteration')]
    else:
        parts = [f'{schedule.total / length:.4g} epochs of {count(length, "iteration")}']
    parts.append(f'batches of {schedule.batch_size} on {count(schedule.ngpus, "GPU")}')
    if schedule.dataset_size is not None:
        parts.append(count(schedule.dataset_size, 'picture'))
    return ', '.join(parts)


def figure_options(schedule: Schedule, by: str, name: str, title: Optional[str] = None) -> Dict[str, Any]:
    """What :func:`mmlens.rendering.curve_figure` draws of a schedule.

    Args:
        schedule: The schedule.
        by: What the x axis counts: ``'epoch'``, where an epoch's length is known, or ``'iter'``.
        name: Name of the config, for the title.
        title: Replaces the title, the config's name and what is drawn. Defaults to ``None``.
    """
    iterations, epochs = Axis('iteration', schedule.total), None
    if schedule.epoch_length is not None:
        epochs = Axis('epoch', schedule.total / schedule.epoch_length)
    in_epochs = by == 'epoch' and epochs is not None
    return dict(
        x=schedule.epochs() if in_epochs else schedule.iterations,
        lines=[Line(curve.values, curve.label, amount(curve)) for curve in schedule.curves],
        axis=epochs if in_epochs else iterations,
        other_axis=iterations if in_epochs else epochs,
        y_name=NAMES[schedule.param],
        title=f'{name}: {NAMES[schedule.param]}' if title is None else title,
        caption=summarise(schedule),
    )
