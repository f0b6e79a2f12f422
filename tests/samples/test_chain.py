import os

import numpy as np
import pytest

from mmlens.samples import Samples


def names(steps):
    return ['/'.join((*step.within, step.name)) for step in steps]


def files(steps):
    return [os.path.basename(branch.path) for step in steps for branch in step.branches]


def step_of(steps, name):
    (step,) = [step for step in steps if step.name == name]
    return step


def test_steps_of_a_plain_pipeline(configs):
    sample = Samples(configs['plain'], seed=1).record(0)
    assert names(sample.steps) == [
        'LoadImageFromFile',
        'LoadAnnotations',
        'RandomFlip',
        'Resize',
        'Pad',
        'PackDetInputs',
    ]
    assert [step.views[0].shape for step in sample.steps] == [(60, 80, 3)] * 3 + [(36, 48, 3), (64, 64, 3), (3, 64, 64)]
    assert not any(step.branches for step in sample.steps)
    assert sample.class_names == ('red', 'green')
    assert sample.path.endswith('train/0.png')


def test_a_step_without_effect_says_so(detection):
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
    flips = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
    sample = Samples(detection([*load, *flips])).record(0)
    assert [step.changed for step in sample.steps] == [True, True, False, True]


def test_only_the_chosen_branch_is_a_step(configs):
    seen = set()
    for index in range(6):
        found = names(Samples(configs['choices'], seed=7).record(index).steps)
        assert found[:2] == ['LoadImageFromFile', 'LoadAnnotations'] and found[-1] == 'PackDetInputs'
        seen.add(tuple(found[2:-1]))
    sized, cut = ('RandomChoice/RandomResize/Resize',), ('RandomChoice/RandomCrop', 'RandomChoice/RandomFlip')
    applied, left_out = ('RandomApply/PhotoMetricDistortion',), ('RandomApply',)
    assert seen <= {a + b for a in (sized, cut) for b in (applied, left_out)}
    assert {each[0] for each in seen} == {sized[0], cut[0]}
    assert {each[-1] for each in seen} == {applied[0], left_out[0]}


def test_transforms_chosen_by_rand_augment_are_steps(configs):
    found = names(Samples(configs['classifier'], seed=3).record(1).steps)
    assert len(found) == 5
    assert found[:2] == ['LoadImageFromFile', 'RandomResizedCrop'] and found[-1] == 'PackInputs'
    assert all(name.startswith('RandAugment/') for name in found[2:4])


def test_the_wrapper_that_mixes_shows_what_is_mixed_in(configs):
    sample = Samples(configs['wrapper that mixes'], seed=1).record(2)
    assert names(sample.steps) == [
        'LoadImageFromFile',
        'LoadAnnotations',
        'Mosaic',
        'RandomAffine',
        'MixUp',
        'RandomFlip',
        'PackDetInputs',
    ]
    assert sample.path.endswith('train/2.png')
    assert [len(step.branches) for step in sample.steps] == [0, 0, 3, 0, 1, 0, 0]
    for step in sample.steps:
        for branch in step.branches:
            assert names(branch.steps) == ['LoadImageFromFile', 'LoadAnnotations']
            assert len(branch.steps[1].views[0].boxes) == 2


def test_mixing_within_mixing(configs):
    sample = Samples(configs['mmyolo'], seed=2).record(3)
    assert names(sample.steps) == [
        'LoadImageFromFile',
        'LoadAnnotations',
        'Mosaic',
        'YOLOv5RandomAffine',
        'YOLOv5MixUp',
        'RandomFlip',
        'PackDetInputs',
    ]
    (branch,) = step_of(sample.steps, 'YOLOv5MixUp').branches
    assert names(branch.steps) == ['LoadImageFromFile', 'LoadAnnotations', 'Mosaic', 'YOLOv5RandomAffine']
    assert len(step_of(branch.steps, 'Mosaic').branches) == 3
    mixed = step_of(sample.steps, 'YOLOv5MixUp').views[0]
    parts = [step_of(steps, 'YOLOv5RandomAffine').views[0] for steps in (sample.steps, branch.steps)]
    assert len(mixed.boxes) == sum(len(part.boxes) for part in parts)
    between = (parts[0].picture.astype(int) + parts[1].picture) / 2
    # Beta(8, 8) mixes about half and half.
    assert np.abs(mixed.picture - between).mean() < np.abs(parts[0].picture - between).mean()


@pytest.mark.parametrize(
    ('kind', 'mosaic', 'mixup'),
    [('cached, mmdet', 'CachedMosaic', 'CachedMixUp'), ('cached, mmyolo', 'Mosaic', 'YOLOXMixUp')],
)
def test_what_comes_from_a_cache_is_shown(configs, kind, mosaic, mixup):
    samples = Samples(configs[kind], seed=4)
    recorded = [samples.record(index) for index in range(6)]
    assert all(len(step_of(sample.steps, mosaic).branches) == 3 for sample in recorded)
    assert {len(step_of(sample.steps, mixup).branches) for sample in recorded} == {0, 1}  # with probability 0.5
    for sample in recorded:
        whole = step_of(sample.steps, mosaic).views[0]
        assert whole.shape == (128, 128, 3)
        for branch in step_of(sample.steps, mosaic).branches:
            assert names(branch.steps) == ['from the cache']
            assert branch.path.endswith('.png') and len(branch.steps[0].views[0].boxes) == 2


