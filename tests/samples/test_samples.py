import random

import cv2
import numpy as np
import pytest
import torch

from mmlens.errors import ModelError, PictureError
from mmlens.samples import Samples

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]


def pictures_of(sample):
    return [view.picture for step in sample.steps for view in step.views]


def equal(one, other):
    one, other = pictures_of(one), pictures_of(other)
    return len(one) == len(other) and all(a.shape == b.shape and (a == b).all() for a, b in zip(one, other))


def test_order(configs):
    samples = Samples(configs['plain'], seed=3)
    assert len(samples) == 6
    assert samples.order() == [0, 1, 2, 3, 4, 5]
    assert samples.order(2) == [0, 1]
    assert samples.order(9) == samples.order()
    shuffled = samples.order(shuffle=True)
    assert sorted(shuffled) == samples.order() != shuffled
    assert samples.order(4, shuffle=True) == shuffled[:4]
    assert Samples(configs['plain'], seed=3).order(shuffle=True) == shuffled
    assert Samples(configs['plain'], seed=4).order(shuffle=True) != shuffled


@pytest.mark.parametrize('kind', ['plain', 'wrapper that mixes', 'classifier'])
def test_paths_are_those_of_all_pictures(configs, kind):
    samples = Samples(configs[kind], seed=3)
    paths = samples.paths()
    assert len(set(paths)) == len(samples) and {samples.record(index).path for index in (0, 1)} <= set(paths)


@pytest.mark.parametrize('kind', ['wrapper that mixes', 'mmyolo', 'cached, mmdet', 'choices', 'classifier', 'views'])
def test_the_same_seed_draws_the_same_pictures(configs, kind):
    first, again, other = (Samples(configs[kind], seed=seed) for seed in (8, 8, 9))
    records = [[samples.record(index) for index in (1, 2)] for samples in (first, again, other)]
    assert all(map(equal, records[0], records[1]))
    assert not all(map(equal, records[0], records[2]))


@pytest.mark.parametrize('kind', ['wrapper that mixes', 'mmyolo', 'choices'])
def test_a_sample_does_not_depend_on_those_before_it(configs, kind):
    alone, later = Samples(configs[kind], seed=8), Samples(configs[kind], seed=8)
    later.record(0)
    assert equal(alone.record(3), later.record(3))


def test_chance_goes_on_where_it_was(configs):
    def chances():
        return random.random(), np.random.rand(), torch.rand(1).item()

    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(1)
    expected = chances()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(1)
    Samples(configs['cached, mmdet'], seed=5).record(0)
    assert chances() == expected


def test_caches_are_filled_before_the_first_sample(configs):
    samples = Samples(configs['cached, mmdet'], seed=0)
    first, second = samples.record(0), samples.record(1)
    assert first.notes == ('5 samples were processed first to fill the cache of CachedMosaic, CachedMixUp',)
    assert second.notes == ()
    assert first.steps[2].views[0].shape == (128, 128, 3)  # mixed at once


def test_without_caches_nothing_is_filled(configs):
    assert Samples(configs['mmyolo'], seed=0).record(0).notes == ()


def test_a_cache_that_never_fills_ends(detection):
    mosaic = dict(type='Mosaic', img_scale=(64, 64), use_cached=True, prob=0.0)
    samples = Samples(detection([*LOAD, mosaic], scope='mmyolo', kind='YOLOv5CocoDataset'))
    assert samples.record(0).notes == ('60 samples were processed first to fill the cache of Mosaic',)


def test_the_sample_is_what_the_dataset_returns(configs):
    sample = Samples(configs['plain'], seed=1).record(0)
    assert sample.sample['inputs'].shape == (3, 64, 64)
    tensor = sample.sample['inputs'].permute(1, 2, 0).numpy()
    assert np.array_equal(sample.transformed.views[0].picture, tensor)


