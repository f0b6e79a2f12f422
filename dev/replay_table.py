"""Tries replay on many detectors: are altered detections those of the whole detector, and what does a pass cost?

python dev/replay_table.py [--filter TEXT] [--output docs/replay.md] [--real CONFIG CHECKPOINT PICTURE]

Each detector runs in a process of its own (replay_probe.py), so that no crash ends the table. Weights are random and
seeded, except for those of projects/shapes and of `--real`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

from replay_probe import BOXES, COPIES, NEAR, ROUNDS, Case, Row
from support_probe import MOST, SIDE
from tables import ask_own_process, in_a_cell, made_with, page, stack, table, tick

SHAPES = Path(__file__).resolve().parents[1] / 'projects' / 'shapes'
RESNET = ('neck', 'backbone.layer3')
DARKNET = ('neck', 'backbone.stage3')
DETR = ('neck', 'backbone.layer3', 'encoder')
ALL = {'model.test_cfg.max_per_img': 2000}  # else boxes of coarse levels are not among the best
SHALLOW = {'model.encoder.num_layers': 2, 'model.decoder.num_layers': 2}  # of 6 and 6, all alike
FEW = {'model.test_cfg.rcnn.max_per_img': 60}  # each of which costs a mask
ONE_MASK = {'model.mask_head.num_classes': 1, 'model.test_cfg.mask_thr': 0.01}
CONFIGS = (
    ('YOLOX-s', 'mmdet::yolox/yolox_s_8xb8-300e_coco.py', DARKNET),
    ('YOLOv5-s', 'mmyolo::yolov5/yolov5_s-v61_syncbn_fast_8xb16-300e_coco.py', DARKNET),
    ('YOLOv8-s', 'mmyolo::yolov8/yolov8_s_syncbn_fast_8xb16-500e_coco.py', DARKNET),
    ('RTMDet-s', 'mmyolo::rtmdet/rtmdet_s_syncbn_fast_8xb32-300e_coco.py', DARKNET, ALL),
    ('PPYOLOE-s', 'mmyolo::ppyoloe/ppyoloe_s_fast_8xb32-300e_coco.py', DARKNET),
    ('RetinaNet R50', 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', RESNET, ALL),
    ('FCOS R50', 'mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py', RESNET, ALL),
    ('ATSS R50', 'mmdet::atss/atss_r50_fpn_1x_coco.py', RESNET, ALL),
    ('Faster R-CNN R50', 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', RESNET),
    ('Mask R-CNN R50', 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', RESNET, FEW),
    ('Cascade R-CNN R50', 'mmdet::cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py', RESNET),
    ('Sparse R-CNN R50', 'mmdet::sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py', RESNET),
    ('SOLOv2 R18', 'mmdet::solov2/solov2-light_r18_fpn_ms-3x_coco.py', RESNET, ONE_MASK),
    ('DETR, 2 + 2 layers', 'mmdet::detr/detr_r50_8xb2-150e_coco.py', DETR, SHALLOW),
    ('Deformable DETR, 2 + 2 layers', 'mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco.py', DETR, SHALLOW),
    ('DINO, 2 + 2 layers', 'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py', DETR, SHALLOW),
)


def cases(containing: str = '', real: Sequence[str] = ()) -> List[Case]:
    """The detectors whose name or config contains a text, ignoring case."""
    trained = [
        Case(
            f'{name} of projects/shapes (trained)',
            str(SHAPES / 'configs' / f'{file}.py'),
            str(SHAPES / 'checkpoints' / f'{file}.pth'),
            str(SHAPES / 'pictures' / '000005.jpg'),
            DARKNET,
        )
        for name, file in (('RTMDet', 'shapes_rtmdet'), ('YOLOv5', 'shapes_yolov5'))
    ]
    if real:
        config, checkpoint, picture = real
        trained.insert(0, Case(f'{Path(checkpoint).stem} (trained)', config, checkpoint, picture, DARKNET))
    untrained = [Case(name, config, layers=layers, options=dict(*more)) for name, config, layers, *more in CONFIGS]
    return [case for case in trained + untrained if containing.lower() in f'{case.detector} {case.config}'.lower()]


def try_in_own_process(case: Case, timeout: float) -> List[Row]:
    """Probe a detector in a new interpreter."""
    found, remark = ask_own_process('replay_probe.py', asdict(case), timeout)
    return [Row(**row) for row in found['rows']] if found else [Row(case.detector, remark=remark)]


def number(value: Optional[float]) -> str:
    """A cell of milliseconds."""
    return '-' if value is None else f'{value:.0f}' if value >= 10 else f'{value:.1f}'


COLUMNS: Dict[str, Callable[[Row], str]] = {
    'Detector': lambda row: row.detector,
    'Layer': lambda row: f'`{row.layer}`' if row.layer else '-',
    'Shape': lambda row: ' x '.join(map(str, row.shape)) or '-',
    'Detections': lambda row: str(row.compared),
    'Changed': lambda row: tick(row.differ),
    'Identical': lambda row: tick(row.identical),
    'Altered pass, ms': lambda row: number(row.altered_ms),
    'Whole pass, ms': lambda row: number(row.whole_ms),
    'Share': lambda row: f'{row.altered_ms / row.whole_ms:.0%}' if row.altered_ms and row.whole_ms else '-',
    'Batch': lambda row: row.batch or '-',
    'Followed': lambda row: {True: 'yes', False: 'by overlap', None: '-'}[row.followed],
    'Remark': lambda row: in_a_cell(row.remark),
}

PAGE = """# Replay: running only what follows a layer

