"""Showing results in a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Tuple

from ..errors import MmlensError

if TYPE_CHECKING:
    import numpy as np

# matplotlib's backends that only write files; it falls back to agg where there is no display.
FILE_BACKENDS = ('agg', 'cairo', 'pdf', 'pgf', 'ps', 'svg', 'template')


def check_display() -> None:
    """Check that a window can be opened.

    Raises:
        MmlensError: If there is no display, or no GUI toolkit.
    """
    from matplotlib import pyplot

    if pyplot.get_backend().lower() in FILE_BACKENDS:
        raise MmlensError('--show needs a display, but there is none here; leave it out to write files instead.')


def show_picture(
    picture: np.ndarray, title: str, wait: bool = True, size: Optional[Tuple[float, float]] = None
) -> None:
    """Show a picture in mmlens's only window.

    Args:
        picture: Shape (H, W, 3), uint8, BGR.
        title: Title of the window.
        wait: Whether to return only after the user has closed the window. Defaults to ``True``.
        size: Width and height of the window in inches. Defaults to matplotlib's.
    """
    from matplotlib import pyplot

    figure = pyplot.figure('mmlens', figsize=size)
    figure.clear()
    axes = figure.add_axes((0, 0, 1, 0.95))
    axes.set_title(title)
    axes.axis('off')
    axes.imshow(picture[..., ::-1])
    if wait:
        pyplot.show()
    else:
        pyplot.pause(0.001)