def test_types_to_skip(configs):
    samples = Samples(configs['plain'], skip_types=['mmdet.PackDetInputs', 'Resize', 'Rezise'])
    assert samples.unknown_types == ['Rezise']
    names = [step.name for step in samples.record(0).steps]
    assert names == ['LoadImageFromFile', 'LoadAnnotations', 'RandomFlip', 'Pad']


def test_config_options(configs):
    samples = Samples(configs['plain'], cfg_options={'train_dataloader.dataset.indices': 2})
    assert len(samples) == 2


def test_a_picture_that_is_not_there(detection):
    samples = Samples(detection(LOAD, data_prefix=dict(img='gone/')))
    with pytest.raises(PictureError, match=r'^Sample 2 \(.*gone/2.png\): there is no such picture file\.$'):
        samples.record(2)


def test_another_file_that_is_not_there(detection):
    load = [LOAD[0], dict(type='LoadAnnotations', with_bbox=False, with_seg=True)]
    samples = Samples(detection(load, data_prefix=dict(img='train/', seg='gone/')))
    with pytest.raises(PictureError, match=r'^Sample 2 \(.*train/2.png\): there is no .*gone/2.png\.$'):
        samples.record(2)


def test_what_a_transform_misses(detection):
    samples = Samples(detection([dict(type='ImageToTensor', keys=['img'])]))
    with pytest.raises(
        PictureError, match=r": the transform ImageToTensor needs 'img', which no earlier transform provides\.$"
    ):
        samples.record(0)


def test_a_picture_that_is_none(detection, tmp_path, coco):
    for number in range(6):
        (tmp_path / f'{number}.png').write_bytes(b'no picture')
    samples = Samples(detection(LOAD, data_prefix=dict(img=str(tmp_path))))
    with pytest.raises(PictureError, match=r'^Sample 0 \(.*0.png\): the transform LoadImageFromFile fails: '):
        samples.record(0)


def test_a_transform_that_fails(detection):
    samples = Samples(
        detection([*LOAD, dict(type='RandomApply', transforms=[dict(type='ProposalBroadcaster')], prob=1)])
    )
    with pytest.raises(PictureError, match=r'^Sample 1 \(.*1.png\): the transform ProposalBroadcaster fails: .*\.$'):
        samples.record(1)
    assert type(samples.dataset).__name__ == 'CocoDataset' and 'mmdet' in type(samples.dataset).__module__


@pytest.mark.parametrize('kind', ['Mosaic', 'MixUp', 'CopyPaste', 'mmyolo.Mosaic', 'mmyolo.YOLOXMixUp'])
def test_what_mixes_samples_in_names_what_gives_them(detection, kind):
    samples = Samples(detection([*LOAD, dict(type=kind)]))
    with pytest.raises(PictureError, match=r'^Sample 0 \(.*0.png\): the transform \w+ mixes in other samples') as told:
        samples.record(0)
    assert ('such as YOLOv5CocoDataset' if 'mmyolo' in kind else "type='MultiImageMixDataset'") in str(told.value)


def test_a_sample_that_is_always_rejected(detection):
    crop = dict(type='RandomCrop', crop_size=(1, 1), allow_negative_crop=False)
    samples = Samples(detection([*LOAD, crop], max_refetch=3, indices=[0]), seed=1)
    with pytest.raises(PictureError, match=r'^Sample 0 cannot be loaded: Cannot find valid image after 3!'):
        for seed in range(20):
            samples.seed = seed
            samples.record(0)


def test_a_pipeline_without_pictures(detection):
    with pytest.raises(ModelError, match='loads no picture'):
        Samples(detection([LOAD[1]])).record(0)


def test_original_and_transformed(configs):
    sample = Samples(configs['plain'], seed=2).record(1)
    assert sample.original.name == 'LoadAnnotations'
    assert np.array_equal(sample.original.views[0].picture, cv2.imread(sample.path))
    assert sample.transformed.name == 'PackDetInputs'
