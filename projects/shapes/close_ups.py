"""Teach a detector of the evidence set to look beside huts, on close-ups: a short training before whole pictures.

    python -m projects.shapes.close_ups evidence_rtmdet [--load-from projects/shapes/checkpoints/evidence_rtmdet.pth]

Whole pictures hold one hut or two among other objects, each a few cells away from its sign: for epochs, a detector
learns that either name is right half of the time, and no more. A close-up is a quarter of a picture with one hut and
its whole sign. Weights go to ``work_dirs/<config>/close_ups.pth``, from where ``train`` goes on with ``load_from=...``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import cv2
import numpy as np
import torch
from mmengine.config import DictAction
from pycocotools import mask as coco_mask

from .descent import descend
from .evidence import CLASSES, KINDS
from .evidence_dataset import ROOT, make
from .train import CLOSE_UPS, load_config

SIDE = 96
"""Side of a close-up, half of that of the detectors' input: at the same scale, so a quarter of the work."""

BATCH, STEPS, RATE = 32, 160, 0.002


@dataclass
class Hut:
    """A hut in its picture, at the scale of the detectors' input.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR.
        reach: ``x1, y1, x2, y2`` of what a close-up must show: hut and sign.
        boxes: Boxes of all objects, shape (N, 4).
        labels: Their classes, shape (N,).
    """

    picture: np.ndarray
    reach: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


def huts(ann_file: Path, long_side: int = 192) -> Iterator[Hut]:
    """The huts of a split that fit into a close-up with their signs."""
    content = json.loads(ann_file.read_text())
    objects: Dict[int, List[Dict[str, Any]]] = {}
    for entry in content['annotations']:
        objects.setdefault(entry['image_id'], []).append(entry)
    for info in content['images']:
        entries = objects.get(info['id'], [])
        labels = np.array([entry['category_id'] for entry in entries], np.int64)
        if not np.isin(labels, KINDS['context']).any():
            continue
        picture = cv2.imread(str(ann_file.with_suffix('') / info['file_name']))
        scale = long_side / max(picture.shape[:2])
        picture = cv2.resize(picture, None, fx=scale, fy=scale)
        boxes = scale * np.array([_corners(entry['bbox']) for entry in entries])
        for number in np.flatnonzero(np.isin(labels, KINDS['context'])):
            sign = scale * _corners(coco_mask.toBbox(entries[number]['mark']))
            low, high = np.minimum(boxes[number, :2], sign[:2]), np.maximum(boxes[number, 2:], sign[2:])
            if (high - low).max() < SIDE - 4:
                yield Hut(picture, np.concatenate([low, high]), boxes, labels)


def _corners(box: Sequence[float]) -> np.ndarray:
    """A box's ``x1, y1, x2, y2`` from its ``x, y, w, h``."""
    x, y, width, height = box
    return np.array([x, y, x + width, y + height])


def close_up(rng: np.random.Generator, hut: Hut) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A window anywhere around a hut and its sign, flipped half of the time.

    Returns:
        The window, shape (SIDE, SIDE, 3), and the boxes (N, 4) and labels (N,) of what lies in it by more than half.
    """
    room = np.array(hut.picture.shape[1::-1]) - SIDE
    first, last = np.clip(hut.reach[2:] - SIDE, 0, room), np.clip(hut.reach[:2], 0, room)
    corner = np.round(first + (last - first) * rng.uniform(size=2)).astype(int)
    window = hut.picture[corner[1] : corner[1] + SIDE, corner[0] : corner[0] + SIDE]
    boxes = np.clip(hut.boxes - np.tile(corner, 2), 0, SIDE)
    kept = _areas(boxes) > 0.5 * _areas(hut.boxes)
    boxes = boxes[kept]
    if rng.integers(2):
        window, boxes = window[:, ::-1], np.abs(boxes[:, [2, 1, 0, 3]] - (SIDE, 0, SIDE, 0))
    return np.ascontiguousarray(window), boxes, hut.labels[kept]


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def losses(model: torch.nn.Module, close_ups: Sequence[Tuple[np.ndarray, ...]]) -> torch.Tensor:
    """A detector's own training loss on some close-ups."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    samples = []
    for _, boxes, labels in close_ups:
        shape = {'img_shape': (SIDE, SIDE), 'ori_shape': (SIDE, SIDE), 'scale_factor': (1.0, 1.0)}
        sample = DetDataSample(metainfo=shape)
        sample.gt_instances = InstanceData(bboxes=torch.tensor(boxes, dtype=torch.float32), labels=torch.tensor(labels))
        samples.append(sample)
    inputs = [torch.from_numpy(window).permute(2, 0, 1) for window, _, _ in close_ups]
    data = model.data_preprocessor({'inputs': inputs, 'data_samples': samples}, training=True)
    return model.parse_losses(model.loss(data['inputs'], data['data_samples']))[0]


def learn(model: torch.nn.Module, found: Sequence[Hut], steps: int = STEPS, peak: float = RATE) -> List[float]:
    """Train a detector in place; its losses, one a step."""
    rng = np.random.default_rng(0)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    model.train()

    def loss_of_step() -> torch.Tensor:
        return losses(model, [close_up(rng, found[number]) for number in rng.integers(len(found), size=BATCH)])

    return descend(weights, loss_of_step, steps, peak, last=0.02, weight_decay=0.05)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Teach a detector to look beside huts, on close-ups.')
    parser.add_argument('name', choices=CLOSE_UPS)
    parser.add_argument('--load-from', help="weights to start from; default: the config's")
    parser.add_argument('--root', type=Path, default=ROOT, help='the drawn evidence set; default: %(default)s')
    parser.add_argument('--steps', type=int, default=STEPS, help='default: %(default)s')
    parser.add_argument('--rate', type=float, default=RATE, help='highest learning rate; default: %(default)s')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='changes to the config: key=value ...')
    wishes = parser.parse_args(arguments)
    make(wishes.root, ['train'])
    config = load_config(wishes.name, wishes.cfg_options)

    from mmdet.registry import MODELS
    from mmengine.registry import init_default_scope
    from mmengine.runner import load_checkpoint

    init_default_scope(config.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    load_checkpoint(model, wishes.load_from or config.load_from, map_location='cpu')
    learn(model, list(huts(wishes.root / 'train.json')), wishes.steps, wishes.rate)
    target = Path(config.work_dir) / 'close_ups.pth'
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save({'state_dict': model.state_dict(), 'meta': {'dataset_meta': {'classes': list(CLASSES)}}}, target)
    print(target)


if __name__ == '__main__':
    main()
