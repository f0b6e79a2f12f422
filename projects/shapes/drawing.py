"""Outlines, marks, textures and paint: what the pictures of the shapes set are made of.

Points are ``x, y`` in picture pixels; pixel ``(row, column)`` covers the square from ``(column, row)``
to ``(column + 1, row + 1)``. All random numbers come from the generator passed in.
"""

from __future__ import annotations

from typing import Dict, List, Tuple

import cv2
import numpy as np

Window = Tuple[int, int, int, int]

SUPERSAMPLING = 4


def coverage(polygons: List[np.ndarray], window: Window) -> np.ndarray:
    """How much of each pixel some polygons cover.

    Args:
        polygons: Outlines of shape (N, 2); one inside another is a hole.
        window: ``x1, y1, x2, y2``, whole picture pixels.

    Returns:
        Shape (y2 - y1, x2 - x1), float32 in [0, 1].
    """
    x1, y1, x2, y2 = window
    fine = np.zeros(((y2 - y1) * SUPERSAMPLING, (x2 - x1) * SUPERSAMPLING), np.uint8)
    # OpenCV's integer coordinates are pixel centres, hence the half; `shift=4` keeps a sixteenth of a pixel.
    points = [np.round(((p - (x1, y1)) * SUPERSAMPLING - 0.5) * 16).astype(np.int32) for p in polygons]
    cv2.fillPoly(fine, points, 255, shift=4)
    return cv2.resize(fine, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def window_of(points: np.ndarray, height: int, width: int, margin: int = 2) -> Window:
    """The part of a picture that contains some points, with a margin of pixels around them."""
    x1, y1 = np.floor(points.min(0)).astype(int) - margin
    x2, y2 = np.ceil(points.max(0)).astype(int) + margin
    return max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)


def circle(radius: float = 1.0, corners: int = 48) -> np.ndarray:
    """A regular polygon around the origin, shape (corners, 2)."""
    angle = np.arange(corners) * 2 * np.pi / corners - np.pi / 2
    return radius * np.stack([np.cos(angle), np.sin(angle)], 1)


def rectangle(half_width: float, half_height: float) -> np.ndarray:
    """A rectangle around the origin, shape (4, 2)."""
    return np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (half_width, half_height)


def star(inner: float = 0.5) -> np.ndarray:
    """A five-pointed star of radius 1, shape (10, 2)."""
    points = circle(1.0, 10)
    points[1::2] *= inner
    return points


def cross(arm: float = 0.34) -> np.ndarray:
    """A plus sign within radius 1 whose arms are ``2 * arm`` wide, shape (12, 2)."""
    end = np.sqrt(0.97**2 - arm**2)
    quarter = np.array([[arm, arm], [end, arm], [end, -arm]])
    turns = [quarter @ np.array([[c, s], [-s, c]]) for c, s in ((1, 0), (0, -1), (-1, 0), (0, 1))]
    return np.concatenate(turns)


def bar(arm: float = 0.4) -> np.ndarray:
    """A bar within radius 1 that is ``2 * arm`` wide, shape (4, 2)."""
    return rectangle(np.sqrt(0.97**2 - arm**2), arm)


def house() -> np.ndarray:
    """A wall under a gable with eaves, within the square of side 1 around the origin, shape (7, 2)."""
    right = np.array([[0.5, -0.08], [0.4, -0.08], [0.4, 0.5]])
    return np.concatenate([[[0, -0.5]], right, right[::-1] * (-1, 1)])


MARKS: Dict[str, List[np.ndarray]] = {
    'dot': [circle(0.97)],
    'cross': [cross()],
    'ring': [circle(0.97), circle(0.52)],
    'bar': [bar()],
}
"""The ink of each mark, within a disc of radius 1: its footprint."""

SIGNS: Dict[str, List[np.ndarray]] = {
    'flag': [np.array([[-0.1, -0.9], [0.1, -0.9], [0.85, -0.4], [0.1, 0.1], [0.1, 0.96], [-0.1, 0.96]])],
    'lamp': [np.array([[-0.1, 0.2], [-0.1, 0.96], [0.1, 0.96], [0.1, 0.2]]), circle(0.55) - (0, 0.36)],
}
"""What stands beside an object, within a disc of radius 1."""

STAMP = [star(0.45) * 0.97]
"""The ink of a watermark, within a disc of radius 1."""


def place(points: np.ndarray, centre: np.ndarray, scale: float, angle: float) -> np.ndarray:
    """Points rotated by ``angle`` (radians), scaled and moved to ``centre``."""
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]]) * scale + centre


