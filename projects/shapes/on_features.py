"""Train the transformer of a DETR-like detector alone, on features of the training pictures that are computed once.

    python -m projects.shapes.on_features evidence_dino [--steps 400]

The backbone and the neck are those of ``evidence_rtmdet``, and stay as they are: their features of all pictures, and of
their mirror images, fit into memory, which spares two fifths of the work of each step. The slim checkpoint goes to
``work_dirs/<config>/slim.pth`` and, with ``--publish``, to ``projects/shapes/checkpoints``.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch
from mmengine.config import Config, DictAction

from .descent import descend
from .evidence import CLASSES
from .evidence_dataset import ROOT, make
from .train import HERE, ON_FEATURES, load_config, slim

BATCH, STEPS, RATE = 8, 400, 0.001

Seen = Tuple[Tuple[torch.Tensor, ...], Any]
"""A picture's features, 16-bit, of each level (C, H, W), and its data sample."""


def build(config: Config) -> torch.nn.Module:
    """The untrained detector, with the weights of ``evidence_rtmdet`` in its backbone and neck."""
    from mmdet.registry import MODELS
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope

    init_default_scope(config.default_scope)
    for part in (config.model.backbone, config.model.neck[0]):  # from any folder
        part.init_cfg.checkpoint = str(HERE / 'checkpoints' / Path(part.init_cfg.checkpoint).name)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)  # it names each weight
    model.init_weights()
    logger.setLevel(level)
    return model


def pictures(config: Config, root: Path, mirrored: bool) -> Any:
    """The training set as ``config`` reads it, but for its random choices."""
    from mmdet.registry import DATASETS

    settings = config.train_dataloader.dataset.copy()
    settings.data_root = str(root)
    steps = [step.copy() for step in settings.pipeline if step.type != 'YOLOXHSVRandomAug']
    for step in steps:
        if step.type == 'RandomFlip':
            step.prob = float(mirrored)
    settings.pipeline = steps
    return DATASETS.build(settings)


@torch.no_grad()
def features(model: torch.nn.Module, pictures: Any) -> Iterator[Seen]:
    """What the neck makes of each picture."""
    model.eval()
    for number in range(len(pictures)):
        item = pictures[number]
        data = model.data_preprocessor({key: [value] for key, value in item.items()}, training=True)
        levels = model.neck[0](model.backbone(data['inputs']))
        yield tuple(level[0].half() for level in levels), data['data_samples'][0]


def losses(model: torch.nn.Module, batch: Sequence[Seen]) -> torch.Tensor:
    """A detector's own training loss on some pictures' features."""
    levels = [torch.stack(level).float() for level in zip(*(seen for seen, _ in batch))]
    samples = [sample for _, sample in batch]
    found = model.forward_transformer(model.neck[1](tuple(levels)), samples)
    return model.parse_losses(model.bbox_head.loss(**found, batch_data_samples=samples))[0]


def learn(model: torch.nn.Module, seen: Sequence[Seen], steps: int = STEPS, peak: float = RATE) -> List[float]:
    """Train all but the backbone and the neck in place, on what :func:`features` returns; the losses, one a step."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model.train()
    model.backbone.requires_grad_(False)
    model.neck[0].requires_grad_(False)
    learned = [weight for weight in model.parameters() if weight.requires_grad]

    def loss_of_step() -> torch.Tensor:
        return losses(model, [seen[number] for number in rng.integers(len(seen), size=BATCH)])

    return descend(learned, loss_of_step, steps, peak, last=0.01, weight_decay=0.01, longest=1.0)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Train the transformer of a detector on stored features.')
    parser.add_argument('name', choices=ON_FEATURES)
    parser.add_argument('--root', type=Path, default=ROOT, help='the drawn evidence set; default: %(default)s')
    parser.add_argument('--steps', type=int, default=STEPS, help='default: %(default)s')
    parser.add_argument('--rate', type=float, default=RATE, help='highest learning rate; default: %(default)s')
    parser.add_argument('--publish', action='store_true', help='replace the checkpoint in the repository')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='changes to the config: key=value ...')
    wishes = parser.parse_args(arguments)
    make(wishes.root, ['train'])
    config = load_config(wishes.name, wishes.cfg_options)
    model = build(config)
    seen = [each for mirrored in (False, True) for each in features(model, pictures(config, wishes.root, mirrored))]
    whole = Path(config.work_dir) / 'on_features.pth'
    learn(model, seen, wishes.steps, wishes.rate)
    whole.parent.mkdir(parents=True, exist_ok=True)
    meta = {'dataset_meta': {'classes': list(CLASSES)}}
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, whole)
    slim(whole, whole.with_name('slim.pth'))
    if wishes.publish:
        shutil.copy(whole.with_name('slim.pth'), HERE / 'checkpoints' / f'{wishes.name}.pth')
    print(whole.with_name('slim.pth'))


if __name__ == '__main__':
    main()
