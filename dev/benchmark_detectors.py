"""The detectors of benchmark.py, each with a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

from benchmark_rows import Cell
from support_probe import Entry, dicts_in, enliven, scale_pictures, shrink

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / 'projects' / 'shapes'
SIDE = 320  # pixels of the inputs of detectors with random weights
CANDIDATES = 50  # detections that a detector with random weights keeps


@dataclass
class Subject:
    """A detector with a picture."""

    detector: Any
    picture: Any


# Name -> config, checkpoint and picture; a detector without checkpoint gets random weights.
DETECTORS: Dict[str, Tuple[str, Optional[str], str]] = {
    'yolox-nano': ('mmdet::yolox/yolox_nano_8xb8-300e_coco.py', 'yolox_nano_coco.pth', 'dog.jpg'),
    **{
        name.replace('_', '-'): (
            str(SHAPES / 'configs' / f'{name}.py'),
            str(SHAPES / 'checkpoints' / f'{name}.pth'),
            str(SHAPES / 'pictures' / '000005.jpg'),
        )
        for name in ('shapes_rtmdet', 'shapes_yolov5')
    },
    **{
        name: (config, None, str(SHAPES / 'pictures' / '000005.jpg'))
        for name, config in (
            ('yolov5-s', 'mmyolo::yolov5/yolov5_s-v61_syncbn_fast_8xb16-300e_coco.py'),
            ('rtmdet-s', 'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py'),
            ('faster-rcnn', 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'),
            ('dino', 'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'),
        )
    },
}


def load(cell: Cell) -> Subject:
    """Build the cell's detector; random weights are the same in every process."""
    import torch

    import mmlens
    from mmlens.models.loading import read_config

    torch.manual_seed(0)  # weights without an init_cfg are drawn when modules are built
    config, checkpoint, picture = DETECTORS[cell.detector] if cell.own is None else own_detector(cell.own)
    if checkpoint is None:
        cfg = shrink(Entry(cell.detector, config))
        scale_pictures(cfg, cell.side or SIDE)
        detector = mmlens.load_detector(cfg, device=cell.device)
        enliven(detector, picture)
        keep_the_best(detector, picture)
        return Subject(detector, picture)
    cfg = read_config(config)
    if cell.side:
        scale_pictures(cfg, cell.side)
    folder = Path(cell.real or '')  # an absolute path stays as it is
    weights = checkpoint if '://' in checkpoint else folder / checkpoint
    return Subject(mmlens.load_detector(cfg, weights, device=cell.device), str(folder / picture))


def own_detector(words: Sequence[str]) -> Tuple[str, str, str]:
    """The entry of a user's own detector, from picture, config and checkpoint."""
    picture, config, checkpoint = words
    known = checkpoint if '://' in checkpoint else str(Path(checkpoint).absolute())
    return config, known, str(Path(picture).absolute())


def keep_the_best(detector: Any, picture: Any) -> None:
    """Raise the thresholds so that about as many candidates remain as with trained weights.

    Random weights score everything alike: at thresholds of 0, hundreds of thousands of candidates would be sorted.
    """
    import torch

    with torch.no_grad():
        scores = detector.predict(detector.prepare(picture)).scores
    threshold = float(scores[:CANDIDATES][-1]) * (1 - 1e-6)
    for module in detector.model.modules():
        for node in dicts_in(getattr(module, 'test_cfg', None) or {}):
            if 'score_thr' in node:
                node['score_thr'] = threshold


def sizes(subject: Subject) -> Tuple[int, int]:
    """The input's longer side, and how many channels all levels of the neck have."""
    import mmlens

    (layer,) = subject.detector.default_layers
    found = mmlens.feature_maps(subject.detector, subject.picture, layers=[layer], score_thr=1.1)
    size = subject.detector.prepare(subject.picture).input_size
    return max(size), sum(level.shape[0] for level in found)
