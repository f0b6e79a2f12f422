"""What ``explain_classes`` returns: plain arrays in picture coordinates, with the words that belong to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

import numpy as np


@dataclass
class ClassMap:
    """One class and the map that explains its logit.

    Attributes:
        category: Class index.
        class_name: Class name, or the index as text where the model knows no names.
        score: The classifier's confidence in [0, 1].
        logit: What is explained.
        rank: Rank of the class by score among all, from 0.
        raw: Shape (H, W), float32 >= 0 on the picture's grid, before scaling to [0, 1]. With several
            layers, ``aug_smooth`` or a method that runs the model many times it is scaled already.
        normalised: Shape (H, W), float32 in [0, 1] on the picture's grid: minimum 0 and maximum 1 on
            the network's input, as published; 0 where the picture was cropped away.
        blank: Why the map is empty and what to try; ``None`` for a map that is not.
        guided: Shape (H, W, 3), float32, BGR: the guided gradients at the picture's pixels, if asked for.
    """

    category: int
    class_name: str
    score: float
    logit: float
    rank: int
    raw: np.ndarray
    normalised: np.ndarray
    blank: Optional[str] = None
    guided: Optional[np.ndarray] = None


@dataclass
class ClassExplanation:
    """Some classes of one picture, each with its own map.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR, as it was read.
        classes: The explained classes, in the order they were asked for.
        covered: Shape (H, W), bool: which pixels the network sees; a centre crop cuts the rest away.
        to_input: Shape (3, 3), float64: picture position (x, y, 1) to position in the network's input.
        input_size: ``(height, width)`` of the network's input.
        layers: Names of the tapped layers; none where the method finds its layers by itself.
        method: Name of the method.
        notes: Sentences for the user (why a map is blank, that a method is class-agnostic, ...).
        versions: Versions of the packages that made the maps.
        unfinished: Whether the work was ended early: the maps are those so far.
    """

    picture: np.ndarray
    classes: List[ClassMap]
    covered: np.ndarray
    to_input: np.ndarray
    input_size: Tuple[int, int]
    layers: Tuple[str, ...]
    method: str
    notes: List[str] = field(default_factory=list)
    versions: Dict[str, str] = field(default_factory=dict)
    unfinished: bool = False

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[ClassMap]:
        return iter(self.classes)

    def __getitem__(self, position: int) -> ClassMap:
        return self.classes[position]

    def draw(self, **options: Any) -> np.ndarray:
        """Draw the maps over the picture. See :func:`mmlens.rendering.class_maps.draw_class_maps` for the options.

        Returns:
            A new uint8 BGR picture.
        """
        from ..rendering.class_maps import draw_class_maps

        return draw_class_maps(self, **options)

    def save(self, path: Union[str, Path]) -> Path:
        """Write classes and maps as a compressed ``.npz`` (see :meth:`arrays`), whole or not at all."""
        from ..files import write_atomically

        with write_atomically(path, suffix='.npz') as temporary:
            np.savez_compressed(temporary, **self.arrays())  # type: ignore[arg-type]
        return Path(path)

    def arrays(self) -> Dict[str, np.ndarray]:
        """What :meth:`save` writes.

        Returns:
            ``raw`` and ``normalised`` (N, H, W) float32; ``covered`` (H, W) bool; ``categories``,
            ``ranks`` (N,) int64; ``scores``, ``logits`` (N,) float32; ``classes``, ``blank`` (N,) text;
            ``to_input`` (3, 3) float64; ``layers``, ``method``, ``notes``, ``versions`` (``name==version``)
            text; ``unfinished`` bool; with guided gradients ``guided`` (N, H, W, 3) float32, BGR.
        """
        height, width = self.picture.shape[:2]
        classes = self.classes
        guided = [c.guided for c in classes if c.guided is not None]
        return {
            **({'guided': np.array(guided, np.float32)} if guided else {}),
            'raw': np.array([c.raw for c in classes], np.float32).reshape(-1, height, width),
            'normalised': np.array([c.normalised for c in classes], np.float32).reshape(-1, height, width),
            'covered': self.covered,
            'categories': np.array([c.category for c in classes], np.int64),
            'ranks': np.array([c.rank for c in classes], np.int64),
            'scores': np.array([c.score for c in classes], np.float32),
            'logits': np.array([c.logit for c in classes], np.float32),
            'classes': np.array([c.class_name for c in classes], np.str_),
            'blank': np.array([c.blank or '' for c in classes], np.str_),
            'to_input': self.to_input,
            'layers': np.array(self.layers, np.str_),
            'method': np.array(self.method),
            'notes': np.array(self.notes, np.str_),
            'unfinished': np.array(self.unfinished),
            'versions': np.array([f'{k}=={v}' for k, v in sorted(self.versions.items())], np.str_),
        }
