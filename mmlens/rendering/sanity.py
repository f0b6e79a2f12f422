"""What becomes of maps while a network's weights are drawn anew, as curves."""

from __future__ import annotations

from typing import Any, Dict, Sequence, Tuple

import numpy as np

_DPI = 100
_HEIGHT, _STEP, _MARGIN = 4.2, 0.95, 2.6  # inches


def draw_sanity(curves: Dict[str, np.ndarray], parts: Sequence[str], limits: Tuple[float, float]) -> np.ndarray:
    """Draw a curve a method: the mean of its draws, and a band from the lowest to the highest.

    Args:
        curves: Name of a method -> (D, P + 1): correlations of D draws, before and after each of P steps; may hold NaN.
        parts: P names of what is drawn anew at each step.
        limits: A method passes if its last correlation lies below the first, and in part if below the second, whatever
            its sign.

    Returns:
        Shape (H, W, 3), uint8, BGR.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_MARGIN + _STEP * (len(parts) + 1), _HEIGHT), dpi=_DPI, layout='constrained')
    canvas: Any = FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    steps = np.arange(len(parts) + 1)
    _draw_limits(axes, limits)
    for number, (method, draws) in enumerate(curves.items()):
        colour = f'C{number % 10}'
        known = ~np.isnan(draws).any(0)
        x, values = steps[known], draws[:, known]
        axes.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.2, linewidth=0)
        axes.plot(x, values.mean(0), 'o-', color=colour, label=method, markersize=4)
    axes.set_xticks(steps, ['as trained', *(f'+ {part}'.replace(', ', '\n') for part in parts)], fontsize='small')
    axes.set_xlabel('drawn anew, from the head down')
    axes.set_ylabel('correlation within the box')
    axes.set_ylim(min(-0.3, *(float(np.nanmin(draws)) - 0.05 for draws in curves.values())), 1.05)
    axes.set_xlim(-0.1, len(parts) + 0.1)
    axes.grid(alpha=0.4)
    axes.legend(fontsize='small', loc='upper left', bbox_to_anchor=(1, 1))
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])


def _draw_limits(axes: Any, limits: Tuple[float, float]) -> None:
    for limit, shade in zip(reversed(limits), ('0.95', '0.88')):
        axes.axhspan(-limit, limit, color=shade, linewidth=0)
    # On the left, where all curves are far above.
    for limit, word in zip(limits, ('passes', 'in part')):
        axes.text(-0.05, limit - 0.01, word, ha='left', va='top', color='0.35', fontsize='small')
