"""Does the map of a missed object show the mark that it was missed for?

    python -m projects.shapes.miss_pointing shapes_rtmdet [--count 40] [--method evidencecam]

On held-out pictures, each mark is swapped for that of the other class of its pair, hidden by a square patch of another
colour, or painted over with the object's own; annotations stay as they were. Objects that were found before and are
missed now were lost for what is on their mark, and nothing else. :func:`mmlens.why_missed` says how, and
:func:`mmlens.explain_miss` draws two maps of each: what speaks for the annotated class, and what speaks against it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mmlens
from mmlens.metrics import NEAR, EvidenceHit, bootstrap, evidence_hit, gaussian_map, sobel_map

from . import drawing
from .mark_pointing import HELD_OUT_SEED
from .scenes import Scene, draw_scene
from .train import HERE, NAMES

CHANGES = SWAPPED, HIDDEN, PAINTED = 'swapped', 'hidden', 'painted over'
AGAINST, FOR, GAUSSIAN, SOBEL = 'what speaks against it', 'what speaks for it', 'Gaussian in the box', 'Sobel edges'
MAPS = (AGAINST, FOR, GAUSSIAN, SOBEL)


@dataclass
class Missed:
    """One missed object, and how maps lie to its mark.

    Attributes:
        picture: Number of the picture.
        number: Number of the object in it.
        change: What was done to its mark.
        mechanism: How it was lost; see :class:`mmlens.Miss`.
        hits: How each of :data:`MAPS` lies to the mark.
    """

    picture: int
    number: int
    change: str
    mechanism: str
    hits: Dict[str, EvidenceHit]


def altered(index: int, scene: Scene, change: str) -> Tuple[np.ndarray, np.ndarray]:
    """A held-out picture with all of its marks changed, and nothing else.

    Returns:
        The picture, and shape (N, H, W), bool: what was changed of each object.
    """
    if change == SWAPPED:
        return draw_scene(HELD_OUT_SEED, index, swap_marks=True).picture, scene.mark_masks
    picture, where = scene.picture.copy(), scene.mark_masks.copy()
    rng = np.random.default_rng([HELD_OUT_SEED, index])
    for number, (mask, mark) in enumerate(zip(scene.masks, scene.mark_masks)):
        if not mark.any():
            continue
        if change == HIDDEN:
            rows, columns = np.nonzero(mark)
            where[number, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
            picture[where[number]] = drawing.colour(rng).round()
        else:
            picture[mark] = scene.picture[mask & ~mark].mean(0).round()
    return picture, where


def hits(explained: mmlens.BoxExplanation, mark: np.ndarray) -> Dict[str, EvidenceHit]:
    """How the maps of a missed object, and those that know no network, lie to what was changed of it (H, W)."""
    own, box, size = explained[0], explained[0].box, explained.picture.shape[:2]
    nothing = np.zeros(size, np.float32)
    maps = {
        AGAINST: nothing if own.counter is None else own.counter,
        FOR: own.raw,
        GAUSSIAN: gaussian_map(size, box),
        SOBEL: sobel_map(explained.picture) * (gaussian_map(size, box) >= np.exp(-(1.5**2))),
    }
    return {name: evidence_hit(values, mark, box) for name, values in maps.items()}


def missed(detector: Any, index: int, change: str, **options: Any) -> Iterator[Missed]:
    """The objects of a held-out picture that are found as it is, and missed once their marks are changed."""
    scene = draw_scene(HELD_OUT_SEED, index)
    objects = (scene.boxes.tolist(), scene.labels.tolist())
    before = mmlens.why_missed(detector, scene.picture, *objects)
    picture, marks = altered(index, scene, change)
    after = mmlens.why_missed(detector, picture, *objects)
    for number, (was, now) in enumerate(zip(before, after)):
        if scene.mark_masks[number].any() and was.mechanism == 'found' != now.mechanism:
            explained = mmlens.explain_miss(detector, picture, now, **{'signed': True, **options})
            yield Missed(index, number, change, now.mechanism, hits(explained, marks[number]))


def table_of(found: Sequence[Missed], title: str) -> Table:
    """How often each map's peak lies on the mark, with intervals over pictures."""
    table = Table(title=title)
    for heading in ('mark', 'missed', 'how', 'map'):
        table.add_column(heading)
    for heading in ('peak on the mark', f'within {NEAR}', 'share on it'):
        table.add_column(heading, justify='right')
    for change in CHANGES:
        ones = [one for one in found if one.change == change]
        how = ', '.join(f'{number} {name}' for name, number in Counter(one.mechanism for one in ones).most_common())
        for name in MAPS if ones else ():
            figures = []
            for figure in ('exact', 'near', 'share'):
                values = [getattr(one.hits[name], figure) for one in ones]
                mean = bootstrap(values, [one.picture for one in ones])
                figures.append(f'{mean.mean:.2f} ({mean.low:.2f} to {mean.high:.2f})')
            table.add_row(*((change, str(len(ones)), how) if name == MAPS[0] else ('', '', '')), name, *figures)
        table.add_section()
    return table


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Does the map of a missed object show the mark it was missed for?')
    parser.add_argument('name', choices=[name for name in NAMES if name != 'shapes_classifier'])
    parser.add_argument('--checkpoint', type=Path, help='default: the one in the repository')
    parser.add_argument('--method', help="default: mmlens's own")
    parser.add_argument('--layers', nargs='+', help="default: the method's own")
    parser.add_argument('--fusion', help="default: the method's own")
    parser.add_argument('--first', type=int, default=0, help='number of the first picture; default: %(default)s')
    parser.add_argument('--count', type=int, default=40, help='held-out pictures; default: %(default)s')
    wishes = parser.parse_args(arguments)
    checkpoint = wishes.checkpoint or HERE / 'checkpoints' / f'{wishes.name}.pth'
    detector = mmlens.load_detector(HERE / 'configs' / f'{wishes.name}.py', checkpoint)
    options = {name: getattr(wishes, name) for name in ('method', 'layers', 'fusion') if getattr(wishes, name)}
    pictures = range(wishes.first, wishes.first + wishes.count)
    found: List[Missed] = []
    for index in track(pictures, transient=True, console=Console(stderr=True)):
        for change in CHANGES:
            found += missed(detector, index, change, **options)
    Console(width=150).print(table_of(found, f'{wishes.name}: objects missed for their mark; 95 % intervals'))


if __name__ == '__main__':
    main()
