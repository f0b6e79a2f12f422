"""Which family a model belongs to, by what it is; the one sentence for networks that cannot answer a question."""

import copy
import warnings

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel

from mmlens.errors import ModelError
from mmlens.models.classifier import Classifier
from mmlens.models.detector import Detector
from mmlens.models.families import FAMILIES, as_network, family_of
from mmlens.models.loading import load_model, read_config
from mmlens.models.network import Network
from mmlens.models.pose import PoseEstimator
from mmlens.models.segmentor import Segmentor

KINDS = {
    'yolox': Detector,
    'faster_rcnn': Detector,
    'mask_rcnn': Detector,
    'qdtrack': Detector,
    'soft_teacher': Detector,
    'panoptic_fpn': Segmentor,
    'maskformer': Segmentor,
    'classifier': Classifier,
}


@pytest.fixture(scope='module')
def model_of(config_of):
    built = {}

    def build(name):
        if name not in built:
            built[name] = load_model(read_config(config_of(name)), None, 'cpu')
        return built[name]

    return build


def own(preprocessor='BaseDataPreprocessor', **parts):
    class Own(BaseModel):
        def forward(self, inputs, data_samples=None, mode='tensor'):
            return data_samples

    from mmlens import compat

    compat.prepare('mmpretrain')

    model = Own(data_preprocessor=dict(type=preprocessor))
    model.cfg = Config(dict(default_scope='mmdet', test_pipeline=[dict(type='mmdet.PackDetInputs')]))
    for name, part in parts.items():
        setattr(model, name, part)
    return model


class Head(torch.nn.Module):
    num_classes = 2

    def predict(self, feats, data_samples):
        return data_samples


@pytest.mark.parametrize('name', KINDS)
def test_a_model_says_its_family_and_is_run_by_that_class(name, model_of):
    network = as_network(model_of(name))
    assert type(network) is KINDS[name] and family_of(network.model) is KINDS[name]
    assert [each.family for each in FAMILIES if each.runs(network.model)] == [network.family, 'network']


def test_what_a_class_is_called_in_a_config_file_does_not_matter(model_of):
    model = copy.copy(model_of('classifier'))
    model.cfg = copy.deepcopy(model.cfg)
    model.cfg._filename = 'configs/mmdet/faster_rcnn.py'
    assert type(as_network(model)) is Classifier


@pytest.mark.parametrize(
    ('instance_on', 'family'), [(True, Detector), (False, Segmentor)], ids=['with objects', 'without']
)
def test_a_panoptic_model_that_returns_objects_is_a_detector(instance_on, family, model_of):
    model = copy.copy(model_of('maskformer'))
    model.test_cfg = dict(model.test_cfg, instance_on=instance_on)
    assert family_of(model) is family
    assert as_network(model).pixel_classes == 5  # what mmdet calls class 5 is none of them


def test_models_of_ones_own_are_told_by_their_preprocessor_and_parts():
    assert family_of(own('mmdet.DetDataPreprocessor')) is Detector
    parts = dict(backbone=torch.nn.Conv2d(3, 4, 1), head=Head())
    assert family_of(own('mmpretrain.ClsDataPreprocessor', **parts)) is Classifier
    assert family_of(own(**parts)) is Classifier
    # A pretext task has a head as well, but none that predicts classes.
    assert family_of(own('mmpretrain.SelfSupDataPreprocessor', **parts)) is Network
    assert family_of(own(backbone=parts['backbone'], head=torch.nn.Linear(1, 1))) is Network
    assert family_of(own()) is Network


def test_families_of_packages_that_are_not_installed_are_told_by_the_names_of_their_classes():
    class BasePoseEstimator(BaseModel):
        forward = None

    class BaseSegmentor(BaseModel):
        forward = None

    class Pose(BasePoseEstimator):
        backbone, head = torch.nn.Conv2d(3, 4, 1), Head()

    assert family_of(Pose()) is PoseEstimator
    assert family_of(BaseSegmentor()) is Segmentor


def test_the_user_can_overrule_the_family():
    model = own()
    assert type(as_network(model)) is Network and type(as_network(model, family='detector')) is Detector
    with pytest.raises(ModelError, match=r"no family 'detectr': choose segmentor, pose, detector, classifier, network"):
        as_network(model, family='detectr')
    with pytest.raises(ModelError, match='Own is not a classifier of mmpretrain: it has no head that returns logits'):
        as_network(model, family='classifier')


def test_what_is_no_model_of_openmmlab_is_refused():
    with pytest.raises(ModelError, match='Linear is not a model of OpenMMLab: it has no data_preprocessor'):
        as_network(torch.nn.Linear(1, 1))


def test_a_network_of_another_family_gets_one_sentence(model_of):
    sentences = {
        ('yolox', 'boxes'): None,
        ('qdtrack', 'boxes'): None,
        ('classifier', 'classes'): None,
        ('panoptic_fpn', 'boxes'): 'PanopticFPN is a panoptic segmentor, and box maps need a detector: '
        'use `feature_maps()` for it.',
        ('maskformer', 'classes'): 'MaskFormer is a panoptic segmentor, and class maps need a classifier: '
        'use `feature_maps()` for it.',
        ('classifier', 'boxes'): 'ImageClassifier is a classifier, and box maps need a detector: '
        'use `explain_classes()` for it.',
        ('yolox', 'classes'): 'YOLOX is a detector, and class maps need a classifier: use `explain_boxes()` for it.',
    }
    for (name, question), sentence in sentences.items():
        network = as_network(model_of(name))
        if sentence is None:
            network.require(question)
            continue
        with pytest.raises(ModelError) as raised:
            network.require(question)
        assert str(raised.value) == sentence
    with pytest.raises(ModelError, match='^Own is neither a detector nor a classifier, and box maps need a detector'):
        as_network(own()).require('boxes')


@pytest.mark.parametrize(
    ('name', 'layers', 'classes'),
    [('panoptic_fpn', ('neck',), 5), ('maskformer', ('backbone',), 5), ('classifier', ('backbone',), 6)],
)
def test_default_layers_and_classes(name, layers, classes, model_of):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        network = as_network(model_of(name))
    assert network.default_layers == layers
    assert network.num_classes == classes == len(network.class_names)
