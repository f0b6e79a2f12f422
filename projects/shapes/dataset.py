"""Write the shapes set to disk as JPEG pictures and COCO annotations.

    python -m projects.shapes.dataset [--out-dir work_dirs/shapes]   # training and held-out pictures
    python -m projects.shapes.dataset --demo                         # the few pictures of projects/shapes/pictures

In addition to the usual keys, annotations of classes with a mark have ``mark``: the mark's mask as RLE.
The evidence set (:mod:`.evidence_dataset`) is written with the same functions.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from .scenes import CLASSES, Scene, draw_scene

ROOT = Path('work_dirs/shapes')
SPLITS = {'train': (0, range(2400)), 'held_out': (1, range(400))}
"""Seed and indexes of the pictures of each split."""

DEMO = Path(__file__).resolve().parent / 'pictures'
DEMO_SEED, DEMO_INDEXES = 2, (5, 8, 20, 21)


def encode(mask: np.ndarray) -> Dict[str, Any]:
    """A bool mask (H, W) as COCO's RLE, ready for JSON."""
    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {'size': [int(side) for side in rle['size']], 'counts': rle['counts'].decode('ascii')}


def coco_annotations(scene: Scene, image_id: int, first_id: int) -> List[Dict[str, Any]]:
    """The COCO annotations of a scene's objects, numbered from ``first_id``."""
    found = []
    for number, (box, label) in enumerate(zip(scene.boxes, scene.labels)):
        x1, y1, x2, y2 = (float(edge) for edge in box)
        entry = {
            'id': first_id + number,
            'image_id': image_id,
            'category_id': int(label),
            'bbox': [x1, y1, x2 - x1, y2 - y1],
            'area': int(scene.masks[number].sum()),
            'iscrowd': 0,
            'segmentation': encode(scene.masks[number]),
        }
        for name, known in scene.evidence(number).items():
            entry[name] = known if isinstance(known, bool) else encode(known)
        found.append(entry)
    return found


def write_split(
    folder: Path,
    seed: int,
    indexes: Iterable[int],
    draw: Callable[[int, int], Scene] = draw_scene,
    classes: Sequence[str] = CLASSES,
) -> Path:
    """Draw pictures into ``folder`` and write their annotations next to it.

    Args:
        folder: Where the pictures go: ``000000.jpg`` and so on.
        seed: Seed of the split.
        indexes: The pictures' numbers within the split.
        draw: Draws a picture from the seed and its number.
        classes: Names of the set's classes.

    Returns:
        The annotation file, ``<folder>.json``. It is written last: if it exists, the split is complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images: List[Dict[str, Any]] = []
    objects: List[Dict[str, Any]] = []
    for index in indexes:
        scene, name = draw(seed, index), f'{index:06d}.jpg'
        cv2.imwrite(str(folder / name), scene.picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
        height, width = scene.picture.shape[:2]
        images.append({'id': index, 'file_name': name, 'height': height, 'width': width})
        objects += coco_annotations(scene, index, len(objects) + 1)
    categories = [{'id': label, 'name': name} for label, name in enumerate(classes)]
    info = {'description': 'shapes', 'seed': seed}
    content = {'info': info, 'images': images, 'annotations': objects, 'categories': categories}
    path = folder.with_suffix('.json')
    unfinished = path.with_suffix('.part')
    unfinished.write_text(json.dumps(content))
    unfinished.replace(path)
    return path


def make(root: Path = ROOT, names: Sequence[str] = tuple(SPLITS)) -> None:
    """Write the splits that are missing."""
    for name in names:
        if not (root / f'{name}.json').exists():
            write_split(root / name, *SPLITS[name])


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Write the shapes set as JPEG pictures and COCO annotations.')
    parser.add_argument('--out-dir', type=Path, default=ROOT, help='default: %(default)s')
    parser.add_argument('--demo', action='store_true', help='write the few pictures of the demonstration instead')
    wishes = parser.parse_args(arguments)
    if wishes.demo:
        write_split(DEMO, DEMO_SEED, DEMO_INDEXES)
    else:
        make(wishes.out_dir)


if __name__ == '__main__':
    main()
