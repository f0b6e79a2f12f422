"""Pictures where matplotlib and notebooks show them: in axes, in a window, in the output of a cell."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple

from ..errors import MmlensError, MmlensWarning

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

# matplotlib's backends that only write files.
_FILE_BACKENDS = ('agg', 'cairo', 'pdf', 'pgf', 'ps', 'svg', 'template')
_DPI = 100
_WIDEST = 10  # inches


def new_axes(size: Tuple[float, float], whole: bool = False) -> Axes:
    """Make a figure with axes, in pyplot, and without importing a GUI where there is no display.

    Args:
        size: Width and height of the figure in inches.
        whole: Whether the axes fill it, as a picture does.

    Raises:
        MmlensError: If matplotlib is not installed.
    """
    pyplot = _pyplot()
    figure = pyplot.figure(figsize=size)
    return figure.add_axes((0, 0, 1, 1)) if whole else figure.add_subplot()


def plot_picture(picture: np.ndarray, ax: Optional[Axes] = None) -> Axes:
    """Show a picture in axes.

    Args:
        picture: Shape (H, W, 3), uint8, BGR.
        ax: The axes. Defaults to new ones, in a figure as large as the picture and 10 inches wide at most.

    Returns:
        The axes, without ticks.
    """
    if ax is None:
        height, width = picture.shape[:2]
        inches = min(width / _DPI, _WIDEST)
        ax = new_axes((inches, inches * height / width), whole=True)
    ax.imshow(picture[..., ::-1])
    ax.set_axis_off()
    return ax


def in_notebook() -> bool:
    """Whether the code runs in a kernel that shows pictures, and not in a terminal."""
    ipython = sys.modules.get('IPython')
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, 'kernel', None) is not None


def show_picture(picture: np.ndarray, title: str) -> None:
    """Show a picture in the cell's output or in a window; where neither is, warn in a sentence.

    Args:
        picture: Shape (H, W, 3), uint8, BGR.
        title: Of the window.
    """
    if not in_notebook():
        return show_axes(lambda: plot_picture(picture), title)
    from IPython.display import Image, display

    from .drawing import Drawing

    display(Image(Drawing(picture).png()))


def show_axes(plot: Callable[[], Axes], title: str) -> None:
    """Show what is plotted into new axes of pyplot; where that is impossible, warn in a sentence.

    Args:
        plot: Draws, and returns the axes.
        title: Of the window. The call returns when that is closed, unless pyplot is interactive.
    """
    if not in_notebook() and not can_show():
        return
    ax, pyplot = plot(), _pyplot()
    manager = getattr(ax.figure.canvas, 'manager', None)
    if manager is not None:
        manager.set_window_title(title)
    pyplot.show()


def can_show() -> bool:
    """Whether a window can be opened; if not, a warning says what to do instead."""
    if not _has_display():
        why = 'There is no display here'
    elif _pyplot().get_backend().lower() in _FILE_BACKENDS:
        why = "matplotlib has no window here: its backend is '" + _pyplot().get_backend() + "'"
    else:
        return True
    warnings.warn(
        f'{why}: use `plot()` to draw into a figure, or write the picture that `draw()` returns.',
        MmlensWarning,
        stacklevel=_levels_to_the_user(),
    )
    return False


def _levels_to_the_user() -> int:
    """How far above the caller the code lies that is not mmlens's own."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get('__name__')).startswith('mmlens.'):
        level, frame = level + 1, frame.f_back
    return level


def _has_display() -> bool:
    return sys.platform in ('darwin', 'win32') or bool(os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY'))


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise MmlensError('`plot()` and `show()` need matplotlib: run `pip install matplotlib`.') from error
    # As long as nobody has chosen a backend, pyplot tries one GUI after the other; without a display all in vain.
    undecided = not isinstance(dict.__getitem__(matplotlib.rcParams, 'backend'), str)
    if undecided and not _has_display():
        matplotlib.use('agg')
    from matplotlib import pyplot

    return pyplot