AblationCAM and ReciproCAM change one channel or one cell of a layer's output and look what becomes of each box:
hundreds of passes for one picture. What comes before the layer is the same in all of them, and is run once.

## How it works

One pass is recorded: what every module of the detector returned, and on which of the layer's levels that depends. A
module's output depends on a level if the level, or anything that depends on it, came in. Tensors that no module
returned, because they were computed in between, count as dependent on all levels so far. In a pass with an altered
level, a module that does not depend on it is not run, but returns what it returned then, copied over the batch: all
that was finished before the layer, and after it the branches of other levels. Everything else is run as always:
functions between modules, decoding, non-maximum suppression, the second stage. Outputs that no pass will ask for are
not kept.

Modules that do more than return something are run again although they do not depend on the level: those that write to
what came in (`ReLU(inplace=True)`), those whose output shares memory that is written to later, and those that are given
or return objects which may hide a tensor. Two things are not seen: a module that reads what another one left in an
attribute, and a model that calls a module more or less often depending on the values of the level.

## Is it the same?

**{exact} of {all}** altered levels gave, bit for bit, the detections of the whole detector whose layer returns the
same altered output (a forward hook that swaps it), with {made_with}.

Detectors called *trained* ran with their own weights and settings. The others got seeded random weights, a synthetic
picture scaled to {side} pixels, thresholds of 0 and {most} candidates at most. Every number of the level was scaled
at random, by up to 2 or as much as it took to change what is found, and a third of them set to 0.

* **Shape**: what the layer returned at this level.
* **Detections**: how many were compared: boxes, scores, labels and masks, in their order.
* **Changed**: whether they are others than those of the unaltered picture; else the row shows nothing: no box depends
  on the level, as where a second stage cuts no region from it.
* **Identical**: whether replay gives the same, bit for bit, one altered output at a time.
* **Altered pass**, **Whole pass**: median of {rounds}, in turn, one thread, on a machine that had other work to do.
* **Batch**: {copies} altered outputs in one pass, against one at a time. *Close* is within {scores:g} of the scores
  and {boxes:g} pixels: a batch is not rounded as one picture is. *Other detections*: such rounding decided which boxes
  were kept. *Not possible*: something that a module returned has no batch axis.
* **Followed**: whether the best {best} boxes are followed through altered passes by their candidates (prior, proposal
  or query), whatever else is found; where post-processing does not allow that, it is *by overlap*.

{table}

Made by `python dev/replay_table.py --output FILE`; `--filter TEXT` tries some of them, and `--help` tells how to add
a detector with its checkpoint.
"""


def markdown(rows: Sequence[Row], versions: Dict[str, str], ops: str) -> str:
    """The page: how replay works, what was tried, and the table."""
    return PAGE.format(
        exact=sum(row.exact for row in rows),
        all=len(rows),
        made_with=made_with('the CPU', versions, ops),
        side=SIDE,
        most=MOST['nms_pre'],
        rounds=ROUNDS,
        copies=COPIES,
        best=BOXES,
        table=table(rows, COLUMNS),
        **NEAR,
    )


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Try the detectors, print a line for each, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--filter', default='', metavar='TEXT', help='only detectors or configs whose name contains it')
    parser.add_argument(
        '--real', nargs=3, default=(), metavar=('CONFIG', 'CHECKPOINT', 'PICTURE'), help='one more detector'
    )
    parser.add_argument('--output', type=page, help='markdown file to write')
    parser.add_argument('--timeout', type=float, default=300, help='seconds a detector may take')
    options = parser.parse_args(arguments)
    chosen = cases(options.filter, options.real)
    if not chosen:
        parser.error(f"no detector and no config contains '{options.filter}'")
    rows: List[Row] = []
    for case in chosen:
        found = try_in_own_process(case, options.timeout)
        rows += found
        for row in found:
            print(' | '.join(cell(row) for cell in COLUMNS.values()), flush=True)
    if options.output:
        options.output.write_text(markdown(rows, *stack()), encoding='utf-8')
    return 0 if all(row.exact for row in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
