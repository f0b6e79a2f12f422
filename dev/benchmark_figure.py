"""The figure of benchmark.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Sequence, Tuple

if TYPE_CHECKING:
    from benchmark_rows import Row
    from matplotlib.figure import Figure

MARKERS = 'os^DvP*X'
WIDTH, HEIGHT, ROW_HEIGHT = 12.0, 4.2, 0.34  # inches: of all, of the curves, of a method
DPI = 100
OTHERS = ('grad-cam:', 'mmyolo:')  # methods of other packages begin with their names

# What grows -> its axis, where a row lies on it, and what it costs: larger pictures make plain inference slower too.
INFERENCES, SECONDS = 'plain inferences', 'seconds'
AXES: Dict[str, Tuple[str, Callable[[Row], float], str]] = {
    'boxes': ('boxes', lambda row: row.boxes, INFERENCES),
    'channels': ('channels ablated', lambda row: row.ratio * row.channels, INFERENCES),
    'side': ("pixels of the input's side", lambda row: row.side, SECONDS),
}


def cost_figure(rows: Sequence[Row]) -> Figure:
    """Draw what methods cost on each detector, above how the cost grows.

    Returns:
        A figure of matplotlib's, that no window shows.
    """
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from mmlens.rendering.curves import check_style

    rows = [row for row in rows if row.ratio_to_inference]
    methods = list(dict.fromkeys(row.method for row in rows if not row.section and row.method != 'inference'))
    series = [name for name in AXES if any(row.section == name for row in rows)]
    heights = [ROW_HEIGHT * len(methods) + 1.0, *([HEIGHT] if series else [])]
    with style.context(check_style('whitegrid')):
        figure = Figure(figsize=(WIDTH, sum(heights)), dpi=DPI, layout='constrained')
        FigureCanvasAgg(figure)
        parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        draw_costs(parts[0].subplots(), [row for row in rows if not row.section], methods)
        if series:
            colours = {name: f'C{number}' for number, name in enumerate(methods)}
            for axes, name in zip(parts[1].subplots(1, len(series), squeeze=False)[0], series):
                draw_series(axes, [row for row in rows if row.section == name], name, colours)
        figure.canvas.draw()  # words take their look from the style when they are first drawn
    return figure


def cost_picture(rows: Sequence[Row]) -> Any:
    """:func:`cost_figure` as a picture (H, W, 3), uint8, BGR."""
    import numpy as np

    canvas: Any = cost_figure(rows).canvas
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])


def draw_costs(axes: Any, rows: Sequence[Row], methods: Sequence[str]) -> None:
    """A line for each method, a marker for each detector; hollow where the time is an estimate."""
    for number, detector in enumerate(dict.fromkeys(row.detector for row in rows)):
        own = [row for row in rows if row.detector == detector and row.method in methods]
        style = dict(color=f'C{number}', marker=MARKERS[number % len(MARKERS)], linestyle='none', markersize=8)
        axes.plot([], [], label=detector, **style)
        for row in own:
            filling = {'markerfacecolor': 'none'} if row.ended_early else {}
            axes.plot(row.ratio_to_inference, methods.index(row.method), alpha=0.85, **style, **filling)
    axes.set_xscale('log')
    label_well(axes.xaxis)
    axes.set_yticks(range(len(methods)), methods)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.axvline(1, color='grey', linewidth=1)
    for number, method in enumerate(methods):
        if method.startswith(OTHERS):
            axes.axhspan(number - 0.5, number + 0.5, color='0.93', linewidth=0, zorder=0)
    axes.set_xlabel('plain inferences that the maps of a picture cost (hollow: estimated; grey: other packages)')
    axes.legend(loc='upper left', bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0)


def draw_series(axes: Any, rows: Sequence[Row], name: str, colours: Dict[str, str]) -> None:
    """Costs over what grows, a curve for each method, with its name where it ends."""
    heading, place, unit = AXES[name]
    for method in dict.fromkeys(row.method for row in rows):
        own = sorted((row for row in rows if row.method == method), key=place)
        costs = [row.ratio_to_inference if unit == INFERENCES else row.whole for row in own]
        colour = colours.get(method)
        axes.plot([place(row) for row in own], costs, marker='o', linewidth=2, color=colour)
        at_the_end = dict(textcoords='offset points', xytext=(8, 0), va='center', fontsize='small', color=colour)
        axes.annotate(method, (place(own[-1]), costs[-1]), **at_the_end)
    axes.set_yscale('log')
    label_well(axes.yaxis)
    axes.set_xlabel(heading)
    axes.set_ylabel(f'{unit} a picture')
    axes.set_title(', '.join(dict.fromkeys(row.detector for row in rows)), fontsize='medium')
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.75 * (right - left))  # room for the names
    axes.set_xticks(sorted({place(row) for row in rows}))
    axes.grid(False, axis='x')


def label_well(axis: Any) -> None:
    """Label 1, 2 and 5 of each power of ten."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter('{x:g}')