def noise(rng: np.random.Generator, height: int, width: int, cell: float) -> np.ndarray:
    """Smooth noise of shape (height, width), mean 0 and deviation about 1, with lumps of ``cell`` pixels."""
    coarse = rng.standard_normal((int(height / cell) + 2, int(width / cell) + 2)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def colour(rng: np.random.Generator) -> np.ndarray:
    """A colour that is neither near black nor near white: shape (3,), float32, BGR."""
    hsv = np.array([[[rng.uniform(0, 180), rng.uniform(60, 210), rng.uniform(90, 225)]]], np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32)


def texture(rng: np.random.Generator, height: int, width: int, unit: float) -> np.ndarray:
    """One of four textures (lumps, speckles, stripes, checks): shape (height, width), about -1 to 1."""
    kind, angle = rng.integers(4), rng.uniform(0, np.pi)
    cell = unit * rng.uniform(0.08, 0.16)
    if kind < 2:
        return noise(rng, height, width, (cell * 2, cell / 2)[kind]) * 0.6
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    along = np.sin((columns * np.cos(angle) + rows * np.sin(angle)) * np.pi / cell)
    across = np.sin((rows * np.cos(angle) - columns * np.sin(angle)) * np.pi / cell)
    return along * 0.7 if kind == 2 else np.sign(along * across) * 0.7


def blend(picture: np.ndarray, window: Window, alpha: np.ndarray, paint: np.ndarray) -> None:
    """Blend paint over a float32 picture in place, weighted by ``alpha`` (shape of the window)."""
    x1, y1, x2, y2 = window
    part = picture[y1:y2, x1:x2]
    part += alpha[..., None] * (paint - part)


def background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A textured ground of two colours: shape (height, width, 3), float32, BGR."""
    share = 1 / (1 + np.exp(-2 * noise(rng, height, width, max(height, width) / 3)))[..., None]
    ground = share * colour(rng) + (1 - share) * colour(rng)
    for cell, strength in ((20, 13), (6, 9), (1.5, 7)):
        ground += strength * noise(rng, height, width, cell)[..., None] * rng.uniform(0.6, 1.2, 3).astype(np.float32)
    ground += rng.uniform(0, 22) * texture(rng, height, width, max(height, width) / 4)[..., None]
    return np.clip(ground, 0, 255).astype(np.float32)


def draw_clutter(rng: np.random.Generator, picture: np.ndarray, long_side: int) -> None:
    """Draw blobs, sticks and stray marks on the ground, in place; none of them is an object."""
    height, width = picture.shape[:2]
    stray = sorted(MARKS)
    for _ in range(rng.integers(8, 18)):
        centre = rng.uniform((0, 0), (width, height))
        kind, size, angle = rng.integers(4), long_side * rng.uniform(0.02, 0.09), rng.uniform(0, 2 * np.pi)
        if kind == 0:
            polygons = [circle(1.0, 9) * rng.uniform(0.5, 1.1, (9, 1))]
        elif kind == 1:
            polygons = [rectangle(rng.uniform(1, 4), 0.12)]
        elif kind == 2:
            polygons = [rectangle(rng.uniform(0.15, 0.4), rng.uniform(0.6, 1))]
        else:
            polygons, size = MARKS[stray[rng.integers(len(stray))]], min(size, long_side * 0.05)
        polygons = [place(p, centre, size, angle) for p in polygons]
        window = window_of(np.concatenate(polygons), height, width)
        if window[0] < window[2] and window[1] < window[3]:
            blend(picture, window, rng.uniform(0.5, 1) * coverage(polygons, window), colour(rng))


def draw_body(rng: np.random.Generator, picture: np.ndarray, outline: np.ndarray, size: float) -> np.ndarray:
    """Paint a textured body with a darker rim, in place.

    Args:
        rng: Source of colour and texture.
        picture: Shape (H, W, 3), float32, BGR.
        outline: Shape (N, 2), picture pixels.
        size: Side of the body in pixels, which sets the scale of its texture.

    Returns:
        The body's colour, shape (3,), float32, BGR.
    """
    height, width = picture.shape[:2]
    window = window_of(outline, height, width)
    x1, y1, x2, y2 = window
    base = colour(rng)
    paint = base + rng.uniform(10, 30) * texture(rng, y2 - y1, x2 - x1, size)[..., None]
    paint = paint + 5 * noise(rng, y2 - y1, x2 - x1, 1.5)[..., None]
    centre = (outline.min(0) + outline.max(0)) / 2
    core = coverage([centre + 0.9 * (outline - centre)], window)[..., None]
    paint = np.clip(paint * (0.5 + 0.5 * core), 0, 255).astype(np.float32)
    blend(picture, window, coverage([outline], window), paint)
    return base
