"""How long an epoch is: worked out by hand, and as mmengine's own loader has it in several processes."""

from __future__ import annotations

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.dist import get_rank, get_world_size
from mmengine.registry import DATASETS
from torch import distributed

from mmlens.errors import ModelError
from mmlens.schedules import rehearse
from mmlens.schedules.dataset import SizedDataset, as_one_of, build_loader, build_training_set, size_with_wrappers

SEQUENTIAL = dict(batch_size=4, sampler=dict(type='DefaultSampler', shuffle=False))


@pytest.mark.parametrize(
    ('size', 'ngpus', 'drop_last', 'length'),
    [(10, 1, False, 5), (11, 1, False, 6), (11, 1, True, 5), (21, 4, False, 3)],
)
def test_epochs_are_as_long_as_the_sampler_makes_them(size, ngpus, drop_last, length, make_config):
    cfg = make_config()
    cfg.train_dataloader.drop_last = drop_last
    cfg.train_dataloader.dataset.type = 'NoSuchSet'  # is not built
    cfg.train_dataloader.update(num_workers=8, persistent_workers=True, prefetch_factor=2)
    assert rehearse(cfg, dataset_size=size, ngpus=ngpus).epoch_length == length


def test_size_of_wrapped_sets(make_config):
    cfg = make_config()
    inner = dict(type='RehearsalSet', size=6, pipeline=[dict(type='NoSuchTransform')])
    repeated = dict(type='RepeatDataset', times=3, dataset=inner)
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[repeated, dict(type='RehearsalSet', size=4)])
    schedule = rehearse(cfg)
    assert (schedule.dataset_size, schedule.epoch_length) == (22, 11)


def test_size_given_for_a_lengthened_set_is_told(make_config):
    cfg = make_config()
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', times=3, dataset=cfg.train_dataloader.dataset)
    assert 'RepeatDataset' in ' '.join(rehearse(cfg, dataset_size=30).notes)
    assert 'RepeatDataset' not in ' '.join(rehearse(cfg).notes)


@DATASETS.register_module(force=True)
class Unlucky(BaseDataset):
    """Its annotations lie in a file that is not there."""

    def load_data_list(self):
        with open('gone/annotations.json') as file:
            return file.read()


def config_of(**dataset):
    return Config(dict(train_dataloader=dict(batch_size=1, dataset=dataset)))


def test_a_set_is_built_once_and_without_its_pipelines():
    inner = dict(type='RehearsalSet', size=7, pipeline=[dict(type='NoSuchTransform')])
    cfg = config_of(type='RepeatDataset', times=2, dataset=inner)
    dataset = build_training_set(cfg)
    assert len(dataset) == 14
    assert cfg.train_dataloader.dataset.dataset.pipeline == [dict(type='NoSuchTransform')]
    assert copy.deepcopy(dataset) is dataset  # as the Runner copies the config of a loader


def test_a_missing_file_is_named():
    with pytest.raises(ModelError) as raised:
        build_training_set(config_of(type='Unlucky', pipeline=[]))
    assert str(raised.value) == (
        'The training set of the config cannot be read: there is no gone/annotations.json. '
        'To do without it, give its number of pictures with `dataset_size=N`.'
    )


@pytest.mark.parametrize(
    ('kind', 'lengthens'),
    [('RepeatDataset', True), ('mmdet.ClassBalancedDataset', True), ('ConcatDataset', False), ('CocoDataset', False)],
)
def test_wrappers_that_lengthen_a_set(kind, lengthens):
    sentence = size_with_wrappers(config_of(type=kind))
    assert (sentence is not None) is lengthens
    assert not lengthens or f'wraps its training set in {kind}:' in sentence


def test_a_wrapper_given_as_a_class_counts_too():
    from mmengine.dataset import RepeatDataset

    assert 'RepeatDataset' in size_with_wrappers(config_of(type=RepeatDataset))
    assert size_with_wrappers(Config(dict(train_dataloader=dict()))) is None


@pytest.mark.parametrize(
    ('size', 'world_size', 'drop_last', 'length'),
    # Each process gets the size over their number, rounded up: 17 / 3 -> 6 pictures, in batches of 4.
    [(16, 1, False, 4), (17, 1, False, 5), (17, 1, True, 4), (17, 3, False, 2), (17, 3, True, 1), (4, 4, False, 1)],
)
def test_a_loader_is_as_long_as_that_of_one_process(size, world_size, drop_last, length):
    loader = build_loader(dict(SEQUENTIAL, drop_last=drop_last), SizedDataset(size), world_size)
    assert len(loader) == length
    assert loader.num_workers == 0


def test_workers_are_not_started():
    options = dict(SEQUENTIAL, num_workers=8, persistent_workers=True, prefetch_factor=4)
    loader = build_loader(options, SizedDataset(8), 1)
    assert (loader.num_workers, loader.persistent_workers, loader.prefetch_factor) == (0, False, None)
    assert options['num_workers'] == 8


def test_an_epoch_without_a_full_batch_is_refused():
    with pytest.raises(ModelError, match='^An epoch of 3 pictures has no full batch: check `dataset_size` and batch_s'):
        build_loader(dict(SEQUENTIAL, drop_last=True), SizedDataset(3), 1)


def test_a_sampler_that_looks_into_the_set_needs_the_set():
    nosy = dict(batch_size=1, sampler=dict(type='mmdet.ClassAwareSampler'))
    with pytest.raises(ModelError, match=' It reads the dataset itself, so leave out `dataset_size`.$'):
        build_loader(nosy, SizedDataset(5), 1)


@pytest.mark.parametrize('fails', [False, True])
def test_one_of_several_processes_for_as_long_as_the_block(fails):
    before = [getattr(distributed, name) for name in ('is_available', 'is_initialized', 'get_world_size', 'get_rank')]
    try:
        with as_one_of(3):
            assert (get_world_size(), get_rank()) == (3, 0)
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    after = [getattr(distributed, name) for name in ('is_available', 'is_initialized', 'get_world_size', 'get_rank')]
    assert after == before and (get_world_size(), get_rank()) == (1, 0)
    assert not torch.distributed.is_initialized()


def test_one_process_pretends_nothing():
    asked = distributed.get_world_size
    with as_one_of(1):
        assert distributed.get_world_size is asked and get_world_size() == 1
