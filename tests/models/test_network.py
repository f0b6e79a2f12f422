"""Class names that are another data set's."""

import warnings

import pytest
from mmengine.config import Config

from mmlens import load_classifier
from mmlens.errors import MmlensError, MmlensWarning
from mmlens.models.detector import Detector

HEAD = dict(type='LinearClsHead', num_classes=6, in_channels=64)
TINY = dict(type='ResNet', depth=18, stem_channels=8, base_channels=8)


def classifier_of(classes):
    model = dict(type='ImageClassifier', backbone=TINY, neck=dict(type='GlobalAveragePooling'), head=HEAD)
    dataset = dict(**classes, pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')])
    cfg = dict(default_scope='mmpretrain', model=model, test_dataloader=dict(dataset=dataset))
    return load_classifier(Config(cfg), device='cpu')


def test_names_of_another_class_set_are_not_believed():
    with pytest.warns(MmlensWarning, match='has 6 classes, but its dataset has 1000 names'):
        classifier = classifier_of(dict(type='ImageNet'))
    assert classifier.class_name(0) == '0' and classifier.class_indexes(['5']) == [5]
    with pytest.raises(MmlensError, match="no class 'tench'"):
        classifier.class_indexes('tench')


def test_names_of_its_own_class_set_are():
    with warnings.catch_warnings():
        warnings.simplefilter('error', MmlensWarning)
        classifier = classifier_of(dict(type='CustomDataset', metainfo=dict(classes=tuple('abcdef'))))
    assert classifier.class_name(5) == 'f' and classifier.num_classes == 6


@pytest.mark.parametrize('kind', ['yolox', 'faster_rcnn', 'yolov5'])
def test_detectors_name_classes_likewise(kind, request):
    model = request.getfixturevalue(kind).model
    assert Detector(model, dataset_meta=dict(classes=('a', 'b', 'c'))).class_name(2) == 'c'
    if kind == 'yolov5':  # whose config names none
        with pytest.warns(MmlensWarning, match='has 3 classes, but its dataset has 2 names'):
            assert Detector(model, dataset_meta=dict(classes=('a', 'b'))).class_name(0) == '0'
    else:
        detector = Detector(model, dataset_meta=dict(classes=('a', 'b')))
        assert detector.class_name(0) == 'cup'
        assert detector.notes == [
            'The model has 3 classes, but its dataset has 2 names: the names are those of the config.'
        ]
    model.language_model = None  # as GLIP and Grounding DINO have
    try:
        assert Detector(model, dataset_meta=dict(classes=('a', 'b'))).class_name(0) == 'a'
    finally:
        del model.language_model
