"""Draw a picture of the evidence set: classes told by what lies beside them, by two marks, or by a shortcut.

Three kinds of evidence, each with classes that share their body:

* *context*: a flag or a lamp beside a hut, outside of its box;
* *two parts*: two marks on a plate. Every mark belongs to two of the three classes, so that only both tell which;
* *shortcut*: a faint mark on a card tells its class, and so does, in training pictures alone, a clear watermark.

Every other random choice is independent of these: swap the evidence of a scene (``swapped=True``), or add and
remove its watermarks (``stamps=...``), and no pixel outside of their masks changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple, Union

import numpy as np

from . import composing, drawing
from .scenes import Scene

CLASSES = ('hut_flag', 'hut_lamp', 'plate_dot_cross', 'plate_dot_bar', 'plate_cross_bar', 'card_ring', 'card_cross')
"""Class names; the label of a class is its index."""

PALETTE = (
    (255, 122, 89),
    (88, 134, 255),
    (54, 200, 146),
    (240, 190, 40),
    (190, 104, 230),
    (60, 200, 230),
    (160, 160, 60),
)
KINDS = {'context': (0, 1), 'two_part': (2, 3, 4), 'shortcut': (5, 6)}
"""Labels of the classes of each kind of evidence; they share their body."""

INK = {name: tuple(name.split('_')[1:]) for name in CLASSES}
STAMPED = CLASSES.index('card_cross')
"""The class that bears the watermark in training pictures."""

STAMPS = ('shortcut', 'by chance', 'never', 'always')
"""Which cards bear the watermark: the stamped class alone, half of each class, none, or all."""

SIZES = {'context': (0.22, 0.38), 'two_part': (0.22, 0.46), 'shortcut': (0.22, 0.46)}
"""Least and largest side of the objects of each kind, as shares of the picture's longer side."""

SIGN_RADIUS, MARK_RADIUS, FAINT_RADIUS, STAMP_RADIUS = 0.2, 0.14, 0.12, 0.13
"""Radii of footprints, as shares of the object's side: signs beside huts, marks on plates and cards, watermarks."""

GAP = (0.02, 0.06)
"""Between a hut's box and its sign, as shares of the hut's side."""

HUT_WIDTH = 0.75
"""Of its height. Narrow, for a sign to stand within reach of the cells that find the hut."""

FAINT = (0.12, 0.35)
"""Opacity of the marks on cards."""


def kind_of(label: int) -> str:
    """The kind of evidence that a class is told by."""
    return next(kind for kind, labels in KINDS.items() if label in labels)


@dataclass
class EvidenceScene(Scene):
    """A picture of the evidence set and the truth about it.

    ``mark_masks`` holds all that tells an object's class: the union of its ``part_masks``.

    Attributes:
        part_masks: Shape (N, 2, H, W), bool: the footprint of each piece of evidence. The second one is empty for
            huts and cards. A hut's lies beside it, outside of its mask and box. Never occluded.
        stamp_masks: Shape (N, H, W), bool: where a card has its watermark or would have it; else empty.
        stamped: Shape (N,), bool: whether the watermark is there.
    """

    part_masks: np.ndarray
    stamp_masks: np.ndarray
    stamped: np.ndarray

    def evidence(self, number: int) -> Dict[str, Union[np.ndarray, bool]]:
        """As of every scene; for plates each of the two marks too, for cards the watermark."""
        known = super().evidence(number)
        if self.part_masks[number, 1].any():
            known.update(first_mark=self.part_masks[number, 0], second_mark=self.part_masks[number, 1])
        if self.stamp_masks[number].any():
            known.update(stamp=self.stamp_masks[number], stamped=bool(self.stamped[number]))
        return known


@dataclass
class _Spot:
    """Where ink goes."""

    centre: np.ndarray
    radius: float
    angle: float

    def polygons(self, ink: List[np.ndarray]) -> List[np.ndarray]:
        return [drawing.place(points, self.centre, self.radius, self.angle) for points in ink]

    def mask(self, height: int, width: int) -> np.ndarray:
        return composing.footprint(self.centre, self.radius, height, width)

    def within(self, height: int, width: int) -> bool:
        low, high = self.centre - self.radius - 1, self.centre + self.radius + 1
        return bool((low >= 0).all() and (high <= (width, height)).all())


