"""What a data pipeline does to one sample: plain arrays, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, Sequence, Tuple

import numpy as np

from .explanation import Record, Shown
from .exports import Table, Tabular

if TYPE_CHECKING:
    from ..rendering import Drawing


def _no_boxes() -> np.ndarray:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class View(Record):
    """A picture that a transform left, with its annotations, all in this picture's pixels.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR: the transform's array or tensor, turned back into a picture.
        shape: Shape of that array or tensor: ``(H, W, 3)``, or ``(3, H, W)`` once it is packed.
        dtype: Its type, such as ``'uint8'``.
        boxes: Shape (N, 4), float32 ``x1, y1, x2, y2``.
        labels: Shape (N,), int64: class indexes of the boxes; -1 for a box without one.
        ignored: Shape (N,), bool: boxes that the training ignores (crowds).
        masks: Shape (N, H, W), bool: instance masks; ``None`` without.
        seg_map: Shape (H, W), int64: class index of every pixel; ``None`` without.
        hidden: Shape (h, w), bool: the cells that masked image modelling hides; ``None`` without.
        classes: Class indexes of the whole picture.
        notes: How the array became a picture, where it is not obvious.
        name: What was done to it and not to the other pictures of the step: ``'640 × 640, flipped horizontally'``.
    """

    picture: np.ndarray
    shape: Tuple[int, ...]
    dtype: str
    boxes: np.ndarray = field(default_factory=_no_boxes)
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    ignored: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    masks: Optional[np.ndarray] = None
    seg_map: Optional[np.ndarray] = None
    hidden: Optional[np.ndarray] = None
    classes: Tuple[int, ...] = ()
    notes: Tuple[str, ...] = ()
    name: str = ''

    def __repr__(self) -> str:
        return f'<View {self.shape} {self.dtype}, {len(self.boxes)} boxes>'


@dataclass(frozen=True, eq=False, repr=False)
class Step(Record):
    """What one transform left.

    Attributes:
        name: Class name of the transform.
        within: Names of the transforms that called it, outermost first (``RandomChoice``).
        views: The pictures it left: one, except for transforms that make several (``MultiView``).
        changed: Whether pictures or annotations differ from those of the step before.
        branches: The steps of other pictures (or of copies of this one) that this transform mixed in.
        notes: Sentences on this step.
    """

    name: str
    within: Tuple[str, ...]
    views: Tuple[View, ...]
    changed: bool = True
    branches: Tuple[Branch, ...] = ()
    notes: Tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f'<Step {".".join((*self.within, self.name))}: {", ".join(map(repr, self.views))}>'


@dataclass(frozen=True, eq=False, repr=False)
class Branch(Record):
    """The steps of a picture that is not the sample's own.

    Attributes:
        path: File of the picture; empty if it is not known.
        steps: What its transforms left, in order.
        name: What was done to it and not in the step's other branches, if the step keeps all of them as its views.
    """

    path: str
    steps: Tuple[Step, ...]
    name: str = ''

    def __repr__(self) -> str:
        return f'<Branch {self.path or "(no file)"}: {_names(self.steps)}>'


@dataclass(frozen=True, eq=False, repr=False)
class SampleSteps(Shown, Tabular):
    """One sample of a dataset, step by step.

    Attributes:
        index: Index of the sample in the dataset.
        path: File of its picture; empty if the dataset has no files.
        class_names: Names of the classes; empty if the dataset has none.
        steps: What its transforms left, in order; at least one.
        notes: Sentences for the user on the whole sample.
        sample: What the dataset returned: what a batch is made of.
    """

    index: int
    path: str
    class_names: Tuple[str, ...]
    steps: Tuple[Step, ...]
    notes: Tuple[str, ...]
    sample: Any

    @property
    def original(self) -> Step:
        """The picture as it was loaded, with its annotations if they were loaded before it was changed."""
        first = self.steps[0]
        for step in self.steps:
            if len(step.views) != 1 or not np.array_equal(step.views[0].picture, first.views[0].picture):
                break
            if has_annotations(step.views[0]):
                return step
        return first

    @property
    def transformed(self) -> Step:
        """What the last transform left."""
        return self.steps[-1]

    def name_of(self, label: int) -> str:
        """The name of a class; its index as text where there is none."""
        return self.class_names[label] if 0 <= label < len(self.class_names) else str(label)

    def __repr__(self) -> str:
        return f'<SampleSteps {self.index} {self.path or "(no file)"}: {_names(self.steps)}>'

    def table(self) -> Table:
        """See :class:`~mmlens.results.exports.Tabular`.

        Returns:
            A row for each picture that a transform left: ``step``, ``within``, ``changed``, ``height``, ``width``,
            ``dtype``, ``boxes`` (how many), ``view`` (its name).
        """
        views = [(step, view) for step in self.steps for view in step.views]
        return {
            'step': [step.name for step, _ in views],
            'within': ['.'.join(step.within) for step, _ in views],
            'changed': [step.changed for step, _ in views],
            'height': [view.picture.shape[0] for _, view in views],
            'width': [view.picture.shape[1] for _, view in views],
            'dtype': [view.dtype for _, view in views],
            'boxes': [len(view.boxes) for _, view in views],
            'view': [view.name for _, view in views],
        }

    def drawing(self, mode: str = 'concat', edges: Optional[Tuple[int, int]] = None, bgr2rgb: bool = False) -> Drawing:
        """Draw the sample, and say what lies where; see :meth:`draw`."""
        from ..rendering.samples import drawing_of_steps

        return drawing_of_steps(self, mode, edges, bgr2rgb)

    def draw(self, mode: str = 'concat', edges: Optional[Tuple[int, int]] = None, bgr2rgb: bool = False) -> np.ndarray:
        """Draw the sample; see :func:`mmlens.rendering.draw_steps`."""
        return self.drawing(mode, edges, bgr2rgb).image


def _names(steps: Sequence[Step]) -> str:
    return ', '.join(step.name for step in steps)


def has_annotations(view: View) -> bool:
    """Whether boxes or a segmentation map belong to a picture."""
    return bool(len(view.boxes)) or view.seg_map is not None
