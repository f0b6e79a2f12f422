"""One picture's drawings over a training: a contact sheet, or frames of an animation."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

import numpy as np

from .sheets import Panel, compose, fit_canvas, panel_size


def draw_contact_sheet(
    drawings: Sequence[np.ndarray], titles: Sequence[str], columns: Optional[int] = None
) -> np.ndarray:
    """Put drawings side by side, each below its title.

    Args:
        drawings: uint8 BGR, at least one; of about the same size.
        titles: One a drawing.
        columns: How many stand in a row. Defaults to as many as make the sheet roughly landscape.

    Returns:
        A new uint8 BGR picture.
    """
    width, height = _common_size(drawings)
    size = panel_size(np.empty((height, width, 0)), len(drawings), smallest=min(320, max(width, height)))
    panels = [Panel(fit_canvas(drawing, size), title) for drawing, title in zip(drawings, titles)]
    return compose(panels, columns)


def animation_frames(drawings: Sequence[np.ndarray], titles: Sequence[str], longest: int = 960) -> List[np.ndarray]:
    """Make frames of one size, each with its title.

    Args:
        drawings: uint8 BGR, at least one; of about the same size.
        titles: One a drawing.
        longest: A drawing's longer side is at most so many pixels.

    Returns:
        New uint8 BGR pictures.
    """
    width, height = _common_size(drawings)
    scale = min(1.0, longest / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return [compose([Panel(fit_canvas(drawing, size), title)]) for drawing, title in zip(drawings, titles)]


def _common_size(drawings: Sequence[np.ndarray]) -> Tuple[int, int]:
    """Width and height that hold each drawing: a strip of labels makes some larger."""
    return max(drawing.shape[1] for drawing in drawings), max(drawing.shape[0] for drawing in drawings)
