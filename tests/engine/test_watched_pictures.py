"""Which pictures are chosen, and what is annotated in them."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmengine.fileio import LocalBackend, register_backend
from mmengine.registry import DATASETS
from trainings import cam, drawn_by, read_drawing, warnings_of

from mmlens import explain_classes
from mmlens.engine import VisHook
from mmlens.engine.watched_pictures import Choice, dataset_of
from mmlens.errors import MmlensError, PictureError


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """Five pictures in each of three folders, named from where the tests run."""
    monkeypatch.chdir(tmp_path)
    for folder in ('pictures', 'a', 'b'):
        Path(folder).mkdir()
        for number in range(5):
            Path(folder, f'{number:03d}.png').touch()


class Listed(BaseDataset):
    """Pictures by their paths; those of a folder have the names of the other's."""

    METAINFO = dict(classes=('disc', 'box'))

    def __init__(self, folder, **options):
        self.folder = folder
        super().__init__(**options)

    def load_data_list(self):
        return [
            dict(
                img_path=f'{self.folder}/{number:03d}.png',
                instances=[
                    dict(bbox=[1, 2, 30, 40], bbox_label=number % 2, ignore_flag=0),
                    dict(bbox=[0, 0, 5, 5], bbox_label=0, ignore_flag=1),
                ],
            )
            for number in range(5)
        ]

    def prepare_data(self, index):
        raise AssertionError('no sample is prepared')


class Arrays(Listed):
    """Pictures that the set holds itself, each of one class."""

    def load_data_list(self):
        return [dict(img=np.full((4, 6, 3), number, np.uint8), gt_label=np.array(number)) for number in range(3)]


def load_elsewhere(info):
    if info['img_path'].startswith('gone'):
        raise ConnectionError('no such bucket\nlong story')
    return dict(info, img=np.full((4, 6, 3), int(info['img_path'][-5]), np.uint8))


@pytest.mark.parametrize(
    ('options', 'names'),
    [
        ({}, ['000', '001', '002', '003']),
        (dict(num=2), ['000', '001']),
        (dict(num=-1), ['000', '001', '002', '003', '004']),
        (dict(num=9), ['000', '001', '002', '003', '004']),
        (dict(num=-1, every=2), ['000', '002', '004']),
        (dict(indexes=[4, 1]), ['004', '001']),
    ],
)
def test_the_same_pictures_are_chosen_each_time_without_a_random_number(options, names):
    dataset = Listed('pictures')
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    for _ in range(2):
        watched = Choice(**options).of_dataset(dataset, 'val')
        assert [each.name for each in watched] == names
        assert [each.read() for each in watched] == [f'pictures/{name}.png' for name in names]
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_pictures_of_one_name_are_told_apart_through_wrappers():
    dataset = ConcatDataset([Listed('a'), Listed('b')])
    watched = Choice(indexes=[0, 5, 1, 6]).of_dataset(dataset, 'train')
    assert [each.name for each in watched] == ['000', '000-2', '001', '001-2']
    assert [each.read() for each in watched] == ['a/000.png', 'b/000.png', 'a/001.png', 'b/001.png']


def test_truth_is_what_is_annotated_and_not_ignored():
    watched = Choice(indexes=[3]).of_dataset(Listed('a'), 'val')[0]
    assert watched.truth.labels == [1] and watched.truth.boxes.tolist() == [[1, 2, 30, 40]]
    watched = Choice(indexes=[2]).of_dataset(Arrays('a'), 'val')[0]
    assert watched.truth.labels == [2] and watched.truth.boxes.shape == (0, 4)


