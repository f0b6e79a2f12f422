"""Curves over a training, as a figure."""

from __future__ import annotations

import difflib
import textwrap
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..errors import MmlensError
from .closeup import add_closeup
from .text import font_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Seaborn's figure styles, by the names that seaborn and MMPretrain's tools give them.
_SEABORN = ('darkgrid', 'whitegrid', 'dark', 'white', 'ticks')
_DPI = 100
_SMALLEST, _LARGEST = (4, 3), (100, 100)  # inches
_WIDE_ENOUGH = 8  # inches, for a legend next to the axes
# Legends: letters and lines per inch, and the inches that an entry's line takes and that must be left free.
_BESIDE = dict(letters=11, lines=4, handle=0.6, rest=1.4)
_BELOW = dict(letters=14, lines=1.3, handle=0.5, rest=0)  # a quarter of the height at most
_FEWER_LINES_BELOW = 0.75  # per inch, where not all fit anyway
_TITLE_LETTERS, _CAPTION_LETTERS = 8, 12  # per inch
_THIN, _THICK = 1.6, 3.2
_MARGIN = 0.01  # left and right of the curves
_LEAST_HEIGHT = 0.25  # of the curves, as a share of the figure's


@dataclass(frozen=True)
class Line:
    """A curve and its words.

    Attributes:
        values: Shape (N,).
        label: Its name in the legend.
        detail: More about it, below the name.
    """

    values: np.ndarray
    label: str
    detail: str = ''


@dataclass(frozen=True)
class Axis:
    """How positions along the training are counted.

    Attributes:
        name: What is counted: ``epoch`` or ``iteration``.
        end: Where the training ends, in these units.
    """

    name: str
    end: float


def check_style(name: str) -> str:
    """Find a style.

    Args:
        name: One of matplotlib's, or one of seaborn's figure styles (``whitegrid``).

    Returns:
        The name that the installed matplotlib knows it by.

    Raises:
        MmlensError: If there is none of that name.
    """
    from matplotlib import style

    candidates = [name] if name not in _SEABORN else [f'seaborn-v0_8-{name}', f'seaborn-{name}']
    known = ['default', *style.available]
    found = next((candidate for candidate in candidates if candidate in known), None)
    if found is None:
        names = sorted({*_SEABORN, *known})
        near = difflib.get_close_matches(name.lower(), names, 4, 0.4) or ['whitegrid', 'default', 'ggplot']
        raise MmlensError(f"There is no style '{name}'; did you mean {' or '.join(near)}?")
    return found


def check_size(size: Tuple[float, float]) -> None:
    """Check a figure's width and height in inches.

    Raises:
        MmlensError: If it is too small for axes and words, or too large for a picture.
    """
    for length, least, most in zip(size, _SMALLEST, _LARGEST):
        if not least <= length <= most:
            raise MmlensError(
                f'A figure of {size[0]:g} x {size[1]:g} inches cannot be drawn; choose from '
                f'{_SMALLEST[0]} x {_SMALLEST[1]} to {_LARGEST[0]} x {_LARGEST[1]}.'
            )


