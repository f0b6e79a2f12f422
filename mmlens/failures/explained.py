"""An error with its maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Optional, Union

import numpy as np

from ..errors import count
from ..results.explanation import Shown
from .failure import Failure

if TYPE_CHECKING:
    from ..rendering import Drawing


@dataclass(eq=False, repr=False)
class Why:
    """One map of an error.

    Attributes:
        title: What it is about.
        question: What it shows of that; empty where the title says so.
        target: What was explained.
        values: Shape (H, W), float32 in [0, 1]: the map, or of an edge that lies too far in, what pulls it in.
        raw: Shape (H, W): see :class:`~mmlens.BoxMap`.
        blank: Why there is none, and what to try; ``None`` if there is one.
        counter: Shape (H, W), or ``None``: what speaks for the true class; of a missed object, against its class.
        counter_title: What that shows.
    """

    title: str
    question: str
    target: str
    values: np.ndarray
    raw: np.ndarray
    blank: Optional[str] = None
    counter: Optional[np.ndarray] = None
    counter_title: str = ''

    def __repr__(self) -> str:
        blank = f', blank: {self.blank}' if self.blank else ''
        return f'<Why {self.title}: {self.target}{blank}>'


@dataclass(eq=False, repr=False)
class ExplainedFailure(Shown):
    """An error with its maps.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR.
        failure: The error.
        maps: One for each question.
        candidate: Shape (4,): of a missed object, the box of the candidate that stands for it; ``None`` without one.
        fusion: How the maps of levels became one.
        method: How they were made.
        notes: Sentences for the user.
    """

    picture: np.ndarray
    failure: Failure
    maps: List[Why] = field(default_factory=list)
    fusion: str = ''
    method: str = ''
    notes: List[str] = field(default_factory=list)
    candidate: Optional[np.ndarray] = None

    def __repr__(self) -> str:
        maps = f'{count(len(self.maps), "map")} by {self.method}'
        return f'<ExplainedFailure in {self.failure.picture}: {self.failure.type}, {maps}. {self.failure.sentence}>'

    def drawing(self, *args: Any, **options: Any) -> Drawing:
        """Draw a sheet: the picture with object (green) and detection (orange), the maps, and what is wrong.

        The candidate that stands for a missed object is drawn dashed.

        Args:
            *args, **options: ``colormap`` and ``alpha``; see :func:`mmlens.rendering.draw_box_maps`.
        """
        from ..rendering.failures import drawing_of_failure

        return drawing_of_failure(self, *args, **options)

    def save(self, path: Union[str, Path]) -> Path:
        """Write the arrays behind the sheet as a compressed ``.npz``, whole or not at all.

        Args:
            path: The file. It holds ``picture`` (H, W, 3) uint8, BGR; for K maps ``titles``, ``questions``, ``targets``
                (K,) text, ``values`` and ``raw`` (K, H, W) float32, and ``counters`` (K, H, W), NaN without one;
                ``type``, ``method`` and ``fusion`` text.

        Raises:
            OutputError: If the file cannot be written.
        """
        from ..files import write_atomically

        size = self.picture.shape[:2]

        def stacked(maps: List[Any]) -> np.ndarray:
            return np.array(maps, np.float32).reshape(-1, *size)

        with write_atomically(path, suffix='.npz') as temporary:
            np.savez_compressed(
                temporary,
                picture=self.picture,
                titles=np.array([why.title for why in self.maps], np.str_),
                questions=np.array([why.question for why in self.maps], np.str_),
                targets=np.array([why.target for why in self.maps], np.str_),
                values=stacked([why.values for why in self.maps]),
                raw=stacked([why.raw for why in self.maps]),
                counters=stacked([np.full(size, np.nan) if why.counter is None else why.counter for why in self.maps]),
                type=np.array(self.failure.type),
                method=np.array(self.method),
                fusion=np.array(self.fusion),
            )
        return Path(path)
