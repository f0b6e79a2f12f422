"""What ``explain_boxes`` returns: plain arrays in picture coordinates, with the words that belong to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

import numpy as np


@dataclass
class BoxMap:
    """One detection and the map that explains it.

    Attributes:
        index: Rank of the detection by score among all that the detector returned, from 0.
        box: Shape (4,), float32 ``x1, y1, x2, y2`` in picture pixels.
        label: Class index.
        class_name: Class name, or the index as text where the model knows no names.
        score: The detector's confidence in [0, 1].
        raw: Shape (H, W), float32 >= 0 on the picture's grid, before normalising. Values of two
            boxes are comparable only if both explain the same target with the same method.
        normalised: Shape (H, W), float32 in [0, 1] on the picture's grid; its maximum is 1 unless
            the map is blank. With ``norm_in_bbox`` it is rescaled within the box and zero outside.
        blank: Why the map is empty and what to try; ``None`` for a map that is not.
        mask: Shape (H, W), bool: the detector's instance mask, where it predicts one.
    """

    index: int
    box: np.ndarray
    label: int
    class_name: str
    score: float
    raw: np.ndarray
    normalised: np.ndarray
    blank: Optional[str] = None
    mask: Optional[np.ndarray] = None


@dataclass
class BoxExplanation:
    """The boxes of one picture, each with its own map.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR, as it was read.
        boxes: The explained detections, highest score first. Empty if none was selected.
        layers: Names of the tapped layers, as the user wrote them.
        method: Registry name of the method.
        target: ``'score'``, ``'box'`` or ``'both'``.
        notes: Sentences for the user (why a map is blank, that a method is box-agnostic, ...).
        versions: Versions of the packages that made the maps.
        passes: How often the network, or what follows the layers, was run with something altered.
        unfinished: Whether that was ended early: the maps are those so far.
    """

    picture: np.ndarray
    boxes: List[BoxMap]
    layers: Tuple[str, ...]
    method: str
    target: str
    notes: List[str] = field(default_factory=list)
    versions: Dict[str, str] = field(default_factory=dict)
    passes: int = 0
    unfinished: bool = False

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[BoxMap]:
        return iter(self.boxes)

    def __getitem__(self, position: int) -> BoxMap:
        return self.boxes[position]

    def draw(self, layout: str = 'overlay', **options: Any) -> np.ndarray:
        """Draw the maps over the picture.

        Args:
            layout: ``'overlay'`` (all boxes on one picture: the maximum of their maps) or
                ``'panels'`` (one panel a box, with class, score and colour bar).
            **options: ``colormap`` and ``alpha``, see :func:`mmlens.rendering.draw_box_maps`.

        Returns:
            A new uint8 BGR picture.
        """
        from ..rendering import draw_box_maps

        return draw_box_maps(self, layout=layout, **options)

    def save(self, path: Union[str, Path]) -> Path:
        """Write boxes and maps as a compressed ``.npz`` (see :meth:`arrays`), whole or not at all."""
        from ..files import write_atomically

        with write_atomically(path, suffix='.npz') as temporary:
            np.savez_compressed(temporary, **self.arrays())  # type: ignore[arg-type]
        return Path(path)

    def arrays(self) -> Dict[str, np.ndarray]:
        """What :meth:`save` writes.

        Returns:
            ``raw`` and ``normalised`` (N, H, W) float32; ``boxes`` (N, 4) float32, picture pixels;
            ``labels``, ``indices`` (N,) int64; ``scores`` (N,) float32; ``classes``, ``blank`` (N,)
            text; ``layers``, ``method``, ``target``, ``notes``, ``versions`` (``name==version``) text;
            ``unfinished`` bool.
        """
        height, width = self.picture.shape[:2]
        boxes = self.boxes
        return {
            'raw': np.array([b.raw for b in boxes], np.float32).reshape(-1, height, width),
            'normalised': np.array([b.normalised for b in boxes], np.float32).reshape(-1, height, width),
            'boxes': np.array([b.box for b in boxes], np.float32).reshape(-1, 4),
            'labels': np.array([b.label for b in boxes], np.int64),
            'indices': np.array([b.index for b in boxes], np.int64),
            'scores': np.array([b.score for b in boxes], np.float32),
            'classes': np.array([b.class_name for b in boxes], np.str_),
            'blank': np.array([b.blank or '' for b in boxes], np.str_),
            'layers': np.array(self.layers, np.str_),
            'method': np.array(self.method),
            'target': np.array(self.target),
            'notes': np.array(self.notes, np.str_),
            'unfinished': np.array(self.unfinished),
            'versions': np.array([f'{k}=={v}' for k, v in sorted(self.versions.items())], np.str_),
        }