def test_pictures_without_files_come_from_the_set_or_its_loading_step():
    watched = Choice(num=2).of_dataset(Arrays('a'), 'test')
    assert [each.name for each in watched] == ['test_000000', 'test_000001']
    assert watched[1].read().tolist() == np.ones((4, 6, 3)).tolist()
    far = RepeatDataset(Listed('s3://bucket', pipeline=[load_elsewhere]), 2)
    assert Choice(indexes=[7]).of_dataset(far, 'val')[0].read().max() == 2
    both = ConcatDataset([Listed('a'), Listed('in_an_archive', pipeline=[load_elsewhere])])
    watched = Choice(indexes=[1, 8]).of_dataset(both, 'val')
    assert watched[0].read() == 'a/001.png' and watched[1].read().max() == 3
    with pytest.raises(PictureError, match='^Picture 0 of Listed has no file: pass files as pictures'):
        Choice(num=1).of_dataset(Listed('s3://bucket'), 'val')[0].read()
    with pytest.raises(
        PictureError,
        match=r'^Picture 1 of Listed cannot be loaded: no such bucket \(.*test_watched_pictures.py, line \d+\).$',
    ):
        Choice(indexes=[1]).of_dataset(Listed('gone', pipeline=[load_elsewhere]), 'val')[0].read()


@pytest.mark.parametrize(
    ('held', 'channels', 'read'),
    [
        (np.full((4, 6), 7, np.uint8), 1, [7, 7, 7]),
        (np.full((4, 6, 1), 257 * 9, np.uint16), 1, [9, 9, 9]),
        (np.tile(np.float32([1, 2, 300]), (4, 6, 1)), 3, [1, 2, 255]),
    ],
)
def test_arrays_of_the_set_are_read_as_pictures(held, channels, read):
    dataset = Arrays('a')
    dataset.get_data_info = lambda index: dict(img=held)
    (watched,) = Choice(num=1).of_dataset(dataset, 'val')
    picture = watched.read()
    assert watched.held == channels
    assert picture.shape == (4, 6, 3) and picture.dtype == np.uint8 and (picture == read).all()
    # What is made RGB on its way to the model was BGR, what is not is RGB: mmpretrain's and mmengine's preprocessors.
    for given_bgr in (SimpleNamespace(to_rgb=True), SimpleNamespace(_channel_conversion=True)):
        assert (watched.shown(picture, given_bgr) == read).all()
    assert (watched.shown(picture, SimpleNamespace(to_rgb=False)) == read[::-1]).all()
    (file,) = Choice(num=1).of_dataset(Listed('a'), 'val')
    assert file.shown(picture, SimpleNamespace(to_rgb=False)) is picture


def test_arrays_that_are_no_pictures_are_told():
    dataset = Arrays('a')
    dataset.get_data_info = lambda index: dict(img=np.zeros((4, 6, 5)))
    with pytest.raises(PictureError, match=r'^Picture 0 of Arrays is an array \(4, 6, 5\): only grey and colour'):
        Choice(num=1).of_dataset(dataset, 'val')[0].read()


def test_what_is_wrong_is_said():
    with pytest.raises(MmlensError, match='^There is no picture 7: the val set has 5, from 0.$'):
        Choice(indexes=[0, 7]).of_dataset(Listed('a'), 'val')
    with pytest.raises(MmlensError, match='^list does not list its pictures: pass files as pictures=.*$'):
        Choice().of_dataset([1, 2, 3, 4], 'val')
    with pytest.raises(MmlensError, match='^The config has no val_dataloader to take pictures from'):
        dataset_of(SimpleNamespace(_val_loop=None, _val_dataloader=None), 'val')
    gone = dict(dataset=dict(type='mmdet.CocoDataset', ann_file='gone.json'))
    with pytest.raises(MmlensError, match=r'^The test set, .* cannot be loaded: there is no .*gone\.json\. Choose'):
        dataset_of(SimpleNamespace(_test_loop=None, _test_dataloader=gone), 'test')


def test_files_keep_their_order(tmp_path):
    paths = [tmp_path / folder / 'a.png' for folder in ('x', 'y')]
    for path in paths:
        path.parent.mkdir()
        path.touch()
    watched = Choice(pictures=[str(path) for path in paths]).of_files()
    assert [(each.name, each.read()) for each in watched] == [('a', paths[0]), ('a-2', paths[1])]


