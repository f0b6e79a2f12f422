"""One picture as the network sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Tuple

import numpy as np

from .geometry import Geometry
from .words import Words


@dataclass
class Prepared:
    """One picture as the network sees it.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR.
        batch: What the data preprocessor returned: a batch of one.
        geometry: Where the input lies in the picture.
        words: What an open-vocabulary network was told to look for.
        notes: Sentences on how the picture was read.
    """

    picture: np.ndarray
    batch: Any
    geometry: Geometry
    words: Optional[Words] = None
    notes: Tuple[str, ...] = ()

    @property
    def input_size(self) -> Tuple[int, int]:
        """``(height, width)`` of the input."""
        return self.geometry.input_size