@dataclass
class _Plan:
    """Where one object and its evidence go, before anything is painted."""

    kind: str
    outline: np.ndarray
    size: float
    spots: List[_Spot]
    stamp: Optional[_Spot] = None

    @property
    def surroundings(self) -> np.ndarray:
        """The box that holds the object and all that can stand beside it: shape (4,)."""
        reach = (GAP[1] + 2 * SIGN_RADIUS) * self.size * np.array([1, 0.4])  # signs stand at the sides
        return np.concatenate([self.outline.min(0) - reach, self.outline.max(0) + reach])


def _plan(rng: np.random.Generator, height: int, width: int) -> _Plan:
    """Choose the kind, size and place of an object, and the places of its evidence."""
    kind = ('context', 'context', 'context', 'two_part', 'shortcut')[rng.integers(5)]
    size = max(height, width) * np.exp(rng.uniform(*np.log(SIZES[kind])))
    shape = {
        'context': drawing.house() * (HUT_WIDTH, 1),
        'two_part': drawing.circle(0.5),
        'shortcut': drawing.rectangle(0.5, 0.5 * rng.uniform(0.8, 1)),
    }[kind]
    angle = rng.uniform(-0.3, 0.3)
    centre = rng.uniform((0.56 * size, 0.56 * size), (width - 0.56 * size, height - 0.56 * size))
    outline = drawing.place(shape, centre, size, angle)
    if kind == 'context':
        return _Plan(kind, outline, size, [_beside(rng, outline, size)])

    def spot(where: np.ndarray, radius: float, turn: float) -> _Spot:
        return _Spot(drawing.place(where[None], centre, size, angle)[0], radius * size, angle + turn)

    if kind == 'two_part':
        return _Plan(kind, outline, size, [spot(w, MARK_RADIUS, rng.uniform(-0.4, 0.4)) for w in _two_places(rng)])
    mark, corner = _mark_and_corner(rng, shape)
    mark_spot = spot(mark, FAINT_RADIUS, rng.uniform(-0.4, 0.4))
    return _Plan(kind, outline, size, [mark_spot], spot(corner, STAMP_RADIUS, rng.uniform(-0.2, 0.2)))


def _beside(rng: np.random.Generator, outline: np.ndarray, size: float) -> _Spot:
    """A place left or right of a hut."""
    low, high = outline.min(0), outline.max(0)
    away = (rng.uniform(*GAP) + SIGN_RADIUS) * size
    across = high[0] + away if rng.integers(2) else low[0] - away
    down = (low[1] + high[1]) / 2 + rng.uniform(-0.2, 0.3) * (high[1] - low[1])
    return _Spot(np.array([across, down]), SIGN_RADIUS * size, rng.uniform(-0.15, 0.15))


def _two_places(rng: np.random.Generator) -> np.ndarray:
    """Two places on a plate of diameter 1 that keep apart, shape (2, 2)."""
    room = 0.5 - 1.2 * MARK_RADIUS
    while True:
        places = rng.uniform(-room, room, (2, 2))
        apart = np.hypot(*(places[0] - places[1])) > 2.4 * MARK_RADIUS
        if apart and (np.hypot(*places.T) <= room).all():
            return places