def curve_figure(
    x: np.ndarray,
    lines: Sequence[Line],
    axis: Axis,
    other_axis: Optional[Axis] = None,
    *,
    y_name: str = '',
    title: str = '',
    caption: str = '',
    style: str = 'whitegrid',
    size: Tuple[float, float] = (12, 7),
) -> Figure:
    """Draw curves into a figure of matplotlib, without a window and without global state.

    Args:
        x: Shape (N,): positions of the values, in the units of ``axis``, rising.
        lines: At least one. Several get a legend.
        axis: What the positions count, along the bottom.
        other_axis: The same positions in other units, along the top. Defaults to none.
        y_name: What the values are. Defaults to nothing.
        title: Above the axes. Defaults to nothing.
        caption: Below the axes. Defaults to nothing.
        style: See :func:`check_style`. Defaults to ``'whitegrid'``.
        size: Width and height in inches, see :func:`check_size`. Defaults to ``(12, 7)``.

    Returns:
        The figure; its ``savefig`` writes it in any format of matplotlib's.

    Raises:
        MmlensError: If there is no such style, or the size is out of bounds.
    """
    from matplotlib import style as styles
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    check_size(size)
    with styles.context(check_style(style)):
        figure = Figure(figsize=size, dpi=_DPI, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        legend = _Legend.of(lines, size)
        for place, (line, colour, width) in enumerate(zip(lines, legend.colours(), _widths(len(lines)))):
            axes.plot(x, line.values, color=colour, label=legend.label(place), linewidth=width)
        top = _set_axes(axes, lines, axis, other_axis, y_name)
        _set_title(figure, title, int(_TITLE_LETTERS * size[0]))
        caption = textwrap.fill(caption, int(_CAPTION_LETTERS * size[0]))
        below = figure.supxlabel(caption, fontsize='medium', parse_math=False)
        legend.add(figure, axes)
        figure.canvas.draw()  # text takes its look from the style when it is first drawn
        _make_room(figure, axes, [below, *top])
        if size[0] >= _WIDE_ENOUGH:
            add_closeup(axes, x, lines, axis)
            figure.canvas.draw()
    return figure


def draw_curves(*args: Any, **options: Any) -> np.ndarray:
    """Draw curves as a picture; the arguments are those of :func:`curve_figure`.

    Returns:
        Shape (H, W, 3), uint8, BGR: 100 pixels an inch.
    """
    canvas: Any = curve_figure(*args, **options).canvas
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])


def _set_axes(axes: Any, lines: Sequence[Line], axis: Axis, other_axis: Optional[Axis], y_name: str) -> List[Any]:
    """Set the axes up; returns the one along the top, if there is one."""
    axes.set_xlim(-_MARGIN * axis.end, (1 + _MARGIN) * axis.end)
    axes.set_xlabel(axis.name)
    axes.xaxis.set_major_formatter(_shortly)
    axes.set_ylabel(y_name)
    axes.yaxis.set_major_formatter('{x:.6g}')
    low, high = min(line.values.min() for line in lines), max(line.values.max() for line in lines)
    if low <= 0.5 * high or high == 0:
        high = high or 1.0
        axes.set_ylim(min(0.0, low) - 0.02 * high, 1.05 * high)
    if not other_axis:
        return []
    rate = other_axis.end / axis.end
    top = axes.secondary_xaxis('top', functions=(lambda value: value * rate, lambda value: value / rate))
    top.set_xlabel(other_axis.name)
    top.xaxis.set_major_formatter(_shortly)
    return [top]


def _make_room(figure: Any, axes: Any, parts: Sequence[Any]) -> None:
    """Leave out these parts, one after the other, until the curves have room."""
    for part in parts:
        if axes.bbox.height >= _LEAST_HEIGHT * figure.bbox.height:
            return
        part.set_visible(False)
        part.set_in_layout(False)
        figure.canvas.draw()


def _shortly(value: float, _: int) -> str:
    for unit, name in ((1e6, 'M'), (1e3, 'k')):
        if abs(value) >= unit:
            return f'{value / unit:g}{name}'
    return f'{value:g}'


def _widths(number: int) -> List[float]:
    """The first line thickest, so that it shows below one that follows the same path."""
    return [_THIN] if number == 1 else [float(width) for width in np.linspace(_THICK, _THIN, number)]


