"""Draws feature maps of networks of every family and writes down what works.

python dev/family_table.py [--filter TEXT] [--output docs/families.md]

The weights are random and seeded, so nothing is downloaded. Each config runs in a process of its own
(family_probe.py), so that no crash ends the table. A config whose package is not installed says so.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Callable, Dict, List, Optional, Sequence

from family_probe import SIDE, Entry, Row
from tables import ask_own_process, in_a_cell, made_with, page, stack, table

NECK = ['backbone', 'neck']
ENTRIES = (
    Entry('ResNet-18', 'mmpretrain::resnet/resnet18_8xb32_in1k.py', NECK[:1]),
    Entry('MobileNetV3', 'mmpretrain::mobilenet_v3/mobilenet-v3-small-050_8xb128_in1k.py'),
    Entry('Swin-T', 'mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py', ['backbone.stages[3]']),
    Entry('ViT-B', 'mmpretrain::vision_transformer/vit-base-p16_64xb64_in1k.py', ['backbone.layers[-1]']),
    Entry('YOLOX-Nano', 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py', NECK),
    Entry('YOLOv8-n', 'mmyolo::yolov8/yolov8_n_syncbn_fast_8xb16-500e_coco.py', NECK),
    Entry('Mask R-CNN', 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', NECK),
    Entry('SOLOv2', 'mmdet::solov2/solov2_r50_fpn_1x_coco.py', NECK),
    Entry('DETR', 'mmdet::detr/detr_r50_8xb2-150e_coco.py', ['backbone', 'encoder']),
    Entry('PanopticFPN', 'mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py', NECK),
    Entry('MaskFormer', 'mmdet::maskformer/maskformer_r50_ms-16xb1-75e_coco.py'),
    Entry('Mask2Former, panoptic', 'mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py'),
    Entry('Mask2Former, instances', 'mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py'),
    Entry('SoftTeacher', 'mmdet::soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py', NECK),
    Entry('ByteTrack', 'mmdet::bytetrack/bytetrack_yolox_x_8xb4-80e_crowdhuman-mot20train_test-mot20test.py'),
    Entry('QDTrack', 'mmdet::qdtrack/qdtrack_faster-rcnn_r50_fpn_8xb2-4e_mot17halftrain_test-mot17halfval.py', NECK),
    Entry('FCN', 'mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py'),
    Entry('U-Net', 'mmseg::unet/unet-s5-d16_fcn_4xb4-40k_hrf-256x256.py'),
    Entry('SegFormer-B0', 'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'),
    Entry('HRNet, pose', 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'),
    Entry('RTMDet-R', 'mmrotate::rotated_rtmdet/rotated_rtmdet_tiny-3x-dota.py', NECK),
    Entry('GLIP', 'mmdet::glip/glip_atss_swin-t_a_fpn_dyhead_pretrain_obj365.py', NECK, text='a dog. a bicycle.'),
)

COLUMNS: Dict[str, Callable[[Row], str]] = {
    'Network': lambda row: row.network,
    'Config': lambda row: f'`{row.config}`',
    'Family': lambda row: row.family or '-',
    'Maps': lambda row: str(row.maps) if row.works else '**no**',
    'Layers': lambda row: row.layers or '-',
    'Prediction drawn': lambda row: row.drawn or '-',
    'Remark': lambda row: in_a_cell(row.remark),
}

PAGE = """# Feature maps, family by family

**{works} of {all}** networks draw their feature maps and list their layers, with {made_with}.

Each config got seeded random weights and a synthetic picture, scaled to {side} pixels. What a network with random
weights predicts means nothing; the table shows what is drawn of it. Networks of packages that are not installed here
say so in their remark.

{table}

Made by `python dev/family_table.py --output FILE`; `--filter TEXT` tries some of them.
"""


def try_in_own_process(entry: Entry, timeout: float) -> Row:
    """Probe a config in a new interpreter; a crash or a process that hangs becomes the row's remark."""
    found, remark = ask_own_process('family_probe.py', asdict(entry), timeout)
    return Row(**found) if found else Row(entry.network, entry.config, remark=remark)


def markdown(rows: Sequence[Row], versions: Dict[str, str], ops: str) -> str:
    """The page: what was tried, on which versions, and the table."""
    return PAGE.format(
        works=sum(row.works for row in rows),
        all=len(rows),
        made_with=made_with('the CPU', versions, ops),
        side=SIDE,
        table=table(rows, COLUMNS),
    )


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Try the configs, and write the table if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--filter', default='', metavar='TEXT', help='only networks or configs whose name contains it')
    parser.add_argument('--output', type=page, help='markdown file to write')
    parser.add_argument('--timeout', type=float, default=300, help='seconds a config may take')
    options = parser.parse_args(arguments)
    wanted = options.filter.lower()
    chosen = [entry for entry in ENTRIES if wanted in f'{entry.network} {entry.config}'.lower()]
    if not chosen:
        parser.error(f"no network and no config contains '{options.filter}'")
    rows: List[Row] = []
    for entry in chosen:
        row = try_in_own_process(entry, options.timeout)
        rows.append(row)
        word = 'works' if row.works else 'FAILS'
        print(f'{len(rows)}/{len(chosen)} {word} {row.family} {row.config}: {row.drawn} {row.remark}', flush=True)
    if options.output:
        options.output.write_text(markdown(rows, *stack()), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
