"""Tiny trainings of mmdet, MMYOLO and mmpretrain on a few drawn pictures."""

from __future__ import annotations

import copy
import itertools
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmlens import compat

ROOT = Path(__file__).resolve().parents[2]
# `projects` is not installed with the package, and trainings.py is shared by the tests of this folder.
for folder in (ROOT, Path(__file__).parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

CLASSES = ('disc', 'box')
_number = itertools.count()


def draw_set(folder, count, seed):
    """Pictures of one disc or one box each; COCO annotations, and a list for a classifier."""
    rng = np.random.default_rng(seed)
    (folder / 'pictures').mkdir(parents=True)
    images, objects, lines = [], [], []
    for number in range(count):
        picture = rng.integers(60, 120, (64, 80, 3)).astype(np.uint8)
        x, y, r, label = int(rng.integers(18, 60)), int(rng.integers(18, 46)), 14, number % 2
        if label:
            cv2.rectangle(picture, (x - r, y - r), (x + r, y + r), (230, 200, 30), -1)
        else:
            cv2.circle(picture, (x, y), r, (30, 200, 230), -1)
        name = f'{number:03d}.png'
        cv2.imwrite(str(folder / 'pictures' / name), picture)
        images.append(dict(id=number, file_name=name, height=64, width=80))
        box = [x - r, y - r, 2 * r, 2 * r]
        objects.append(dict(id=number + 1, image_id=number, category_id=label, bbox=box, area=4 * r * r, iscrowd=0))
        lines.append(f'{name} {label}')
    categories = [dict(id=label, name=name) for label, name in enumerate(CLASSES)]
    (folder / 'boxes.json').write_text(json.dumps(dict(images=images, annotations=objects, categories=categories)))
    (folder / 'labels.txt').write_text('\n'.join(lines))


@pytest.fixture(scope='session', autouse=True)
def one_thread():
    """Nets this small take longest when threads wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='session')
def pictures(tmp_path_factory):
    """A folder with 8 training pictures and 5 for validation."""
    folder = tmp_path_factory.mktemp('data')
    draw_set(folder / 'train', 8, 0)
    draw_set(folder / 'val', 5, 1)
    return folder


def base_config(root, kind, train, val, evaluator):
    def loader(name, batch, shuffle, dataset):
        common = dict(type=kind, data_root=str(root / name), metainfo=dict(classes=CLASSES), **dataset)
        return dict(
            batch_size=batch, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=shuffle), dataset=common
        )

    validation = loader('val', 2, False, val)
    return dict(
        train_dataloader=loader('train', 4, True, train),
        val_dataloader=validation,
        test_dataloader=copy.deepcopy(validation),
        val_evaluator=evaluator,
        test_evaluator=evaluator,
        train_cfg=dict(by_epoch=True, max_epochs=2, val_interval=1),
        val_cfg=dict(),
        test_cfg=dict(),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01)),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1), checkpoint=None),
        randomness=dict(seed=3),
        log_level='WARNING',
        visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
    )


def detector_parts(root, kind, steps, last):
    load, boxes = dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)
    files = dict(ann_file='boxes.json', data_prefix=dict(img='pictures/'))
    train = dict(pipeline=[load, boxes, *steps, dict(type='mmdet.RandomFlip', prob=0.5), dict(type=last)], **files)
    meta = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'pad_param')
    known = dict(type=last, meta_keys=meta if kind == 'YOLOv5CocoDataset' else meta[:-1])
    val = dict(pipeline=[load, *steps, boxes, known], test_mode=True, **files)
    evaluator = dict(type='mmdet.CocoMetric', ann_file=str(root / 'val' / 'boxes.json'), metric='bbox')
    return base_config(root, kind, train, val, evaluator)


def mmdet_config(root):
    """RTMDet of the shapes project, thinner, at 64 x 64."""
    shapes = Config.fromfile(str(ROOT / 'projects' / 'shapes' / 'configs' / 'shapes_rtmdet.py'))
    model = copy.deepcopy(shapes.model.to_dict())
    stages = [[8, 8, 1, True, False], [8, 16, 1, True, False], [16, 16, 1, True, False], [16, 16, 1, False, True]]
    model['backbone'].update(arch_ovewrite=stages, widen_factor=1.0)
    model['neck'].update(in_channels=[16, 16, 16], out_channels=16)
    model['bbox_head'].update(num_classes=2, in_channels=16, feat_channels=16, stacked_convs=1)
    grey = dict(img=(114, 114, 114))
    steps = [dict(type='Resize', scale=(64, 64), keep_ratio=True), dict(type='Pad', size=(64, 64), pad_val=grey)]
    return dict(detector_parts(root, 'CocoDataset', steps, 'PackDetInputs'), default_scope='mmdet', model=model)


def mmyolo_config(root):
    """YOLOv5 of the shapes project, thinner, at 64 x 64."""
    shapes = Config.fromfile(str(ROOT / 'projects' / 'shapes' / 'configs' / 'shapes_yolov5.py'))
    model = copy.deepcopy(shapes.model.to_dict())
    for part in (model['backbone'], model['neck'], model['bbox_head']['head_module']):
        part['widen_factor'] = 1 / 16
    model['bbox_head']['head_module']['num_classes'] = 2
    steps = [
        dict(type='YOLOv5KeepRatioResize', scale=(64, 64)),
        dict(type='LetterResize', scale=(64, 64), allow_scale_up=False, pad_val=dict(img=114)),
    ]
    parts = detector_parts(root, 'YOLOv5CocoDataset', steps, 'mmdet.PackDetInputs')
    return dict(parts, default_scope='mmyolo', model=model)


def mmpretrain_config(root):
    """A thin ResNet at 64 x 64."""
    model = dict(
        type='ImageClassifier',
        data_preprocessor=dict(type='ClsDataPreprocessor', mean=[100.0] * 3, std=[50.0] * 3, num_classes=2),
        backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, out_indices=(3,)),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=2, in_channels=64, loss=dict(type='CrossEntropyLoss'), topk=(1,)),
    )
    load, pack = dict(type='LoadImageFromFile'), dict(type='PackInputs')
    files = dict(ann_file='labels.txt', data_prefix='pictures')
    train = dict(
        pipeline=[load, dict(type='RandomCrop', crop_size=56), dict(type='RandomFlip', prob=0.5), pack], **files
    )
    val = dict(pipeline=[load, dict(type='CenterCrop', crop_size=56), pack], **files)
    parts = base_config(root, 'CustomDataset', train, val, dict(type='Accuracy', topk=(1,)))
    return dict(parts, default_scope='mmpretrain', model=model)


CONFIGS = {'mmdet': mmdet_config, 'mmyolo': mmyolo_config, 'mmpretrain': mmpretrain_config}


@pytest.fixture
def make_runner(pictures, tmp_path):
    """Build a Runner of a library; ``hooks`` by name, ``options`` by dotted keys."""
    from mmengine.runner import Runner

    compat.prepare('mmyolo', 'mmpretrain')

    def make(library, hooks=(), work='work', **options):
        cfg = Config(CONFIGS[library](pictures))
        cfg.merge_from_dict({key.replace('__', '.'): copy.deepcopy(value) for key, value in options.items()})
        for number, hook in enumerate(hooks):
            cfg.default_hooks[f'vis{number}'] = hook
        cfg.work_dir = str(tmp_path / work)
        cfg.experiment_name = f'engine_{next(_number)}'
        return Runner.from_cfg(cfg)

    return make
