"""The model is given back as it was: every method, whatever happens in between."""

import contextlib
import copy
import random

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from mmlens import explain_boxes, feature_maps, list_layers
from mmlens.attribution.methods import available_methods
from mmlens.errors import LayerError
from mmlens.models.detector import Detector

OF_GRADCAM_PACKAGE = ['gradcamelementwise', 'randomcam', 'fem', 'kpca_cam', 'segeigencam']
METHODS = available_methods() + OF_GRADCAM_PACKAGE


class Boom(RuntimeError):
    pass


def state_of(model):
    """Everything that a caller could find changed."""
    modules = dict(model.named_modules())
    hooks = {
        (name, kind): list(getattr(module, kind))
        for name, module in modules.items()
        for kind in vars(module)
        if kind.endswith('_hooks') and kind.startswith(('_forward', '_backward'))
    }
    parameters = dict(model.named_parameters())
    return {
        'modules': {name: id(module) for name, module in modules.items()},
        'hooks': hooks,
        'global hooks': {
            name: list(hooks)
            for name, hooks in vars(torch.nn.modules.module).items()
            if name.startswith('_global') and name.endswith('_hooks')
        },
        'training': {name: module.training for name, module in modules.items()},
        'forward': {name: vars(module).get('forward') for name, module in modules.items()},
        'parameters': {name: (id(p), p.clone().detach().numpy().tobytes()) for name, p in parameters.items()},
        'requires_grad': {name: p.requires_grad for name, p in parameters.items()},
        'grad': {name: None if p.grad is None else (id(p.grad), p.grad.sum().item()) for name, p in parameters.items()},
        'buffers': {name: (id(b), b.clone().numpy().tobytes()) for name, b in model.named_buffers()},
        'config': repr(model.cfg._cfg_dict.to_dict()),
        'classes': str(getattr(model, 'dataset_meta', None)),
        'grad mode': (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        'detach works': not torch.ones(1, requires_grad=True).detach().requires_grad,
        'scope': getattr(DefaultScope.get_current_instance(), 'scope_name', None),
        'random': random.getstate(),
        'numpy': np.random.get_state()[1].tobytes() + bytes([np.random.get_state()[2] % 256]),
        'torch': torch.get_rng_state().numpy().tobytes(),
    }


def draw_numbers(module, inputs):
    """A forward hook of the user's that changes what must be given back."""
    random.random()
    np.random.rand()
    torch.rand(1)
    for layer in module.modules():
        if getattr(layer, 'num_batches_tracked', None) is not None:
            layer.num_batches_tracked += 1
            layer.running_mean.add_(0.1)
            break


@pytest.fixture
def lived_in(yolox):
    """A model in the middle of a user's work: in training, partly frozen, with gradients and a hook of the user's."""
    model = copy.deepcopy(yolox.model)
    model.train()
    model.backbone.stem.eval()
    for number, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(number % 3 != 0)
        parameter.grad = torch.full_like(parameter, number) if number % 2 else None
    handles = [
        model.backbone.register_forward_pre_hook(draw_numbers),
        model.neck.register_forward_hook(lambda *_: None),
    ]
    # So that the pipeline draws random numbers too
    model.cfg.test_dataloader.dataset.pipeline.insert(2, dict(type='RandomFlip', prob=0.5))
    yield model
    for handle in handles:
        handle.remove()


@contextlib.contextmanager
def unchanged(model):
    before = state_of(model)
    yield
    after = state_of(model)
    for key, value in before.items():
        assert after[key] == value, f'{key} changed'


def raise_in(module):
    def forward(*args, **kwargs):
        raise Boom('in between')

    module.forward = forward


AT_THE_INPUT = {
    'drise': dict(num_masks=3),
    'integratedgradients': dict(steps=2),
    'precisionsearch': dict(passes=8, regions=20),
}


def options_of(method):
    return AT_THE_INPUT.get(method)


def normal(model, picture, method):
    layers = None if method in AT_THE_INPUT else ['neck', 'backbone']
    options = options_of(method)
    explanation = explain_boxes(
        model, picture, method=method, score_thr=0.1, topk=3, layers=layers, method_options=options
    )
    assert len(explanation) == 3
    assert all(np.isfinite(box.raw).all() for box in explanation)


def bad_layer(model, picture, method):
    for layers in (['neck', 'neck.no_such_part'], ['neck', 'bbox_head.loss_cls']):
        with pytest.raises(LayerError):
            explain_boxes(model, picture, method=method, layers=layers)


def raising_module(model, picture, method):
    with pytest.raises(Boom):
        explain_boxes(model, picture, method=method)


def no_detections(model, picture, method):
    assert len(explain_boxes(model, picture, method=method, score_thr=1.1)) == 0


def both_families_of_grad_mode(model, picture, method):
    with torch.inference_mode():
        explain_boxes(model, picture, method=method, score_thr=0.1, topk=1, method_options=options_of(method))
    with torch.no_grad():
        explain_boxes(model, picture, method=method, score_thr=0.1, topk=1, method_options=options_of(method))


CASES = [normal, bad_layer, raising_module, no_detections, both_families_of_grad_mode]


@pytest.mark.parametrize('case', CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize('method', METHODS)
def test_a_model_is_given_back_as_it_was(method, case, lived_in, picture):
    if case is raising_module:
        raise_in(lived_in.bbox_head)
    with unchanged(lived_in):
        case(lived_in, picture, method)


@pytest.mark.parametrize(
    'part', ['data_preprocessor', 'backbone', 'neck', 'bbox_head', 'bbox_head.multi_level_conv_reg.2']
)
def test_wherever_it_raises(part, lived_in, picture):
    raise_in(lived_in.get_submodule(part))
    for call in (explain_boxes, feature_maps, list_layers):
        with unchanged(lived_in), pytest.raises(Boom):
            call(lived_in, picture)


@pytest.mark.parametrize('error', [Boom, KeyboardInterrupt])
def test_also_when_a_method_raises(error, lived_in, picture, monkeypatch):
    from mmlens.attribution.methods import OnePassMethod, registry

    def formula(activation, gradient, spatial):
        raise error('in the formula')

    monkeypatch.setitem(registry._METHODS, 'raising', OnePassMethod('raising', formula))
    with unchanged(lived_in), pytest.raises(error):
        explain_boxes(lived_in, picture, method='raising', score_thr=0.1)


def test_also_when_the_picture_cannot_be_read_or_followed(lived_in, picture, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'none')
    for bad in (tmp_path / 'broken.png', tmp_path / 'missing.png', np.zeros((2, 2)), None):
        for call in (explain_boxes, feature_maps, list_layers):
            if bad is None and call is list_layers:
                continue
            with unchanged(lived_in), pytest.raises(Exception):  # noqa: B017
                call(lived_in, bad)


@pytest.mark.parametrize('target', ['score', 'box', 'both'])
def test_whatever_is_explained(target, lived_in, picture):
    with unchanged(lived_in):
        explain_boxes(lived_in, picture, target=target, score_thr=0.1, norm_in_bbox=True, max_shape=(4, 4))


def test_after_feature_maps_and_lists_of_layers(lived_in, picture):
    with unchanged(lived_in):
        feature_maps(lived_in, picture, layers=['backbone', 'neck'])
        list_layers(lived_in, picture)
        list_layers(lived_in)


def test_a_two_stage_model_is_given_back_as_it_was(faster_rcnn, picture):
    with unchanged(faster_rcnn.model):
        for method in available_methods():
            options = options_of(method)
            assert len(
                explain_boxes(faster_rcnn, picture, method=method, score_thr=0.1, topk=2, method_options=options)
            )


def test_training_goes_on_as_if_nothing_had_been_shown(lived_in, picture):
    """A step of training after an explanation is the step without it."""

    def step(model):
        model.zero_grad()
        torch.manual_seed(0)
        sample = Detector(model).prepare(picture).batch
        feats = model.neck(model.backbone(sample['inputs']))
        sum(one.square().mean() for one in feats).backward()
        return [None if p.grad is None else p.grad.clone() for p in model.parameters()]

    other = copy.deepcopy(lived_in)
    np.random.seed(0)
    explain_boxes(lived_in, picture, score_thr=0.1)
    np.random.seed(0)
    shown = step(lived_in)
    np.random.seed(0)
    plain = step(other)
    for one, two in zip(shown, plain):
        assert (one is None and two is None) or torch.equal(one, two)


def test_memory_of_the_graph_is_given_back(yolox, picture):
    """Nothing that the model keeps holds a graph: heads cache priors and the like."""
    explain_boxes(yolox, picture, score_thr=0.1)
    kept = [
        value
        for module in yolox.model.modules()
        for value in vars(module).values()
        if isinstance(value, torch.Tensor) and value.requires_grad
    ]
    assert not kept
