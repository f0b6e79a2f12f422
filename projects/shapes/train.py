"""Train a detector or the classifier on the set of its name, and write its slim checkpoint.

    python -m projects.shapes.train shapes_rtmdet [--cfg-options train_cfg.max_epochs=1]

The set is drawn first if it is missing. Logs and full checkpoints go to ``work_dirs/<config>``, the slim
checkpoint to ``work_dirs/<config>/slim.pth`` and, with ``--publish``, to ``projects/shapes/checkpoints``.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Optional, Sequence

import torch
from mmengine.config import Config, DictAction

from mmlens.compat import prepare

from . import crops, dataset, evidence_dataset

HERE = Path(__file__).resolve().parent
NAMES = ('shapes_rtmdet', 'shapes_yolov5')
CLASSIFIERS = ('shapes_classifier',)
CLOSE_UPS = ('evidence_rtmdet', 'evidence_yolov5')
ON_FEATURES = ('evidence_dino',)
EVIDENCE = CLOSE_UPS + ON_FEATURES
WATCHED = ('shapes_rtmdet_watched',)


def set_of(name: str) -> ModuleType:
    """The module that writes a model's pictures (``make``) and says where they are (``ROOT``)."""
    if name in CLASSIFIERS:
        return crops
    return evidence_dataset if name in EVIDENCE else dataset


def load_config(name: str, options: Optional[Dict[str, Any]] = None) -> Config:
    """The config of that name, with changes, ready for a Runner once its set's pictures exist."""
    prepare(*(['mmyolo'] if 'yolov5' in name else []), *(['mmpretrain'] if name in CLASSIFIERS else []))
    config = Config.fromfile(str(HERE / 'configs' / f'{name}.py'))
    config.work_dir = str(Path('work_dirs') / name)
    config.merge_from_dict(options or {})
    return config


def slim(checkpoint: Path, target: Path) -> None:
    """Keep only a checkpoint's averaged weights, as 16-bit floats, and the class names.

    Args:
        checkpoint: As mmengine's CheckpointHook writes it. Its ``state_dict`` holds the averaged weights,
            because the EMAHook swaps them in before saving.
        target: File to write. It loads with ``torch.load(..., weights_only=True)``.
    """
    full = torch.load(checkpoint, map_location='cpu', weights_only=False)
    halves: Dict[int, torch.Tensor] = {}  # by address: what the levels of a head share is stored once
    weights = {}
    for name, tensor in full['state_dict'].items():
        address = tensor.data_ptr()
        halves.setdefault(address, tensor.half() if tensor.is_floating_point() else tensor)
        weights[name] = halves[address]
    meta = {key: list(value) for key, value in full['meta']['dataset_meta'].items()}
    torch.save({'state_dict': weights, 'meta': {'dataset_meta': meta}}, target)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Train a model on the set of its name.')
    parser.add_argument('name', choices=NAMES + CLOSE_UPS + CLASSIFIERS + WATCHED)
    parser.add_argument('--publish', action='store_true', help='replace the checkpoint in the repository')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='changes to the config: key=value ...')
    wishes = parser.parse_args(arguments)
    set_of(wishes.name).make()
    config = load_config(wishes.name, wishes.cfg_options)

    from mmengine.runner import Runner

    Runner.from_cfg(config).train()
    folder = Path(config.work_dir)
    slim(Path((folder / 'last_checkpoint').read_text().strip()), folder / 'slim.pth')
    if wishes.publish:
        shutil.copy(folder / 'slim.pth', HERE / 'checkpoints' / f'{wishes.name}.pth')


if __name__ == '__main__':
    main()
