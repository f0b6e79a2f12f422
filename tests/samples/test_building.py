import importlib.util

import pytest
from mmengine.config import Config

from mmlens.errors import ModelError
from mmlens.samples.building import build_dataset, kinds_in, phase_config, without

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]


def test_a_dataset_is_built_with_its_wrappers(detection):
    cfg = detection(LOAD, wrap=lambda dataset: dict(type='RepeatDataset', times=3, dataset=dataset))
    before = cfg.to_dict()
    dataset = build_dataset(cfg, 'train')
    assert type(dataset).__name__ == 'RepeatDataset' and len(dataset) == 18
    assert cfg.to_dict() == before


def test_lazy_datasets_are_filled(detection):
    assert len(build_dataset(detection(LOAD, lazy_init=True), 'train')) == 6


@pytest.mark.parametrize(
    ('cfg', 'phase', 'sentence'),
    [
        ({'a_dataloader': {}}, 'trian', "There is no phase 'trian': choose from train, val, test, tta."),
        ({}, 'train', 'The config has no train_dataloader: give the config that a model was trained with.'),
        (
            {'val_dataloader': None, 'train_dataloader': {'dataset': {'type': 'A'}}},
            'val',
            'The config has no val_dataloader; it has train: choose one with `phase`.',
        ),
        (
            {'data': {'train': {'type': 'ImageNet'}}},
            'train',
            'The config has data.train and no train_dataloader: it was written for mmcls 0.x or mmdet 2.x; '
            'use a config for mmpretrain, mmdet 3 or mmyolo.',
        ),
        (
            {'test_dataloader': {'dataset': {'type': 'A'}}},
            'tta',
            'The config has no tta_pipeline: base it on a config that has one, such as mmdet::rtmdet/rtmdet_tta.py, or '
            "look at `phase='test'`.",
        ),
        (
            {'tta_pipeline': [{'type': 'TestTimeAug'}]},
            'tta',
            'The config has a tta_pipeline and no test_dataloader, so there are no pictures for it: give the config of '
            'a model that is based on it.',
        ),
    ],
)
def test_a_phase_that_is_not_there(cfg, phase, sentence):
    with pytest.raises(ModelError) as error:
        phase_config(Config(cfg), phase)
    assert str(error.value) == sentence


@pytest.mark.parametrize('phase', ['test', 'val'])
def test_test_time_augmentation_takes_the_pictures_of_the_test_set(phase):
    leaf = dict(type='YOLOv5CocoDataset', ann_file='a.json', pipeline=[dict(type='A')], batch_shapes_cfg=dict(size=32))
    cfg = Config(
        {
            'tta_pipeline': [dict(type='TestTimeAug', transforms=[])],
            f'{phase}_dataloader': dict(dataset=dict(type='ConcatDataset', datasets=[leaf, dict(leaf, ann_file='b')])),
        }
    )
    before = cfg.to_dict()
    found = phase_config(cfg, 'tta')
    assert [each['ann_file'] for each in found['datasets']] == ['a.json', 'b']
    assert [each['pipeline'] for each in found['datasets']] == [cfg.tta_pipeline] * 2
    assert [each['batch_shapes_cfg'] for each in found['datasets']] == [None, None]
    assert cfg.to_dict() == before


def test_sentences_on_test_time_augmentation_name_the_set(detection):
    cfg = detection(LOAD, ann_file='none.json', phase='test')
    cfg.tta_pipeline = LOAD
    with pytest.raises(ModelError, match='^The test dataset .*`cfg_options={.test_dataloader.dataset.data_root'):
        build_dataset(cfg, 'tta')


def test_choices_of_test_time_augmentation_that_are_skipped():
    flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
    config = dict(type='TestTimeAug', transforms=[flips, [dict(type='Resize')], [dict(type='Pack')]])
    assert without(config, {'RandomFlip'})['transforms'] == [[dict(type='Resize')], [dict(type='Pack')]]
    assert without(config, {'RandomFlip', 'Resize', 'Pack'})['transforms'] == []
    assert without(dict(config, transforms=5), {'Pack'})['transforms'] == 5


def test_an_empty_dataset(detection):
    start = '^The train dataset of the config is empty: its annotation file lists no pictures, or filter_cfg'
    with pytest.raises(ModelError, match=start):
        build_dataset(detection(LOAD, ann_file='empty.json'), 'train')
    filtered = dict(metainfo=dict(classes=('blue',)), filter_cfg=dict(filter_empty_gt=True))
    for serialize in (True, False):
        with pytest.raises(ModelError, match=start):
            build_dataset(detection(LOAD, serialize_data=serialize, **filtered), 'train')


def nested(dataset):
    repeated = dict(type='RepeatDataset', times=2, dataset=dataset)
    return dict(type='ConcatDataset', datasets=[repeated, repeated])


