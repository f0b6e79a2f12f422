"""The one door that every network comes through, and what is said of one of the wrong family."""

import copy

import pytest
from torch import nn

from mmlens import (
    explain_boxes,
    explain_classes,
    feature_maps,
    list_layers,
    load_classifier,
    load_detector,
    open_network,
)
from mmlens.errors import MmlensError, ModelError
from mmlens.models.classifier import Classifier
from mmlens.models.detector import Detector
from mmlens.models.network import Network

BOXES = 'ImageClassifier is a classifier, and box maps need a detector: use `explain_classes()` for it.'
CLASSES = 'YOLOX is a detector, and class maps need a classifier: use `explain_boxes()` for it.'


@pytest.fixture(scope='module')
def classifier_config():
    from mmengine.config import Config

    head = dict(type='LinearClsHead', num_classes=3, in_channels=64)
    return Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                type='ImageClassifier',
                data_preprocessor=dict(mean=[127.5] * 3, std=[73.5] * 3, to_rgb=True),
                backbone=dict(type='ResNet', depth=18, stem_channels=8, base_channels=8),
                neck=dict(type='GlobalAveragePooling'),
                head=head,
            ),
            test_dataloader=dict(
                dataset=dict(
                    type='CustomDataset',
                    metainfo=dict(classes=('cup', 'fork', 'knife')),
                    pipeline=[
                        dict(type='LoadImageFromFile'),
                        dict(type='Resize', scale=(64, 64)),
                        dict(type='PackInputs'),
                    ],
                )
            ),
        )
    )


@pytest.fixture(scope='module')
def classifier(classifier_config):
    return open_network(classifier_config, device='cpu')


def test_a_config_is_opened_as_what_it_describes(classifier, yolox):
    assert type(classifier) is Classifier and classifier.family == 'classifier'
    assert type(open_network(yolox.model)) is Detector
    assert classifier.class_names == ['cup', 'fork', 'knife']


def test_what_is_open_is_taken_as_it_is(classifier):
    assert open_network(classifier) is classifier
    assert open_network(classifier, family='classifier') is classifier
    again = open_network(classifier.model)
    assert type(again) is Classifier and again.model is classifier.model


def test_the_family_can_be_overruled(classifier):
    plain = open_network(classifier, family='network')
    assert type(plain) is Network and plain.model is classifier.model
    assert plain.class_names == classifier.class_names
    with pytest.raises(ModelError, match="There is no family 'zoo': choose"):
        open_network(classifier, family='zoo')


@pytest.mark.parametrize('opened', [True, False])
def test_every_door_says_the_same_of_the_wrong_kind(classifier, classifier_config, yolox, picture, opened):
    wrong = classifier if opened else classifier.model
    doors = [lambda: explain_boxes(wrong, picture), lambda: load_detector(classifier_config, device='cpu')]
    for door in doors:
        with pytest.raises(ModelError) as error:
            door()
        assert str(error.value) == BOXES
    with pytest.raises(ModelError) as error:
        explain_classes(yolox if opened else yolox.model, picture)
    assert str(error.value) == CLASSES


def test_feature_maps_and_layers_of_whatever_family(classifier, classifier_config, yolox, picture):
    for network in (classifier, classifier.model, classifier_config, yolox, yolox.model):
        found = feature_maps(network, picture, layers=['backbone'])
        assert found and found.picture.shape == picture.shape
        assert 'backbone' in {layer.name for layer in list_layers(network)}
    shapes = {layer.name: layer.shapes for layer in list_layers(classifier.model, picture)}
    assert shapes['backbone.layer4'] == ((1, 64, 2, 2),)


def test_what_goes_with_a_config_is_refused_with_a_model(classifier):
    for wrong in (dict(device='cpu'), dict(checkpoint='a.pth'), dict(cfg_options={'a': 1}), dict(resize_only=True)):
        with pytest.raises(MmlensError, match='go with a config, not with a loaded model'):
            open_network(classifier, **wrong)


def test_a_model_that_is_none_of_openmmlabs():
    with pytest.raises(ModelError, match='Conv2d is not a model of OpenMMLab'):
        open_network(nn.Conv2d(3, 3, 1))


def test_the_old_doors_stay(classifier_config, yolox_config, picture):
    assert type(load_classifier(classifier_config, device='cpu')) is Classifier
    assert type(load_detector(yolox_config, device='cpu')) is Detector


def test_classes_were_called_categories(classifier, picture):
    with pytest.warns(DeprecationWarning, match='`categories` is now called `classes`'):
        old = explain_classes(classifier, picture, categories=['fork'])
    new = explain_classes(classifier, picture, classes=['fork'])
    assert [each.category for each in old] == [each.category for each in new] == [1]
    assert (old[0].raw == new[0].raw).all()


def test_a_classifier_runs_once_where_its_method_needs_one_pass(classifier_config, picture):
    network = open_network(copy.deepcopy(classifier_config), device='cpu')
    runs = []
    run = network.model._run_forward
    network.model._run_forward = lambda *args, **kwargs: runs.append(1) or run(*args, **kwargs)
    counts = []
    for options in ({}, {}, dict(layers=['backbone.layer3']), dict(method='eigencam', classes=[0, 1, 2])):
        runs.clear()
        explain_classes(network, picture, **options)
        counts.append(len(runs))
    assert counts[0] > 1  # to find the default layer, once
    assert counts[1:] == [1, 1, 1]


def test_weights_that_are_not_finite_are_named_whoever_hands_the_model_over(classifier, picture):
    for given in (classifier.model, classifier):
        changed = copy.deepcopy(given)
        getattr(changed, 'model', changed).head.fc.weight.data[0] = float('nan')
        for door in (explain_classes, feature_maps, open_network):
            with pytest.raises(ModelError, match='^The model holds NaN in 1 tensor of weights, such as head.fc.weight'):
                door(*[changed, picture][: 1 if door is open_network else 2])
