"""Folded batch norms and activations in place: the same results, and the model as it was."""

from __future__ import annotations

import copy

import pytest
import torch
from mmcv.cnn import ConvModule
from torch import nn

from mmlens.explain.quick_passes import quick_passes


def conv_module(**options):
    torch.manual_seed(0)
    module = ConvModule(3, 4, 3, **{**dict(padding=1, norm_cfg=dict(type='BN'), act_cfg=dict(type='Swish')), **options})
    if module.with_norm and isinstance(module.norm, nn.BatchNorm2d):
        for tensor in [*module.norm.parameters(), module.norm.running_mean]:
            nn.init.normal_(tensor)
        nn.init.uniform_(module.norm.running_var, 0.5, 2)
    return module.eval()


@pytest.fixture
def inputs():
    return torch.randn(2, 3, 9, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(act_cfg=dict(type='SiLU')),
        dict(act_cfg=dict(type='ReLU')),
        dict(act_cfg=None),
        dict(bias=True, stride=2, dilation=2),
        dict(groups=1, padding_mode='reflect'),
        dict(padding_mode='zeros', norm_cfg=dict(type='BN', affine=False)),
        dict(norm_cfg=None),
        dict(norm_cfg=dict(type='GN', num_groups=2)),
        dict(order=('norm', 'conv', 'act'), norm_cfg=dict(type='BN')),
    ],
)
def test_what_comes_out_is_the_same(options, inputs):
    if options.get('order'):
        options = dict(options, norm_cfg=dict(type='BN'))
        module = ConvModule(3, 4, 3, padding=1, **options).eval()
    else:
        module = conv_module(**options)
    before = copy.deepcopy(module.state_dict())
    given = inputs.clone()
    with torch.no_grad():
        expected = module(inputs)
        with quick_passes(module):
            found = module(inputs)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
        assert torch.equal(inputs, given) and torch.equal(module(inputs), expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert not any('forward' in vars(part) for part in module.modules())


def test_the_norm_does_not_run_and_the_activation_overwrites(inputs, monkeypatch):
    module, seen = conv_module(), []
    monkeypatch.setattr(nn.BatchNorm2d, 'forward', lambda self, x: seen.append('norm') or x)
    with torch.no_grad(), quick_passes(module):
        returned = module.conv(inputs)
        module.activate(returned)
        assert torch.equal(module.activate(returned.clone()), torch.nn.functional.silu(returned))
        module(inputs)
    assert not seen


def test_what_somebody_watches_or_replaced_is_left_alone(inputs):
    seen = []
    for part in ('conv', 'norm'):
        module = conv_module()
        getattr(module, part).register_forward_hook(lambda *given: seen.append(given[2].clone()))
        with torch.no_grad():
            module(inputs)
            with quick_passes(module):
                module(inputs)
        assert torch.equal(seen[-2], seen[-1])
    module = conv_module()
    module.conv.forward = lambda x: torch.ones(2, 4, 9, 8)
    with torch.no_grad(), quick_passes(module):
        assert torch.equal(module.conv(inputs), torch.ones(2, 4, 9, 8))
    assert 'forward' in vars(module.conv)


def test_a_model_is_given_back_after_an_error(inputs):
    module = conv_module()
    with pytest.raises(ZeroDivisionError), torch.no_grad(), quick_passes(module):
        raise ZeroDivisionError
    assert not any('forward' in vars(part) for part in module.modules())


@pytest.mark.parametrize('name', ['yolox', 'yolov5', 'faster_rcnn'])
def test_detections_are_the_same(request, name, picture):
    detector = request.getfixturevalue(name)
    prepared = detector.prepare(picture)
    with torch.no_grad():
        expected = detector.predict(prepared)
        with quick_passes(detector.model):
            found = detector.predict(prepared)
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.boxes, expected.boxes, atol=1e-3, rtol=0)
    assert found.labels.tolist() == expected.labels.tolist()
