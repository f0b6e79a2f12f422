"""Models as users have them: other number types, defaults of torch, compiled parts, several heads, views."""

from __future__ import annotations

import contextlib
import copy

import numpy as np
import pytest
import torch

from mmlens import explain_boxes, explain_classes, feature_maps, load_classifier, open_network
from mmlens.errors import MmlensError
from mmlens.models.classifier import Classifier
from mmlens.models.detector import Detector

METHODS = ['gradcam', 'layercam', 'eigencam', 'reciprocam', 'scorecam', 'ablationcam', 'drise', 'integratedgradients']
OPTIONS = {'drise': {'num_masks': 8, 'grid': 4}, 'integratedgradients': {'steps': 4}}


@pytest.fixture(scope='module')
def classifier(config_of):
    return load_classifier(config_of('classifier'), device='cpu')


@pytest.fixture(scope='module')
def plain(classifier, yolox, picture):
    """The maps of the same models in full precision, by method."""
    return {method: (of_classes(classifier, picture, method), of_boxes(yolox, picture, method)) for method in METHODS}


def of_classes(classifier, picture, method):
    found = explain_classes(classifier, picture, method=method, method_options=OPTIONS.get(method), classes=[1])
    return found[0].normalised


def of_boxes(detector, picture, method):
    return explain_boxes(detector, picture, method=method, method_options=OPTIONS.get(method), score_thr=0.0, topk=1)[
        0
    ].normalised


def runs_in_half_precision():
    try:
        torch.conv2d(torch.ones(1, 1, 3, 3).half(), torch.ones(1, 1, 3, 3).half())
    except RuntimeError:
        return False
    return True


HALF = pytest.mark.skipif(not runs_in_half_precision(), reason='this torch has no convolution in float16 on a CPU')


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize(
    ('kind', 'alike'),
    [(torch.float64, 0.999), (torch.bfloat16, 0.9), pytest.param(torch.float16, 0.99, marks=HALF)],
)
def test_other_number_types_give_the_same_maps(kind, alike, method, classifier, yolox, plain, picture):
    """The tolerance is the correlation with the map of the float32 model: half precision rounds."""
    models = [copy.deepcopy(each.model).to(kind) for each in (classifier, yolox)]
    found = of_classes(Classifier(models[0]), picture, method), of_boxes(Detector(models[1]), picture, method)
    for one, other in zip(found, plain[method]):
        assert np.isfinite(one).all()
        if one.std() and other.std():
            # Under D-RISE's masks a net that has learned nothing changes less than bfloat16 can tell.
            least = 0.5 if (kind, method) == (torch.bfloat16, 'drise') else alike
            assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > least
        else:
            assert one.std() == other.std()
    assert all(p.dtype == kind for model in models for p in model.parameters())


@contextlib.contextmanager
def default(kind=None, device=None):
    try:
        torch.set_default_dtype(kind or torch.float32)
        torch.set_default_device(device)
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


@pytest.mark.parametrize('method', ['gradcam', 'drise', 'reciprocam'])
@pytest.mark.parametrize('options', [{'kind': torch.float64}, {'device': 'meta'}])
def test_other_defaults_of_torch_change_nothing(options, method, classifier, yolox, plain, picture):
    with default(**options):
        found = of_classes(classifier, picture, method), of_boxes(yolox, picture, method)
    for one, other in zip(found, plain[method]):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_a_compiled_backbone_is_explained_by_the_names_of_its_layers(yolox, plain, picture):
    model = copy.copy(yolox.model)
    model._modules = dict(model._modules, backbone=torch.compile(yolox.model.backbone, backend='eager'))
    detector = Detector(model)
    np.testing.assert_allclose(of_boxes(detector, picture, 'layercam'), plain['layercam'][1], rtol=0, atol=1e-6)
    found = explain_boxes(detector, picture, layers=['backbone.stage2', 'auto'], score_thr=0.0, topk=1)
    assert 'backbone.stage2' in found.layers and not any('_orig_mod' in name for name in found.layers)


def two_tasks(config):
    config = copy.deepcopy(config)
    head = dict(type='LinearClsHead', in_channels=64)
    config.model.head = dict(
        type='MultiTaskHead',
        task_heads=dict(
            colour=dict(head, num_classes=3),
            more=dict(type='MultiTaskHead', task_heads=dict(kind=dict(head, num_classes=2))),
        ),
    )
    return config


def test_each_of_several_heads_is_explained_by_its_name(config_of, picture):
    network = load_classifier(two_tasks(config_of('classifier')), device='cpu')
    assert network.tasks == ['colour', 'more.kind']
    with pytest.raises(MmlensError, match='has a head for each of colour, more.kind: name one as `task`'):
        explain_classes(network, picture)
    with pytest.raises(MmlensError, match="no head for the task 'size': it has colour, more.kind"):
        explain_classes(network, picture, task='size')
    single = copy.deepcopy(network.model)
    single.head = single.head.task_heads['colour']
    for method in ('gradcam', 'reciprocam', 'gradcamplusplus'):
        one = explain_classes(network, picture, task='colour', classes=[2], method=method)
        other = explain_classes(Classifier(single), picture, classes=[2], method=method)
        np.testing.assert_allclose(one[0].raw, other[0].raw, rtol=0, atol=1e-6)
        assert one[0].score == pytest.approx(other[0].score)
    assert len(explain_classes(network, picture, task='more.kind', classes=[0, 1])) == 2
    with pytest.raises(MmlensError, match='has a single head: leave out `task`'):
        explain_classes(Classifier(single), picture, task='colour')


def test_a_self_supervised_model_is_shown_its_views(config_of, picture):
    config = config_of('classifier')
    config.model = dict(
        type='SimCLR',
        data_preprocessor=dict(type='SelfSupDataPreprocessor', mean=[123.7] * 3, std=[58.4] * 3, bgr_to_rgb=True),
        backbone=config.model.backbone,
        neck=dict(type='NonLinearNeck', in_channels=64, hid_channels=8, out_channels=4),
        head=dict(type='ContrastiveHead', loss=dict(type='CrossEntropyLoss'), temperature=0.1),
    )
    network = open_network(config, device='cpu')
    same = {'model.data_preprocessor': dict(mean=[123.7] * 3, std=[58.4] * 3, to_rgb=True)}
    plain = load_classifier(config_of('classifier'), device='cpu', cfg_options=same)
    network.model.backbone.load_state_dict(plain.model.backbone.state_dict())
    one, other = feature_maps(network, picture), feature_maps(plain, picture)
    np.testing.assert_allclose(one[0].maps, other[0].maps, rtol=0, atol=1e-5)
