"""Measure a model on the held-out pictures of its set with mmdet's CocoMetric or mmpretrain's Accuracy.

    python -m projects.shapes.evaluate shapes_rtmdet
    python -m projects.shapes.evaluate shapes_classifier

The held-out pictures are drawn first if they are missing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from .train import CLASSIFIERS, EVIDENCE, HERE, NAMES, load_config, set_of


def evaluate(name: str, checkpoint: Path, data_root: Path) -> Dict[str, Any]:
    """Run the test loop of a config.

    Args:
        name: Name of the config.
        checkpoint: Weights to measure.
        data_root: Folder with ``held_out/`` and ``held_out.json``, or those of the crops.

    Returns:
        What CocoMetric returns (``'coco/bbox_mAP_50'`` and so on), or Accuracy (``'accuracy/top1'``).
    """
    config = load_config(name)
    config.load_from = str(checkpoint)
    config.work_dir = str(Path('work_dirs') / f'{name}_test')
    config.test_dataloader.dataset.data_root = str(data_root)
    if name not in CLASSIFIERS:
        config.test_evaluator.ann_file = str(data_root / 'held_out.json')

    from mmengine.runner import Runner

    return Runner.from_cfg(config).test()


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Measure a model on the held-out shapes.')
    parser.add_argument('name', choices=NAMES + EVIDENCE + CLASSIFIERS)
    parser.add_argument('--checkpoint', type=Path, help='default: the one in the repository')
    parser.add_argument('--data-root', type=Path, help="default: the set's own folder in work_dirs")
    wishes = parser.parse_args(arguments)
    pictures = set_of(wishes.name)
    data_root = wishes.data_root or pictures.ROOT
    pictures.make(data_root, ['held_out'])
    checkpoint = wishes.checkpoint or HERE / 'checkpoints' / f'{wishes.name}.pth'
    figures = evaluate(wishes.name, checkpoint, data_root)
    if wishes.name in CLASSIFIERS:
        print(f'{wishes.name}: top-1 accuracy {figures["accuracy/top1"]:.1f} %')
        return
    print(f'{wishes.name}: mAP50 {figures["coco/bbox_mAP_50"]:.3f}, mAP {figures["coco/bbox_mAP"]:.3f}')
    for name in load_config(wishes.name).test_dataloader.dataset.metainfo.classes:
        print(f'  {name:15} AP {figures[f"coco/{name}_precision"]:.3f}')


if __name__ == '__main__':
    main()