def _mark_and_corner(rng: np.random.Generator, shape: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """A place for a card's mark, and the corner for its watermark, which keep apart."""
    corner = (shape.max(0) - 1.25 * STAMP_RADIUS) * rng.choice((-1, 1), 2)
    while True:
        mark = rng.uniform(-1, 1, 2) * (shape.max(0) - 1.3 * FAINT_RADIUS)
        if np.hypot(*(mark - corner)) > 1.2 * (FAINT_RADIUS + STAMP_RADIUS):
            return mark, corner


def _stands_free(plan: _Plan, scene: composing.Composition, huts: List[np.ndarray]) -> bool:
    """Whether what stands beside a hut lies on open ground in the picture, and no other hut is near."""
    height, width = scene.picture.shape[:2]
    if plan.kind != 'context':
        return True
    if not plan.spots[0].within(height, width):
        return False
    own = plan.surroundings
    if any((own[:2] < other[2:]).all() and (other[:2] < own[2:]).all() for other in huts):
        return False
    sign = plan.spots[0].mask(height, width)
    return scene.fits(sign) and not any((sign & whole).any() for whole in scene.wholes)


def _is_stamped(stamps: str, label: int, by_chance: bool) -> bool:
    """Whether a card bears the watermark."""
    return {'shortcut': label == STAMPED, 'by chance': by_chance, 'never': False, 'always': True}[stamps]


def _paint_evidence(rng: np.random.Generator, picture: np.ndarray, plan: _Plan, label: int, base: np.ndarray) -> None:
    """Paint what tells an object's class, in place."""
    for spot, name in zip(plan.spots, INK[CLASSES[label]]):
        opacity = rng.uniform(*FAINT) if plan.kind == 'shortcut' else 1.0
        if plan.kind == 'context':
            base = picture[spot.mask(*picture.shape[:2])].mean(0)
        ink = drawing.SIGNS[name] if plan.kind == 'context' else drawing.MARKS[name]
        composing.paint_mark(rng, picture, spot.polygons(ink), base, opacity)


def draw_scene(
    seed: int, index: int, swapped: bool = False, stamps: str = 'by chance', long_side: int = 320
) -> EvidenceScene:
    """Draw one picture of the set.

    Args:
        seed: The split: pictures of different seeds are independent.
        index: The picture's number within the split.
        swapped: Give each object the evidence of the next class of its kind, and change nothing else.
        stamps: One of :data:`STAMPS`. Only watermarks depend on it.
        long_side: Longer side of the picture in pixels; object sizes are shares of it.

    Returns:
        The same scene for the same arguments, whatever was drawn before.
    """
    rng = np.random.default_rng([seed, index])
    scene = composing.ground(rng, long_side)
    size = scene.picture.shape[:2]
    objects: List[Tuple[_Plan, int, bool]] = []
    huts: List[np.ndarray] = []
    wanted = rng.integers(2, 6)
    for _ in range(60):
        if len(objects) == wanted:
            break
        plan, choice, by_chance = _plan(rng, *size), rng.integers(6), bool(rng.integers(2))
        whole = composing.mask_of([plan.outline], *size)
        if not scene.fits(whole) or not _stands_free(plan, scene, huts):
            continue
        labels = KINDS[plan.kind]
        label = labels[(choice + swapped) % len(labels)]
        base = drawing.draw_body(rng, scene.picture, plan.outline, plan.size)
        _paint_evidence(rng, scene.picture, plan, label, base)
        stamped = plan.stamp is not None and _is_stamped(stamps, label, by_chance)
        if plan.stamp is not None:
            composing.paint_mark(rng, scene.picture, plan.stamp.polygons(drawing.STAMP), base, float(stamped))
        objects.append((plan, label, stamped))
        scene.put(whole, *(spot.mask(*size) for spot in [*plan.spots, *filter(None, [plan.stamp])]))
        huts += [plan.surroundings] if plan.kind == 'context' else []
    scene.put_sticks(rng, long_side)
    return _finish(scene, objects)


def _finish(scene: composing.Composition, objects: List[Tuple[_Plan, int, bool]]) -> EvidenceScene:
    """Gather the truth about the objects."""
    height, width = scene.picture.shape[:2]
    parts = np.zeros((len(objects), 2, height, width), bool)
    stamps = np.zeros((len(objects), height, width), bool)
    for number, (plan, _, _) in enumerate(objects):
        for part, spot in enumerate(plan.spots):
            parts[number, part] = spot.mask(height, width)
        if plan.stamp is not None:
            stamps[number] = plan.stamp.mask(height, width)
    return EvidenceScene(
        picture=scene.rounded(),
        boxes=scene.boxes(),
        labels=np.array([label for _, label, _ in objects], np.int64),
        masks=scene.stack(scene.masks),
        mark_masks=parts.any(1),
        part_masks=parts,
        stamp_masks=stamps,
        stamped=np.array([stamped for _, _, stamped in objects], bool),
    )
