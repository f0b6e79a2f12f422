"""Does a detector name an object otherwise if nothing but its evidence changes? And if only its watermark does?

    python -m projects.shapes.counterfactuals evidence_rtmdet [--count 100]

Each held-out picture of the evidence set is drawn four times: with the evidence of each object and with that of the
next class, without watermarks and with one on every card. The name of an object is that of the best-scoring detection
that overlaps it by an IoU of at least 0.5, among the classes that share its body.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mmlens
from mmlens.metrics import box_score

from .evidence import CLASSES, KINDS, STAMPED, EvidenceScene, draw_scene, kind_of
from .evidence_dataset import SPLITS
from .train import EVIDENCE, HERE

Version = Tuple[bool, str]
VERSIONS: Tuple[Version, ...] = tuple(product((False, True), ('never', 'always')))
"""``swapped`` and ``stamps`` of the four pictures of a scene."""


@dataclass
class Naming:
    """What a detector makes of one object.

    Attributes:
        kind: The object's kind of evidence.
        label: Its class.
        scores: Shape (C,): the best score at the object of each of the kind's classes, 0 if there is none.
    """

    kind: str
    label: int
    scores: np.ndarray

    @property
    def named(self) -> Optional[int]:
        """The class with the highest score; ``None`` for an object that was not found."""
        return KINDS[self.kind][int(self.scores.argmax())] if self.scores.any() else None

    @property
    def is_right(self) -> bool:
        """Whether the object has the name of its class."""
        return self.named == self.label


def namings(detector: Any, scene: EvidenceScene) -> List[Naming]:
    """What a detector makes of the objects of a scene, in the scene's order."""
    found = detector.predictions(detector.prepare(scene.picture))
    boxes, labels, scores = (tensor.detach().cpu().numpy() for tensor in (found.boxes, found.labels, found.scores))
    named = []
    for box, label in zip(scene.boxes, scene.labels):
        kind = kind_of(label)
        best = [box_score(box, one, boxes, labels, scores, least_overlap=0.5) for one in KINDS[kind]]
        named.append(Naming(kind, int(label), np.array(best)))
    return named


def measure(detector: Any, seed: int, indexes: Sequence[int]) -> Dict[Version, List[Naming]]:
    """The namings of all objects in each version of the pictures, in the same order."""
    found: Dict[Version, List[Naming]] = {version: [] for version in VERSIONS}
    for index in track(indexes, transient=True, console=Console(stderr=True)):
        for swapped, stamps in VERSIONS:
            found[swapped, stamps] += namings(detector, draw_scene(seed, index, swapped, stamps))
    return found


def swaps(found: Dict[Version, List[Naming]], kind: str) -> Tuple[int, float, float, float]:
    """What swapping the evidence of one kind does, without watermarks.

    Returns:
        How many objects there are, and shares of them: named rightly before the swap, after it, and both times.
    """
    pairs = [(a, b) for a, b in zip(found[False, 'never'], found[True, 'never']) if a.kind == kind]
    right = np.array([(before.is_right, after.is_right) for before, after in pairs])
    before, after = right.mean(0)
    return len(pairs), float(before), float(after), float(right.all(1).mean())


def cards(found: Dict[Version, List[Naming]], label: int, stamps: str) -> List[Naming]:
    """All cards with the mark of one class, with or without watermarks: the same cards in the same order."""
    return [naming for swapped in (False, True) for naming in found[swapped, stamps] if naming.label == label]


def renamed(found: Dict[Version, List[Naming]], label: int, before: str, after: str) -> float:
    """Share of the cards of a class, named rightly before a change of watermarks, that are not afterwards."""
    pairs = zip(cards(found, label, before), cards(found, label, after))
    return float(np.mean([not b.is_right for a, b in pairs if a.is_right]))


def print_swaps(found: Dict[Version, List[Naming]], console: Console) -> None:
    """Print what swapping the evidence does, a row a kind."""
    table = Table(title='Only the evidence is swapped (no watermarks)')
    for heading in ('evidence', 'objects', 'right before', 'right after', 'right both times'):
        table.add_column(heading, justify='left' if heading == 'evidence' else 'right')
    for kind in KINDS:
        number, *figures = swaps(found, kind)
        table.add_row(kind, str(number), *(f'{figure:.3f}' for figure in figures))
    console.print(table)


def print_watermarks(found: Dict[Version, List[Naming]], console: Console) -> None:
    """Print what the watermark does, a row for each of the two marks with and without it."""
    labels = KINDS['shortcut']
    table = Table(title='Only the watermark is added or removed')
    table.add_column('mark of')
    for heading in ('watermark', 'cards', *(f'{n} {CLASSES[c]}' for n in ('named', 'mean score of') for c in labels)):
        table.add_column(heading, justify='right')
    for label, stamps in product(labels, ('never', 'always')):
        chosen = cards(found, label, stamps)
        names = [np.mean([naming.named == each for naming in chosen]) for each in labels]
        scores = np.mean([naming.scores for naming in chosen], axis=0)
        figures = (f'{figure:.3f}' for figure in (*names, *scores))
        table.add_row(CLASSES[label], 'yes' if stamps == 'always' else 'no', str(len(chosen)), *figures)
    console.print(table)
    other = next(label for label in labels if label != STAMPED)
    added, removed = renamed(found, other, 'never', 'always'), renamed(found, STAMPED, 'always', 'never')
    console.print(f'Adding the watermark takes the right name from {added:.1%} of {CLASSES[other]}, ', end='')
    console.print(f'removing it from {removed:.1%} of {CLASSES[STAMPED]}.')


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Does a detector follow the evidence, or the watermark?')
    parser.add_argument('name', choices=EVIDENCE)
    parser.add_argument('--checkpoint', type=Path, help='default: the one in the repository')
    parser.add_argument('--count', type=int, default=100, help='held-out pictures; default: %(default)s')
    wishes = parser.parse_args(arguments)
    checkpoint = wishes.checkpoint or HERE / 'checkpoints' / f'{wishes.name}.pth'
    detector = mmlens.load_detector(HERE / 'configs' / f'{wishes.name}.py', checkpoint)
    found = measure(detector, SPLITS['held_out'][0], range(wishes.count))
    console = Console(width=110)
    print_swaps(found, console)
    print_watermarks(found, console)


if __name__ == '__main__':
    main()