def _set_title(figure: Any, title: str, letters: int) -> None:
    """Write the title as it stands, dollars and all, in a font that has its letters."""
    path, title = font_for(title)
    wide = sum(unicodedata.east_asian_width(letter) in 'WF' for letter in title)  # as two letters
    drawn = figure.suptitle(
        textwrap.fill(title, max(1, letters * len(title) // max(1, len(title) + wide))), parse_math=False
    )
    if path:
        drawn.set_fontproperties(Path(path))
    drawn.set_fontsize('x-large')


@dataclass(frozen=True)
class _Legend:
    """How many curves are named, and where.

    Attributes:
        labels: One name per line, shortened if necessary.
        named: Which lines are named: all, or some at equal distances, the first and the last among them.
        beside: Whether the legend stands next to the axes, not below.
        columns: How many it has.
    """

    labels: Sequence[str]
    named: Sequence[int]
    beside: bool
    columns: int

    @classmethod
    def of(cls, lines: Sequence[Line], size: Tuple[float, float]) -> _Legend:
        """The legend that has room in a figure of this width and height."""
        beside, number = size[0] >= _WIDE_ENOUGH, len(lines)
        measures = _BESIDE if beside else _BELOW
        room = size[0] / 2 if beside else size[0] - 0.4
        longest = int((room - measures['handle']) * measures['letters'])
        labels = [textwrap.shorten(line.label, longest, placeholder='…') for line in lines]
        columns = max(1, int(room / (measures['handle'] + max(map(len, labels)) / measures['letters'])))
        rows = max(2, int((size[1] - measures['rest']) * measures['lines']))
        if not beside and columns * rows < number:
            rows = max(2, int(size[1] * _FEWER_LINES_BELOW))
        named = np.unique(np.linspace(0, number - 1, min(number, columns * rows)).round().astype(int))
        if beside and 2.6 * number <= rows:
            labels = [f'{label}\n{line.detail}' if line.detail else label for label, line in zip(labels, lines)]
            rows = number
        columns = -(-len(named) // rows) if beside else min(columns, number)
        return cls(labels, named.tolist(), beside, columns)

    def label(self, place: int) -> str:
        """The label for matplotlib's legend, which leaves out those that begin with an underscore."""
        return self.labels[place] if place in self.named else f'_{self.labels[place]}'

    def colours(self) -> List[Any]:
        """Those of the style if they suffice, else shades of a colour map that stand out from the style's paper."""
        from matplotlib import colormaps, colors, rcParams

        number = len(self.labels)
        cycle = rcParams['axes.prop_cycle'].by_key().get('color', ['C0'])
        if number <= len(cycle) and len(self.named) == number:
            return list(cycle[:number])
        dark_paper = np.mean(colors.to_rgb(rcParams['axes.facecolor'])) < 0.5
        low, high = (0.2, 1.0) if dark_paper else (0.0, 0.88)
        return list(colormaps['viridis'](np.linspace(low, high, number)))

    def add(self, figure: Any, axes: Any) -> None:
        """Draw it, if there is more than one line."""
        number = len(self.labels)
        if number < 2:
            return
        title = f'{len(self.named)} of {number} are named' if len(self.named) < number else None
        options: Dict[str, Any] = dict(ncols=self.columns, frameon=False, title=title, title_fontsize='small')
        if self.beside:
            detailed = any('\n' in label for label in self.labels)
            options.update(loc='upper left', bbox_to_anchor=(1.01, 1.0), borderaxespad=0, alignment='left')
            legend = axes.legend(labelspacing=0.9 if detailed else 0.5, fontsize='medium', **options)
        else:
            legend = axes.legend(
                fontsize='small', labelspacing=0.2, **_below_the_name_of_the_axis(figure, axes), **options
            )
        for text in legend.get_texts():
            text.set_parse_math(False)


def _below_the_name_of_the_axis(figure: Any, axes: Any) -> Dict[str, Any]:
    """Where a legend goes; the layout makes room for it, and moves the caption further down."""
    from matplotlib.transforms import ScaledTranslation

    figure.canvas.draw()  # the name has no position before
    depth = (axes.bbox.y0 - axes.xaxis.label.get_window_extent().y0) / figure.dpi
    down = ScaledTranslation(0, -depth, figure.dpi_scale_trans)
    return dict(loc='upper center', bbox_to_anchor=(0.5, 0.0), bbox_transform=axes.transAxes + down)