def test_pictures_from_a_cache_that_are_loaded_again_are_shown_once(detection):
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
    mosaic = dict(type='Mosaic', img_scale=(64, 64), use_cached=True, pre_transform=load)
    cfg = detection([*load, mosaic], scope='mmyolo', kind='YOLOv5CocoDataset')
    sample = Samples(cfg, seed=0).record(0)
    branches = step_of(sample.steps, 'Mosaic').branches
    assert [names(branch.steps) for branch in branches] == [['LoadImageFromFile', 'LoadAnnotations']] * 3


def test_views_of_a_picture_are_pictures_of_one_step(configs):
    sample = Samples(configs['views'], seed=1).record(5)
    assert names(sample.steps) == ['LoadImageFromFile', 'MultiView', 'PackInputs']
    assert [len(step.views) for step in sample.steps] == [1, 2, 2]
    views, branches = sample.steps[1].views, sample.steps[1].branches
    assert [names(branch.steps) for branch in branches] == [['RandomResizedCrop']] * 2
    for view, branch in zip(views, branches):
        assert np.array_equal(view.picture, branch.steps[0].views[0].picture)
    assert sample.transformed.views[0].classes == (1,)
    assert sample.name_of(1) == 'red'  # CustomDataset takes folders by the alphabet: green, red


def test_wrappers_in_wrappers(detection):
    def wrap(dataset):
        balanced = dict(type='ClassBalancedDataset', oversample_thr=0.5, dataset=dataset)
        return dict(
            type='ConcatDataset', datasets=[dict(type='RepeatDataset', times=2, dataset=balanced), dict(dataset)]
        )

    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
    samples = Samples(detection(load, wrap=wrap))
    assert len(samples) == 18
    for index in (0, 7, 17):
        sample = samples.record(index)
        assert sample.path.endswith(f'train/{index % 6}.png')
        assert names(sample.steps) == ['LoadImageFromFile', 'LoadAnnotations']
        assert len(sample.steps[1].views[0].boxes) == 2


def test_mixing_of_a_concatenation(detection):
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]

    def wrap(dataset):
        both = dict(type='ConcatDataset', datasets=[dataset, dataset])
        mosaic = dict(type='Mosaic', img_scale=(64, 64))
        mixing = dict(type='MultiImageMixDataset', dataset=both, pipeline=[mosaic])
        return dict(type='RepeatDataset', times=2, dataset=mixing)

    sample = Samples(detection(load, wrap=wrap), seed=5).record(13)
    assert names(sample.steps) == ['LoadImageFromFile', 'LoadAnnotations', 'Mosaic']
    assert sample.path.endswith('train/1.png')
    assert len(files(sample.steps)) == 3
    assert len(step_of(sample.steps, 'Mosaic').views[0].boxes) == 8


def test_rejected_samples_are_told(detection):
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
    picky = [dict(type='RandomCrop', crop_size=(12, 12), allow_negative_crop=False)]
    samples = Samples(detection([*load, *picky]), seed=0)
    recorded = [samples.record(index) for index in range(6)]
    rejected = [sample for sample in recorded if sample.notes]
    assert rejected and len(rejected) < len(recorded)
    for sample in recorded:
        assert names(sample.steps) == ['LoadImageFromFile', 'LoadAnnotations', 'RandomCrop']
        assert all(step.views[0].boxes.shape[0] for step in sample.steps[1:])
    assert rejected[0].notes[0].startswith('rejected before this sample came through: ')
    assert rejected[0].notes[0].endswith('(by RandomCrop)')


def test_rejections_of_a_mixing_wrapper(detection):
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]

    def wrap(dataset):
        mosaic = dict(type='Mosaic', img_scale=(64, 64))
        crop = dict(type='RandomCrop', crop_size=(10, 10), allow_negative_crop=False)
        return dict(type='MultiImageMixDataset', dataset=dataset, pipeline=[mosaic, crop], max_refetch=200)

    samples = Samples(detection(load, wrap=wrap), seed=0)
    recorded = [samples.record(index) for index in range(4)]
    assert any(sample.notes for sample in recorded)
    for sample in recorded:
        assert names(sample.steps) == ['LoadImageFromFile', 'LoadAnnotations', 'Mosaic', 'RandomCrop']
        assert len(sample.steps[2].branches) == 3


def test_a_function_in_a_pipeline_is_seen_in_the_next_step(detection):
    samples = Samples(detection([dict(type='LoadImageFromFile'), dict(type='RandomFlip', prob=0.0)]))

    def darken(results):
        return dict(results, img=results['img'] // 2)

    samples.dataset.pipeline.transforms.insert(1, darken)
    sample = samples.record(0)
    assert names(sample.steps) == ['LoadImageFromFile', 'RandomFlip']
    assert np.array_equal(sample.steps[1].views[0].picture, sample.steps[0].views[0].picture // 2)


def test_pictures_that_the_dataset_itself_holds_are_the_first_step(detection):
    samples = Samples(detection([dict(type='RandomFlip', prob=1.0)]))
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    samples.dataset.get_data_info = lambda index: dict(img=picture.copy(), img_shape=(20, 30))  # as CIFAR10 does
    sample = samples.record(0)
    assert names(sample.steps) == ['CocoDataset', 'RandomFlip']
    assert np.array_equal(sample.original.views[0].picture, picture)
    assert np.array_equal(sample.transformed.views[0].picture, picture[:, ::-1])
    assert sample.path == ''
