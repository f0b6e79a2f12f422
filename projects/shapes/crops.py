"""Write crops of the shapes set to disk, one object each, for a classifier.

    python -m projects.shapes.crops [--out-dir work_dirs/shapes]

A crop is a square around an object's box, 1.3 times as long as the box's longer side, shifted to lie in the picture.
Neighbours may be visible in it; its label is that of its own object.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Iterable, Iterator, Optional, Sequence, Tuple

import cv2
import numpy as np

from .dataset import ROOT, SPLITS
from .scenes import Scene, draw_scene

CONTEXT = 1.3
SIDE = 144
"""Size of the crops: a little larger than the classifier's input, for random cropping in training."""


def crops_of(scene: Scene) -> Iterator[Tuple[np.ndarray, int]]:
    """The crop (SIDE, SIDE, 3) and the label of each object of a scene."""
    height, width = scene.picture.shape[:2]
    for (x1, y1, x2, y2), label in zip(scene.boxes, scene.labels):
        side = int(min(CONTEXT * max(x2 - x1, y2 - y1), height, width))
        left = int(np.clip((x1 + x2 - side) / 2, 0, width - side))
        top = int(np.clip((y1 + y2 - side) / 2, 0, height - side))
        crop = scene.picture[top : top + side, left : left + side]
        yield cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR), label


def write_split(folder: Path, seed: int, indexes: Iterable[int]) -> Path:
    """Write the crops of a split into ``folder``.

    Returns:
        The annotation file ``<folder>.txt``: one name and label per line. It is written last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for index in indexes:
        for number, (crop, label) in enumerate(crops_of(draw_scene(seed, index))):
            name = f'{index:06d}_{number}.jpg'
            cv2.imwrite(str(folder / name), crop, [cv2.IMWRITE_JPEG_QUALITY, 92])
            lines.append(f'{name} {label}')
    path = folder.with_suffix('.txt')
    path.write_text('\n'.join(lines) + '\n')
    return path


def make(root: Path = ROOT, names: Sequence[str] = tuple(SPLITS)) -> None:
    """Write the crops of the splits that are missing."""
    for name in names:
        if not (root / f'{name}_crops.txt').exists():
            write_split(root / f'{name}_crops', *SPLITS[name])


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Write crops of the shapes set, one object each.')
    parser.add_argument('--out-dir', type=Path, default=ROOT, help='default: %(default)s')
    make(parser.parse_args(arguments).out_dir)


if __name__ == '__main__':
    main()
