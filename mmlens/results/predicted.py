"""What a network predicts for a picture, whatever its kind: plain arrays in picture pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from .explanation import Record, texts

_PREFIX = 'predicted_'


def _floats() -> np.ndarray:
    return np.zeros(0, np.float32)


@dataclass(eq=False, repr=False)
class Predicted(Record):
    """What a network predicts for a picture. Each kind of network fills in what it predicts.

    Attributes:
        boxes: Shape (N, 4), float32 ``x1, y1, x2, y2``, best first: the objects found; around its corners for
            a rotated box. ``None`` for a network that finds no objects.
        polygons: Shape (N, 4, 2), float32: corners ``x, y`` of rotated boxes; ``None`` for upright ones.
        masks: Shape (N, H, W), bool: the objects' masks; ``None`` without.
        labels: Shape (N,), int64: class indexes.
        scores: Shape (N,), float32.
        class_names: N names.
        seg_map: Shape (H, W), int64: class index of each pixel; ``None`` without. Indexes below 0 mean no
            class, and so does 255 unless ``seg_names`` has it.
        seg_names: Names of the classes in ``seg_map``; the index stands for a name that is missing.
        keypoints: Shape (N, K, 2), float32 ``x, y`` of each object; ``None`` without.
        keypoint_scores: Shape (N, K), float32; ``None`` without.
        skeleton: Pairs of keypoints that are joined by a limb, by their indexes.
        classes: Name and score of classes of the whole picture, best first.
        notes: Sentences on what is left out.
    """

    boxes: Optional[np.ndarray] = None
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: np.ndarray = field(default_factory=_floats)
    class_names: List[str] = field(default_factory=list)
    polygons: Optional[np.ndarray] = None
    masks: Optional[np.ndarray] = None
    seg_map: Optional[np.ndarray] = None
    seg_names: Dict[int, str] = field(default_factory=dict)
    keypoints: Optional[np.ndarray] = None
    keypoint_scores: Optional[np.ndarray] = None
    skeleton: Tuple[Tuple[int, int], ...] = ()
    classes: Tuple[Tuple[str, float], ...] = ()
    notes: List[str] = field(default_factory=list)

    def __repr__(self) -> str:
        parts = [] if self.boxes is None else [f'{len(self.boxes)} boxes']
        parts += [name for name in ('polygons', 'masks', 'seg_map', 'keypoints') if getattr(self, name) is not None]
        parts += [f'{name} {score:.2f}' for name, score in self.classes[:1]]
        return f'<Predicted: {", ".join(parts) or "nothing"}>'

    def arrays(self) -> Dict[str, np.ndarray]:
        """Its fields as arrays that need no pickle, each name after ``predicted_``; those that are ``None`` are not."""
        found = {name: getattr(self, name) for name in ('labels', 'scores', *_OPTIONAL)}
        found.update(
            class_names=texts(self.class_names),
            seg_indexes=np.array(list(self.seg_names), np.int64),
            seg_names=texts(list(self.seg_names.values())),
            skeleton=np.array(self.skeleton, np.int64).reshape(-1, 2),
            classes=texts([name for name, _ in self.classes]),
            class_scores=np.array([score for _, score in self.classes], np.float64),
            notes=texts(self.notes),
        )
        return {f'{_PREFIX}{name}': array for name, array in found.items() if array is not None}

    @classmethod
    def from_arrays(cls, saved: Dict[str, np.ndarray]) -> Optional[Predicted]:
        """What :meth:`arrays` gave; ``None`` if it is not among the saved arrays."""
        found = {name[len(_PREFIX) :]: array for name, array in saved.items() if name.startswith(_PREFIX)}
        if not found:
            return None
        return cls(
            labels=found['labels'],
            scores=found['scores'],
            class_names=found['class_names'].tolist(),
            seg_names=dict(zip(found['seg_indexes'].tolist(), found['seg_names'].tolist())),
            skeleton=tuple((start, end) for start, end in found['skeleton'].tolist()),
            classes=tuple(zip(found['classes'].tolist(), found['class_scores'].tolist())),
            notes=found['notes'].tolist(),
            **{name: found.get(name) for name in _OPTIONAL},
        )


_OPTIONAL: Sequence[str] = ('boxes', 'polygons', 'masks', 'seg_map', 'keypoints', 'keypoint_scores')
