"""Data sets of a few pictures in which colours tell what belongs where."""

import json

import cv2
import numpy as np
import pytest

from mmlens import compat

compat.prepare('mmyolo', 'mmpretrain')  # before a test module imports them

CLASSES = ('red', 'green')
COLOURS = ((0, 0, 255), (0, 255, 0))
SIZES = ((60, 80), (80, 60), (64, 64), (50, 90), (90, 70), (72, 48))


def draw_boxes(number, size):
    """A rectangle of each class: ``x, y, width, height``."""
    rng = np.random.default_rng(number)
    height, width = size
    boxes = []
    for label in range(len(CLASSES)):
        w, h = rng.integers(12, 22, 2).tolist()
        x = int(rng.integers(label * width // 2, (label + 1) * width // 2 - w + 1))  # side by side
        boxes.append((x, int(rng.integers(0, height - h)), w, h))
    return boxes


@pytest.fixture(scope='session')
def coco(tmp_path_factory):
    """The folder of a COCO set: ``train.json``, pictures ``train/0.png`` ..., maps of classes in ``seg``."""
    root = tmp_path_factory.mktemp('coco')
    (root / 'train').mkdir()
    (root / 'seg').mkdir()
    images, annotations = [], []
    for number, size in enumerate(SIZES):
        picture = np.random.default_rng(number).integers(90, 110, (*size, 3), np.uint8)
        seg_map = np.full(size, 255, np.uint8)
        for label, (x, y, w, h) in enumerate(draw_boxes(number, size)):
            picture[y : y + h, x : x + w] = COLOURS[label]
            seg_map[y : y + h, x : x + w] = label
            annotations.append(
                dict(
                    id=len(annotations),
                    image_id=number,
                    category_id=label,
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=0,
                    segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
                )
            )
        cv2.imwrite(str(root / 'train' / f'{number}.png'), picture)
        cv2.imwrite(str(root / 'seg' / f'{number}.png'), seg_map)
        images.append(dict(id=number, file_name=f'{number}.png', height=size[0], width=size[1]))
    categories = [dict(id=label, name=name) for label, name in enumerate(CLASSES)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (root / 'train.json').write_text(json.dumps(content))
    (root / 'empty.json').write_text(json.dumps(dict(content, images=[], annotations=[])))
    return root


@pytest.fixture(scope='session')
def folders(tmp_path_factory):
    """The folder of a set for classifiers: ``red/0.png`` ..., ``green/0.png`` ..."""
    root = tmp_path_factory.mktemp('folders')
    for label, name in enumerate(CLASSES):
        (root / name).mkdir()
        for number in range(3):
            picture = np.random.default_rng(number).integers(90, 110, (40, 50 + number, 3), np.uint8)
            picture[10:30, 10 : 30 + number] = COLOURS[label]
            cv2.imwrite(str(root / name / f'{number}.png'), picture)
    return root


@pytest.fixture(scope='session')
def detection(coco):
    """Makes a detector's config around a pipeline."""
    from mmengine.config import Config

    def make(pipeline, wrap=lambda dataset: dataset, scope='mmdet', kind='mmdet.CocoDataset', phase='train', **options):
        dataset = dict(
            type=kind,
            data_root=str(coco),
            ann_file='train.json',
            data_prefix=dict(img='train/', seg='seg/'),
            metainfo=dict(classes=CLASSES),
            pipeline=pipeline,
            test_mode=phase != 'train',
        )
        dataset.update(options)
        return Config({'default_scope': scope, f'{phase}_dataloader': dict(dataset=wrap(dataset))})

    return make


@pytest.fixture(scope='session')
def classification(folders):
    """Makes a classifier's config around a pipeline."""
    from mmengine.config import Config

    def make(pipeline, wrap=lambda dataset: dataset):
        dataset = dict(type='CustomDataset', data_root=str(folders), pipeline=pipeline)
        return Config(dict(default_scope='mmpretrain', train_dataloader=dict(dataset=wrap(dataset))))

    return make


LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True)]
LOAD_BOXES = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
PACK = dict(type='mmdet.PackDetInputs', meta_keys=('img_path',))
STRAIGHT = dict(max_rotate_degree=0.0, max_shear_degree=0.0)


def mixed(dataset):
    """mmdet's wrapper that mixes pictures."""
    inner = dict(dataset, pipeline=LOAD_BOXES)
    pipeline = [
        dict(type='Mosaic', img_scale=(64, 64)),
        dict(type='RandomAffine', scaling_ratio_range=(0.7, 1.3), border=(-32, -32), **STRAIGHT),
        dict(type='MixUp', img_scale=(64, 64), ratio_range=(0.8, 1.6)),
        dict(type='RandomFlip', prob=0.5),
        PACK,
    ]
    return dict(type='MultiImageMixDataset', dataset=inner, pipeline=pipeline)


MOSAIC_OF_MMYOLO = dict(type='Mosaic', img_scale=(64, 64), pre_transform=LOAD_BOXES)
AFFINE_OF_MMYOLO = dict(type='YOLOv5RandomAffine', border=(-32, -32), max_translate_ratio=0.1, **STRAIGHT)
MIXUP_OF_MMYOLO = dict(type='YOLOv5MixUp', prob=1.0, pre_transform=[*LOAD_BOXES, MOSAIC_OF_MMYOLO, AFFINE_OF_MMYOLO])


@pytest.fixture(scope='session')
def configs(detection, classification):
    """Configs of every kind of pipeline, by name."""
    cached = dict(use_cached=True, max_cached_images=10)
    mmyolo = dict(scope='mmyolo', kind='YOLOv5CocoDataset')
    flips = [dict(type='RandomFlip', prob=0.5), dict(type='Resize', scale=(48, 48), keep_ratio=True)]
    return {
        'plain': detection([*LOAD, *flips, dict(type='Pad', size_divisor=32), PACK]),
        'polygons': detection([LOAD[0], dict(LOAD[1], poly2mask=False), *flips, dict(type='Pad', size_divisor=32)]),
        'wrapper that mixes': detection([], wrap=mixed),
        'cached, mmdet': detection(
            [
                *LOAD_BOXES,
                dict(type='CachedMosaic', img_scale=(64, 64), max_cached_images=8),
                dict(type='CachedMixUp', img_scale=(64, 64), max_cached_images=8, prob=0.5),
                PACK,
            ]
        ),
        'mmyolo': detection(
            [
                *LOAD_BOXES,
                MOSAIC_OF_MMYOLO,
                AFFINE_OF_MMYOLO,
                MIXUP_OF_MMYOLO,
                dict(type='mmdet.RandomFlip', prob=0.5),
                PACK,
            ],
            **mmyolo,
        ),
        'cached, mmyolo': detection(
            [
                *LOAD_BOXES,
                dict(type='Mosaic', img_scale=(64, 64), **cached),
                dict(type='YOLOXMixUp', img_scale=(64, 64), prob=0.5, random_pop=False, **cached),
                PACK,
            ],
            **mmyolo,
        ),
        'choices': detection(
            [
                *LOAD,
                dict(
                    type='RandomChoice',
                    transforms=[
                        [dict(type='RandomResize', scale=(90, 90), ratio_range=(0.5, 2.0), keep_ratio=True)],
                        [dict(type='RandomCrop', crop_size=(40, 40)), dict(type='RandomFlip', prob=1.0)],
                    ],
                ),
                dict(type='RandomApply', prob=0.5, transforms=[dict(type='PhotoMetricDistortion')]),
                PACK,
            ]
        ),
        'classifier': classification(
            [
                dict(type='LoadImageFromFile'),
                dict(type='RandomResizedCrop', scale=32),
                dict(type='RandAugment', policies='timm_increasing', num_policies=2, magnitude_level=9),
                dict(type='PackInputs'),
            ],
            wrap=lambda dataset: dict(type='KFoldDataset', num_splits=3, dataset=dataset),
        ),
        'views': classification(
            [
                dict(type='LoadImageFromFile'),
                dict(type='MultiView', num_views=2, transforms=[[dict(type='RandomResizedCrop', scale=24)]]),
                dict(type='PackInputs'),
            ]
        ),
    }
