"""Write the evidence set to disk as JPEG pictures and COCO annotations.

    python -m projects.shapes.evidence_dataset [--out-dir work_dirs/evidence]   # training and held-out pictures
    python -m projects.shapes.evidence_dataset --demo                           # projects/shapes/evidence_pictures

In training pictures the watermark is a shortcut; elsewhere half of all cards bear it, whatever their class.
Annotations have ``mark`` (all that tells the class, as RLE), of plates ``first_mark`` and ``second_mark``, of cards
``stamp`` (where the watermark is or would be) and ``stamped`` (whether it is there).
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Optional, Sequence

from . import dataset
from .evidence import CLASSES, draw_scene

ROOT = Path('work_dirs/evidence')
SPLITS = {'train': (20, range(2400), 'shortcut'), 'held_out': (21, range(400), 'by chance')}
"""Seed and indexes of the pictures of each split, and which cards bear the watermark."""

DEMO = dataset.DEMO.with_name('evidence_pictures')
DEMO_SEED, DEMO_INDEXES = 22, (3, 7, 10, 13)


def write_split(folder: Path, seed: int, indexes: Sequence[int], stamps: str) -> Path:
    """Draw pictures into ``folder`` and write their annotations next to it, as :func:`.dataset.write_split` does."""
    return dataset.write_split(folder, seed, indexes, partial(draw_scene, stamps=stamps), CLASSES)


def make(root: Path = ROOT, names: Sequence[str] = tuple(SPLITS)) -> None:
    """Write the splits that are missing."""
    for name in names:
        if not (root / f'{name}.json').exists():
            write_split(root / name, *SPLITS[name])


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Write the evidence set as JPEG pictures and COCO annotations.')
    parser.add_argument('--out-dir', type=Path, default=ROOT, help='default: %(default)s')
    parser.add_argument('--demo', action='store_true', help='write the few pictures of the demonstration instead')
    wishes = parser.parse_args(arguments)
    if wishes.demo:
        write_split(DEMO, DEMO_SEED, DEMO_INDEXES, 'by chance')
    else:
        make(wishes.out_dir)


if __name__ == '__main__':
    main()
