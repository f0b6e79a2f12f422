"""The figures of methods with their intervals, and the curves of deletion and insertion."""

from __future__ import annotations

from typing import Any, Dict, Sequence, Tuple

import numpy as np

_DPI = 100
_COLUMNS = 4
_WIDTH, _ROW, _TITLE, _CURVES = 3.4, 0.28, 0.9, 3.2  # inches
_BASELINE = '0.55'

# Figure -> row -> mean and the two ends of its interval.
Means = Dict[str, Dict[str, Tuple[float, float, float]]]


def draw_evaluation(
    means: Means, curves: Dict[str, Dict[str, np.ndarray]], shares: np.ndarray, baselines: Sequence[str] = ()
) -> np.ndarray:
    """Draw a panel a figure, with a point and its interval a row; and a panel of curves an alteration.

    Args:
        means: Heading of a figure -> row -> ``(mean, low, high)``, NaN where there is none.
        curves: Heading -> row -> (B, N): the relative scores of B boxes at N shares. The line is their mean, and the
            band holds the middle half of the boxes.
        shares: Shape (N,).
        baselines: Rows that are drawn in grey.

    Returns:
        Shape (H, W, 3), uint8, BGR.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = list(next(iter(means.values()), {}))
    colours = {row: _BASELINE if row in baselines else f'C{n % 10}' for n, row in enumerate(rows)}
    lines = -(-len(means) // _COLUMNS)
    height = _TITLE + _ROW * len(rows)
    sizes = [height] * lines + [_CURVES] * bool(curves)
    figure = Figure(figsize=(_WIDTH * _COLUMNS, max(sum(sizes), 1.0)), dpi=_DPI, layout='constrained')
    canvas: Any = FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(sizes) or 1, _COLUMNS, height_ratios=sizes or None)
    for number, (heading, of_rows) in enumerate(means.items()):
        axes = figure.add_subplot(grid[number // _COLUMNS, number % _COLUMNS])
        _draw_points(axes, heading, of_rows, colours, named=number % _COLUMNS == 0)
    width = _COLUMNS // max(len(curves), 1)
    for number, (heading, of_rows_) in enumerate(curves.items()):
        axes = figure.add_subplot(grid[-1, number * width : (number + 1) * width])
        _draw_curves(axes, heading, of_rows_, shares, colours, baselines, legend=number == 0)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])


def _draw_points(
    axes: Any, heading: str, of_rows: Dict[str, Tuple[float, float, float]], colours: Dict[str, str], named: bool
) -> None:
    for place, (row, (mean, low, high)) in enumerate(of_rows.items()):
        axes.plot([low, high], [place, place], color=colours[row], linewidth=2, solid_capstyle='butt')
        axes.plot([mean], [place], 'o', color=colours[row], markersize=5)
    axes.set_title(heading, parse_math=False)
    axes.set_yticks(range(len(of_rows)), list(of_rows) if named else [''] * len(of_rows), parse_math=False)
    axes.set_ylim(len(of_rows) - 0.5, -0.5)
    axes.grid(axis='x', alpha=0.4)


def _draw_curves(
    axes: Any,
    heading: str,
    of_rows: Dict[str, np.ndarray],
    shares: np.ndarray,
    colours: Dict[str, str],
    baselines: Sequence[str],
    legend: bool,
) -> None:
    styles = ('--', ':', '-.', (0, (5, 1)), (0, (1, 1)))  # tell grey lines apart
    for row, scores in of_rows.items():
        known = scores[~np.isnan(scores).any(1)]
        if not len(known):
            continue
        is_baseline = row in baselines
        style = styles[list(baselines).index(row) % len(styles)] if is_baseline else '-'
        axes.plot(shares, known.mean(0), color=colours[row], linestyle=style, label=row)
        if not is_baseline:
            low, high = np.quantile(known, [0.25, 0.75], axis=0)
            axes.fill_between(shares, low, high, color=colours[row], alpha=0.2, linewidth=0)
    axes.set_title(heading, parse_math=False)
    axes.set_xlabel('share of the pixels')
    axes.set_ylabel('relative score')
    axes.grid(alpha=0.4)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize='small')
