"""The pictures of the documentation that need no maps of boxes: schedules, pipelines, measurements, training runs."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Dict

import cv2
import numpy as np
from benchmark_figure import cost_picture
from benchmark_rows import Row

from mmlens.cli.commands import history as mmlens_history
from mmlens.cli.commands import lr
from mmlens.samples import Samples

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / 'projects' / 'shapes' / 'pictures'
HISTORY = ROOT / 'projects' / 'shapes' / 'history'
YOLOV5 = 'mmyolo::yolov5/yolov5_s-v61_syncbn_fast_8xb16-300e_coco.py'
CLASSES = ('coin_dot', 'coin_cross', 'crate_ring', 'crate_bar', 'star', 'triangle')
SEED = 6  # of a sample in which much can be seen


def schedule(_: Any) -> np.ndarray:
    """The learning rates of YOLOv5-s, by MMYOLO's own config."""
    return learning_rates('mmyolo::yolov5/yolov5_s-v61_syncbn_fast_8xb16-300e_coco.py', 118287)


def layer_decay(_: Any) -> np.ndarray:
    """The learning rates of BEiT's layers, by mmpretrain's own config."""
    return learning_rates('mmpretrain::beit/benchmarks/beit-base-p16_8xb128-coslr-100e_in1k.py', 1281167)


def learning_rates(config: str, size: int) -> np.ndarray:
    """What `mmlens lr` draws for 8 GPUs, a little smaller."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / 'lr.png')
        words = ['--dataset-size', str(size), '--ngpus', '8', '--window-size', '10*5', '--save-path', path]
        lr.main([config, *words])
        return cv2.imread(path)


def benchmark(_: Any) -> np.ndarray:
    """The last measurements of dev/benchmark.py, from docs/benchmark.json."""
    figures = json.loads((ROOT / 'docs' / 'benchmark.json').read_text(encoding='utf-8'))
    rows = [Row(**row) for name in ('methods', 'series') for row in figures[name]['rows']]
    return cost_picture([row for row in rows if row.section != 'windows'])


def pipeline(_: Any) -> np.ndarray:
    """A sample after each transform of YOLOv5's training, and the pictures that were mixed in."""
    return shapes_through_yolov5().record(1).draw('pipeline', edges=(150, 290))


def pipeline_concat(_: Any) -> np.ndarray:
    """The same sample, before and after."""
    return shapes_through_yolov5().record(1).draw('concat', edges=(200, 400))


def history(_: Any) -> np.ndarray:
    """What `mmlens history` makes of the drawings of one picture over a training run."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(HISTORY), '--format', 'sheet', '--out-dir', folder]
        mmlens_history.main(words)
        return cv2.imread(str(next(Path(folder).glob('*.png'))))


def shapes_through_yolov5() -> Samples:
    """The drawn pictures as a dataset for the training pipeline of YOLOv5."""
    dataset = dict(data_root=f'{PICTURES.parent}/', ann_file='pictures.json', filter_cfg=None)
    options: Dict[str, Any] = {f'train_dataloader.dataset.{key}': value for key, value in dataset.items()}
    options['train_dataloader.dataset.data_prefix.img'] = f'{PICTURES.name}/'
    options['train_dataloader.dataset.metainfo'] = dict(classes=CLASSES)
    # albumentations need not be installed.
    return Samples(YOLOV5, cfg_options=options, skip_types=['Albu'], seed=SEED)
