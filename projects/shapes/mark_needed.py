"""Does a box hang on its mark, and where a map peaks elsewhere, does it hang on that?

    python -m projects.shapes.mark_needed shapes_rtmdet [--methods evidencecam gradcam] [--against auto] [--count 400]

A mark is what tells the classes of a pair apart, but a detector need not look for both: it may take one class for what
an object of that body is, and look for the other's mark only. So the mark of each box is painted over, and the score
tells whether the box needs it. So is what lies around a map's peak, and a random place of the object.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mmlens
from mmlens import metrics

from .mark_pointing import AUTO, HELD_OUT_SEED, PAIR, explained, right_maps
from .scenes import Scene, draw_scene
from .train import HERE, NAMES

METHODS = ('evidencecam', 'gradcam')
GAUSSIAN = 'gaussian'
NEEDED = 0.5
"""A box needs its mark if it keeps less than this share of its score without it."""


@dataclass
class Hung:
    """What a box keeps of its score, as a share.

    Attributes:
        picture: Number of the picture.
        without_mark: When its mark is painted over.
        without_any: When a random place of the object is painted over, of the mark's form.
        without_peak: When the place around the map's peak is, of the same form; by method.
        hits: How each method's map lies to the mark.
    """

    picture: int
    without_mark: float
    without_any: float
    without_peak: Dict[str, float]
    hits: Dict[str, metrics.EvidenceHit]

    @property
    def needs_mark(self) -> bool:
        """Whether the score falls to less than half without the mark."""
        return self.without_mark < NEEDED


def painted_over(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
    """A picture with some of its pixels (H, W) filled in from what is around them."""
    return cv2.inpaint(picture, cv2.dilate(where.astype(np.uint8), np.ones((3, 3), np.uint8)), 3, cv2.INPAINT_TELEA)


def moved(mask: np.ndarray, centre: Tuple[int, int]) -> np.ndarray:
    """A mask (H, W) with its middle at a row and column; what leaves the picture is gone."""
    rows, columns = np.nonzero(mask)
    rows, columns = rows + centre[0] - round(rows.mean()), columns + centre[1] - round(columns.mean())
    inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    result = np.zeros_like(mask)
    result[rows[inside], columns[inside]] = True
    return result


def hung(
    detector: Any, index: int, methods: Sequence[str], against: Optional[str] = None, seed: int = HELD_OUT_SEED
) -> Iterator[Hung]:
    """What the right boxes of mark classes on a picture of the set hang on."""
    scene = draw_scene(seed, index)
    rng = np.random.default_rng([seed, index])
    by_method = [
        [each for found in explained(detector, scene, against, method=method) for each in right_maps(found, scene)]
        for method in methods
    ]
    for alike in zip(*by_method):  # the same box, by one method after the other
        found, number = alike[0]
        maps = {method: box.raw for method, (box, _) in zip(methods, alike)}
        maps[GAUSSIAN] = metrics.gaussian_map(scene.picture.shape[:2], found.box)
        yield _hung(detector, index, scene, found, number, maps, rng)


def _hung(
    detector: Any,
    index: int,
    scene: Scene,
    found: mmlens.BoxMap,
    number: int,
    maps: Dict[str, np.ndarray],
    rng: np.random.Generator,
) -> Hung:
    mark = scene.mark_masks[number]
    anywhere = tuple(rng.choice(np.argwhere(scene.masks[number])))
    places = [mark, moved(mark, anywhere), *(moved(mark, metrics.peak_of(values)) for values in maps.values())]
    scores = mmlens.BoxScores(detector, [found.box], [found.label])
    whole, *left = scores([scene.picture, *(painted_over(scene.picture, where) for where in places)])[:, 0]
    without_mark, without_any, *without_peak = (value / whole for value in left)
    hits = {name: metrics.evidence_hit(values, mark, scene.boxes[number]) for name, values in maps.items()}
    return Hung(index, without_mark, without_any, dict(zip(maps, without_peak)), hits)


def table_of(found: Sequence[Hung], title: str) -> Table:
    """How maps lie to the marks of boxes that need them, and of others; and what those that miss the mark hang on."""
    table = Table(title=title)
    for heading in ('boxes', 'map'):
        table.add_column(heading)
    for heading in ('peak on the mark', f'within {metrics.NEAR}', 'beyond', 'kept without mark', 'peak', 'any place'):
        table.add_column(heading, justify='right')
    for needed in (True, False):
        ones = [one for one in found if one.needs_mark == needed]
        kind = f'{len(ones)} that {"need" if needed else "do not need"} their mark'
        for name in ones[0].hits if ones else ():
            pictures = [one.picture for one in ones]
            figures = []
            for figure in ('exact', 'near'):
                mean = metrics.bootstrap([getattr(one.hits[name], figure) for one in ones], pictures)
                figures.append(f'{mean.mean:.3f} ({mean.low:.3f} to {mean.high:.3f})')
            beyond = [one for one in ones if not one.hits[name].near]
            kept: List[List[float]] = [
                [one.without_mark for one in beyond],
                [one.without_peak[name] for one in beyond],
                [one.without_any for one in beyond],
            ]
            table.add_row(kind, name, *figures, str(len(beyond)), *(f'{np.mean(k):.2f}' if k else '' for k in kept))
            kind = ''
        table.add_section()
    return table


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Does a box hang on its mark, or on what its map peaks at?')
    parser.add_argument('name', choices=NAMES)
    parser.add_argument('--checkpoint', type=Path, help='default: the one in the repository')
    parser.add_argument('--methods', nargs='+', default=METHODS, help='default: evidencecam gradcam')
    parser.add_argument('--first', type=int, default=0, help='number of the first picture; default: %(default)s')
    parser.add_argument('--count', type=int, default=60, help='held-out pictures; default: %(default)s')
    parser.add_argument('--against', choices=(AUTO, PAIR), help='as of mark_pointing')
    wishes = parser.parse_args(arguments)
    checkpoint = wishes.checkpoint or HERE / 'checkpoints' / f'{wishes.name}.pth'
    detector = mmlens.load_detector(HERE / 'configs' / f'{wishes.name}.py', checkpoint)
    found: List[Hung] = []
    pictures = range(wishes.first, wishes.first + wishes.count)
    for index in track(pictures, transient=True, console=Console(stderr=True)):
        found += hung(detector, index, wishes.methods, wishes.against)
    Console(width=150).print(table_of(found, f'{wishes.name}: what boxes hang on; 95 % intervals over pictures'))


if __name__ == '__main__':
    main()
