"""Draw a picture of the shapes set, with everything known about it, from a seed and an index.

Two pairs of classes share their body and differ only in a small mark. The mark lies anywhere on the body,
and every other random choice is independent of it: swap the marks of a scene
(``draw_scene(..., swap_marks=True)``), and no pixel outside the marks' masks changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple, Union

import numpy as np

from . import composing, drawing

CLASSES = ('coin_dot', 'coin_cross', 'crate_ring', 'crate_bar', 'star', 'triangle')
"""Class names; the label of a class is its index."""

PAIRS = ((0, 1), (2, 3))
"""Labels of the classes that differ only in a mark."""

MARK_CLASSES = tuple(label for pair in PAIRS for label in pair)
PALETTE = ((255, 122, 89), (88, 134, 255), (54, 200, 146), (240, 190, 40), (190, 104, 230), (60, 200, 230))

MARK_RADIUS = 0.15
"""Radius of a mark's footprint, as a share of the object's side."""

SIZES = (0.18, 0.48)


@dataclass
class Scene:
    """A picture and the truth about it: N objects, from back to front.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR.
        boxes: Shape (N, 4), float32 ``x1, y1, x2, y2`` in pixels: tight around the visible part.
        labels: Shape (N,), int64: indexes into :data:`CLASSES`.
        masks: Shape (N, H, W), bool: the visible part of each object.
        mark_masks: Shape (N, H, W), bool: the footprint of each object's mark, the disc that contains its ink
            (a ring differs from a bar as much by where there is no ink as by where there is).
            Never occluded; empty for classes without a mark.
    """

    picture: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    mark_masks: np.ndarray

    def evidence(self, number: int) -> Dict[str, Union[np.ndarray, bool]]:
        """What is known about the evidence for one object, by name: masks (H, W), and facts."""
        return {'mark': self.mark_masks[number]} if self.mark_masks[number].any() else {}


@dataclass
class _Plan:
    """Where one object and its mark go, before anything is painted."""

    body: str
    outline: np.ndarray
    size: float
    mark: Optional[Tuple[np.ndarray, float, float]]  # centre, radius, angle


def _plan(rng: np.random.Generator, height: int, width: int) -> _Plan:
    """Choose the body, size and position of an object and, for bodies with a mark, where on it the mark lies."""
    body = ('coin', 'coin', 'crate', 'crate', 'star', 'triangle')[rng.integers(6)]
    longest = max(height, width)
    size = longest * np.exp(rng.uniform(*np.log(SIZES)))
    shape = {
        'coin': drawing.circle(0.5),
        'crate': drawing.rectangle(0.5, 0.5 * rng.uniform(0.8, 1)),
        'star': drawing.star() * 0.56,
        'triangle': drawing.circle(0.6, 3),
    }[body]
    angle = rng.uniform(-0.35, 0.35)
    margin = 0.56 * size
    centre = rng.uniform((margin, margin), (width - margin, height - margin))
    mark = None
    if body in ('coin', 'crate'):
        room = 0.5 - 1.25 * MARK_RADIUS
        where = rng.uniform(-1, 1, 2) * (room, room + shape[:, 1].max() - 0.5)
        if body == 'coin' and np.hypot(*where) > room:
            where *= room / np.hypot(*where) * np.sqrt(rng.uniform())
        mark_centre = drawing.place(where[None], centre, size, angle)[0]
        mark = (mark_centre, MARK_RADIUS * size, angle + rng.uniform(-0.4, 0.4))
    return _Plan(body, drawing.place(shape, centre, size, angle), size, mark)


def _paint_mark(rng: np.random.Generator, picture: np.ndarray, plan: _Plan, kind: str, base: np.ndarray) -> np.ndarray:
    """Paint a mark in place; return its footprint's mask."""
    assert plan.mark is not None
    centre, radius, angle = plan.mark
    composing.paint_mark(rng, picture, [drawing.place(p, centre, radius, angle) for p in drawing.MARKS[kind]], base)
    return composing.footprint(centre, radius, *picture.shape[:2])


def draw_scene(seed: int, index: int, swap_marks: bool = False, long_side: int = 320) -> Scene:
    """Draw one picture of the set.

    Args:
        seed: The split: pictures of different seeds are independent.
        index: The picture's number within the split.
        swap_marks: Give each object of a pair the other class's mark, and change nothing else.
        long_side: Longer side of the picture in pixels; object sizes are shares of it.

    Returns:
        The same scene for the same arguments, whatever was drawn before.

    Example:
        >>> scene = draw_scene(seed=0, index=7)
        >>> [CLASSES[label] for label in scene.labels]
    """
    rng = np.random.default_rng([seed, index])
    scene = composing.ground(rng, long_side)
    height, width = scene.picture.shape[:2]
    labels: List[int] = []
    marks: List[np.ndarray] = []
    wanted = rng.integers(2, 6)
    for _ in range(40):
        if len(labels) == wanted:
            break
        plan, second = _plan(rng, height, width), bool(rng.integers(2))
        whole = composing.mask_of([plan.outline], height, width)
        if not scene.fits(whole):
            continue
        base = drawing.draw_body(rng, scene.picture, plan.outline, plan.size)
        if plan.mark is None:
            labels.append(CLASSES.index(plan.body))
            marks.append(np.zeros_like(whole))
        else:
            pair = PAIRS[('coin', 'crate').index(plan.body)]
            labels.append(pair[second != swap_marks])
            marks.append(_paint_mark(rng, scene.picture, plan, CLASSES[labels[-1]].split('_')[1], base))
        scene.put(whole, marks[-1])
    scene.put_sticks(rng, long_side)
    return Scene(
        picture=scene.rounded(),
        boxes=scene.boxes(),
        labels=np.array(labels, np.int64),
        masks=scene.stack(scene.masks),
        mark_masks=scene.stack(marks),
    )