class Held(BaseDataset):
    """Pictures that the set holds itself, as CIFAR and MNIST do: of one class each."""

    METAINFO = dict(classes=('dark', 'light'))

    def __init__(self, shape, **options):
        self.shape = tuple(shape)
        super().__init__(**options)

    def load_data_list(self):
        rng = np.random.default_rng(0)
        pictures = rng.integers(0, 120, (4, *self.shape)).astype(np.uint8)
        pictures[::2] += 100
        return [dict(img=picture, gt_label=np.array(1 - number % 2)) for number, picture in enumerate(pictures)]


@pytest.mark.parametrize(('shape', 'to_rgb'), [((28, 28), False), ((32, 32, 3), False), ((32, 32, 3), True)])
def test_what_a_set_holds_is_drawn_in_its_colours_and_explained_as_the_model_sees_it(make_runner, shape, to_rgb):
    DATASETS.register_module(module=Held, force=True)
    channels = 1 if len(shape) == 2 else 3
    held = dict(type='Held', shape=shape, pipeline=[dict(type='Resize', scale=48), dict(type='PackInputs')])
    preprocessor = dict(mean=[90.0] * channels, std=[40.0] * channels, to_rgb=to_rgb)
    options = {f'{stage}_dataloader__dataset': dict(held, _delete_=True) for stage in ('train', 'val', 'test')}
    options.update({f'model__data_preprocessor__{name}': value for name, value in preprocessor.items()})
    runner = make_runner('mmpretrain', [cam(num=1, during='val')], model__backbone__in_channels=channels, **options)
    runner.train()
    dataset = runner.val_dataloader.dataset
    picture = dataset.get_data_info(0)['img']
    picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if channels == 1 else picture
    assert drawn_by(runner) == ['cam_val/val_000000/epoch_0001', 'cam_val/val_000000/epoch_0002']
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, VisHook))
    network, (watched,) = hook._network(runner, runner.model), hook._watched['val']
    shown = hook.look(network, watched, explain_classes).picture
    assert np.array_equal(shown, picture[..., :: 1 if to_rgb else -1])
    expected = runner.model.data_preprocessor({key: [value] for key, value in dataset[0].items()})['inputs']
    assert torch.equal(network.prepare(watched.read()).batch['inputs'], expected)


class Mapped(LocalBackend):
    """Files that only the loading step finds: in an archive, a data base, on a server."""

    def __init__(self, root):
        self.root = root

    def get(self, path):
        return super().get(str(path).replace('virtual', self.root))


@pytest.mark.parametrize('reached', [True, False])
def test_pictures_that_only_the_loading_step_reaches_are_drawn_and_stop_nothing(
    make_runner, pictures, monkeypatch, reached
):
    register_backend('Mapped', Mapped, force=True)
    root = str(pictures / 'val')
    mapped = dict(type='LoadImageFromFile', backend_args=dict(backend='Mapped', root=root if reached else '/nowhere'))
    options = dict(data_root='', data_prefix='virtual/pictures', ann_file=f'{root}/labels.txt')
    options['pipeline'] = [mapped, dict(type='CenterCrop', crop_size=56), dict(type='PackInputs')]
    hook = dict(type='mmlens.CAMVisHook', num=2, dataset='test', at_start=False)
    options = {f'test_dataloader__dataset__{name}': value for name, value in options.items()}
    runner = make_runner('mmpretrain', [hook], **options)
    said = warnings_of(runner, monkeypatch)
    runner.train()
    failed = [sentence for sentence in said if 'could not' in sentence]
    if reached:
        assert not failed
        (hook,) = (hook for hook in runner.hooks if isinstance(hook, VisHook))
        (watched,) = Choice(pictures=[f'{root}/pictures/001.png']).of_files()
        expected, _ = hook.draw(hook._network(runner, runner.model), watched)
        assert np.array_equal(read_drawing(runner, 'cam/001/epoch_0002'), expected)
    else:
        (sentence,) = failed
        assert sentence.startswith('CAMVisHook could not draw 000: Picture 0 of CustomDataset cannot be loaded: ')
