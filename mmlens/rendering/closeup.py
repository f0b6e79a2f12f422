"""A close-up of the beginning of curves, where much happens in a part of the axis too short to be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Sequence, Tuple

import numpy as np

if TYPE_CHECKING:
    from .curves import Axis, Line

Room = Tuple[float, float, float, float]

_SHORT = 0.06  # of the axis
_MUCH = 0.3  # of all that a curve rises and falls
_LEAST_RISE = 0.05  # of what all curves span
_FEWEST = 8  # positions that make a curve
# Where a close-up may lie, as shares of the axes: x, y, width, height.
_ROOMS: Tuple[Room, ...] = ((0.34, 0.42, 0.62, 0.46), (0.34, 0.14, 0.62, 0.4))
_WORDS = 0.1  # around it, for its ticks and its title


def add_closeup(axes: Any, x: np.ndarray, lines: Sequence[Line], axis: Axis) -> None:
    """Draw the beginning again, larger, in a free part of the axes, if it needs that and there is one.

    Args:
        axes: Matplotlib's axes with the curves, which have their limits.
        x: Shape (N,): positions, rising.
        lines: The curves.
        axis: What the positions count.
    """
    end = beginning(x, np.array([line.values for line in lines]), axis.end)
    room = _free_room(axes) if end is not None else None
    if end is None or room is None:
        return
    inset = axes.inset_axes(room)
    shown = x <= end
    for drawn, line in zip(axes.get_lines(), lines):
        inset.plot(x[shown], line.values[shown], color=drawn.get_color(), linewidth=drawn.get_linewidth())
    inset.set_title(f'the first {end:.3g} {axis.name}s', fontsize='small')
    inset.tick_params(labelsize='small')
    inset.yaxis.set_major_formatter('{x:.6g}')


def beginning(x: np.ndarray, values: np.ndarray, end: float) -> Optional[float]:
    """Where the beginning ends that needs a close-up: twice as far as the curves rise and fall there.

    Args:
        x: Shape (N,): positions, rising.
        values: Shape (L, N): the curves.
        end: Where the axis ends.

    Returns:
        A position; ``None`` if nothing much happens in the first 6 % of the axis, or in too few positions.
    """
    early = int(np.searchsorted(x, _SHORT * end, 'right'))
    span = np.ptp(values)
    if early < _FEWEST or not span:
        return None
    changes = np.abs(np.diff(values, axis=1))
    first, whole = changes[:, : early - 1], changes.sum(1)
    much = (first.sum(1) >= _MUCH * whole) & (first.sum(1) >= _LEAST_RISE * span)
    if not much.any():
        return None
    course = first[much].sum(0).cumsum()
    last = int(np.searchsorted(course, 0.98 * course[-1])) + 1
    return _rounded_up(float(2 * x[last]))


def _rounded_up(value: float) -> float:
    """To half of its first digit: 5.94 to 6, 11.2 to 15."""
    step = 10 ** np.floor(np.log10(value)) / 2
    return float(np.ceil(value / step) * step)


def _free_room(axes: Any) -> Optional[Room]:
    """The first room that no curve passes through."""
    points = [axes.transData.transform(line.get_xydata()) for line in axes.get_lines()]
    shares = axes.transAxes.inverted().transform(np.concatenate([_dense(each) for each in points]))
    for left, bottom, width, height in _ROOMS:
        inside = (shares[:, 0] > left - _WORDS) & (shares[:, 0] < left + width + 0.02)
        inside &= (shares[:, 1] > bottom - _WORDS) & (shares[:, 1] < bottom + height + _WORDS)
        if not inside.any():
            return left, bottom, width, height
    return None


def _dense(points: np.ndarray) -> np.ndarray:
    """A curve (N, 2) with points between those that lie far from each other."""
    steps = np.linspace(0, len(points) - 1, max(2000, len(points)))
    return np.stack([np.interp(steps, np.arange(len(points)), column) for column in points.T], 1)
