import copy
import random

import numpy as np
import pytest
import torch

from mmlens.models.inputs import default_scope
from mmlens.samples import Samples
from mmlens.samples.recording import datasets_of, recording, transforms_of

KINDS = (
    'plain',
    'polygons',
    'wrapper that mixes',
    'cached, mmdet',
    'mmyolo',
    'cached, mmyolo',
    'choices',
    'classifier',
    'views',
)


def seed(number):
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def state_of_chance():
    return random.random(), np.random.rand(), torch.rand(1).item()


def content(value):
    """What a sample consists of, as plain comparable values."""
    if isinstance(value, dict):
        return {key: content(each) for key, each in value.items() if key != 'dataset'}
    if isinstance(value, (list, tuple)):
        return [content(each) for each in value]
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return np.asarray(value).shape, np.asarray(value).tobytes()
    if hasattr(value, 'tensor'):  # boxes
        return content(value.tensor)
    if hasattr(value, 'to_ndarray'):  # masks
        return content(value.to_ndarray())
    if hasattr(value, 'all_items'):  # data samples
        return {key: content(each) for key, each in value.all_items()}
    return value


@pytest.mark.parametrize('kind', KINDS)
def test_a_recorded_sample_is_bit_for_bit_the_sample(configs, kind):
    samples = Samples(configs[kind])
    plain, watched = samples.dataset, copy.deepcopy(samples.dataset)
    with default_scope(samples.cfg):
        for number in range(12):  # caches fill up, branches are taken and not
            index = number % len(plain)
            seed(number)
            expected, chance = plain[index], state_of_chance()
            seed(number)
            with recording(watched) as record:
                found = watched[index]
            assert content(found) == content(expected)
            assert state_of_chance() == chance
            assert record.root.calls[0].subject is watched


@pytest.mark.parametrize('kind', KINDS)
def test_everything_is_given_back_as_it_was(configs, kind):
    dataset = Samples(configs[kind]).dataset
    subjects = [*datasets_of(dataset), *transforms_of(dataset)]
    before = [(type(each), set(vars(each))) for each in subjects]
    with pytest.raises(RuntimeError, match='in between'), recording(dataset):
        assert not any(type(each) is kind for each, (kind, _) in zip(subjects, before))
        assert [type(each).__name__ for each in subjects] == [kind.__name__ for kind, _ in before]
        assert all(isinstance(each, kind) for each, (kind, _) in zip(subjects, before))
        raise RuntimeError('in between')
    assert [(type(each), set(vars(each))) for each in subjects] == before


def test_all_transforms_are_found_each_once(configs):
    names = [type(each).__name__ for each in transforms_of(Samples(configs['mmyolo']).dataset)]
    assert sorted(names) == sorted(
        ['LoadImageFromFile', 'LoadAnnotations', 'Mosaic', 'LoadImageFromFile', 'LoadAnnotations']
        + ['YOLOv5RandomAffine', 'YOLOv5MixUp', 'LoadImageFromFile', 'LoadAnnotations', 'Mosaic']
        + ['LoadImageFromFile', 'LoadAnnotations', 'YOLOv5RandomAffine', 'RandomFlip', 'PackDetInputs']
    )


def test_what_a_recorded_copy_does_later_is_not_recorded(configs):
    dataset = Samples(configs['plain']).dataset
    with recording(dataset) as record:
        kept = copy.deepcopy(dataset.pipeline.transforms[0])
    kept(dict(img_path=dataset.get_data_info(0)['img_path']))
    assert record.root.calls == []


def test_the_innermost_failure_is_known(configs, detection):
    class Fails:
        def __call__(self, results):
            raise ValueError('no luck')

    dataset = Samples(configs['choices']).dataset
    fails = Fails()
    dataset.pipeline.transforms[2].transforms[0].transforms[0] = fails
    dataset.pipeline.transforms[2].transforms[1].transforms[0] = fails
    with recording(dataset) as record, pytest.raises(ValueError, match='no luck'):
        dataset[0]
    assert record.failed.subject is fails