@pytest.mark.parametrize(('wrap', 'key'), [(lambda d: d, 'dataset'), (nested, 'dataset.datasets.0.dataset')])
def test_a_missing_annotation_file(detection, wrap, key):
    cfg = detection(LOAD, wrap=wrap, ann_file='none.json')
    with pytest.raises(ModelError) as error:
        build_dataset(cfg, 'train')
    (file,) = {str(word).rstrip('.') for word in str(error.value).split() if 'none.json' in word}
    assert str(error.value) == (
        f'The train dataset of the config cannot be built: there is no {file}. Put the data there, or say where '
        f"it is with `cfg_options={{'train_dataloader.{key}.data_root': FOLDER}}` (ann_file and data_prefix likewise)."
    )
    cfg.merge_from_dict({f'train_dataloader.{key}.ann_file': 'train.json'})  # the key leads somewhere
    if wrap is not nested:
        assert len(build_dataset(cfg, 'train')) == 6


def test_an_annotation_file_of_something_else(detection, tmp_path):
    (tmp_path / 'notes.json').write_text('Notes')
    with pytest.raises(ModelError, match=r'built: a file that should hold JSON does not \(Expecting value: line 1 '):
        build_dataset(detection(LOAD, ann_file=str(tmp_path / 'notes.json')), 'train')


def test_a_transform_that_is_not_registered(detection):
    with pytest.raises(ModelError, match='^The train dataset of the config cannot be built: Foo is not in the '):
        build_dataset(detection([dict(type='Foo')]), 'train')


def test_a_missing_folder_of_a_classifier(classification):
    cfg = classification([dict(type='LoadImageFromFile')])
    cfg.train_dataloader.dataset.data_root = 'nowhere'
    with pytest.raises(ModelError, match='^The train dataset of the config cannot be built: there is no nowhere'):
        build_dataset(cfg, 'train')


@pytest.mark.parametrize(
    ('pipeline', 'said'),
    [([dict(type='NoSuchStep')], 'NoSuchStep'), ([dict(type='Resize', size=3)], "unexpected keyword argument 'size'")],
)
def test_a_pipeline_that_cannot_be_built(detection, pipeline, said):
    with pytest.raises(ModelError) as error:
        build_dataset(detection(pipeline), 'train')
    assert str(error.value).startswith('The train dataset of the config cannot be built: ')
    assert said in str(error.value) and '\n' not in str(error.value)


def test_transforms_are_left_out_at_any_depth():
    choice = dict(type='RandomChoice', transforms=[[dict(type='mmdet.Resize')], [dict(type='Pad')]])
    mosaic = dict(type='Mosaic', pre_transform=[dict(type='Load'), dict(type='Pad')])
    inner = dict(type='Coco', pipeline=[dict(type='Resize'), choice])
    config = dict(type='Mix', dataset=dict(type='Repeat', dataset=inner), pipeline=[mosaic, dict(type='Pad')])
    left = without(config, {'Pad', 'Resize'})
    assert kinds_in(left) == ['RandomChoice', 'Mosaic', 'Load']
    assert left['dataset']['dataset']['pipeline'][0]['transforms'] == [[], []]
    assert kinds_in(config).count('Pad') == 3
    assert without(config, set()) == config


def test_a_transform_that_is_no_list_leaves_an_empty_one():
    applied = dict(type='RandomApply', transforms=dict(type='RandomFlip'), prob=0.5)
    choice = dict(type='RandomChoice', transforms=[dict(type='RandomFlip'), [dict(type='Pad')]], prob=[0.5, 0.5])
    assert kinds_in([applied, choice]) == ['RandomApply', 'RandomFlip', 'RandomChoice', 'RandomFlip', 'Pad']
    left = without([applied, choice], {'RandomFlip'})
    assert left == [dict(applied, transforms=[]), dict(choice, transforms=[[], [dict(type='Pad')]])]


def test_datasets_are_no_transforms():
    leaf = dict(type='Coco', pipeline=[dict(type='Pad')])
    for config in (
        dict(type='Concat', datasets=[leaf, leaf]),
        dict(type='Repeat', dataset=dict(type='Concat', datasets=[leaf])),
    ):
        assert set(kinds_in(config)) == {'Pad'}
        assert without(config, {'Coco', 'Concat', 'Repeat'}) == config


def test_a_step_of_a_wrapper_can_be_skipped(detection):
    flip = dict(type='mmdet.RandomFlip', prob=1.0)
    cfg = detection([*LOAD, dict(type='RandomApply', transforms=flip, prob=1.0)])
    assert 'flip' in build_dataset(cfg, 'train')[0]
    assert 'flip' not in build_dataset(cfg, 'train', ['RandomFlip'])[0]


def test_types_given_as_classes_are_known():
    class Pad:
        pass

    assert kinds_in([dict(type=Pad), dict(type='Resize')]) == ['Pad', 'Resize']
    assert without([dict(type=Pad), dict(type='Resize')], {'Pad'}) == [dict(type='Resize')]


def test_a_missing_package_of_a_transform(detection):
    if importlib.util.find_spec('albumentations'):
        pytest.skip('albumentations is installed')
    with pytest.raises(ModelError) as error:
        build_dataset(detection([dict(type='Albu', transforms=[])]), 'train')
    assert str(error.value) == (
        'The train dataset of the config cannot be built: albumentations is not installed; install it, or skip '
        'the transform that needs it with `skip_types`.'
    )
