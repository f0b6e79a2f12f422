"""Folded batch norms and activations in place: the same results, and the model as it was."""

from __future__ import annotations

import copy
from pathlib import Path

import cv2
import pytest
import torch
from mmcv.cnn import ConvModule
from mmengine.model import revert_sync_batchnorm
from torch import nn

from mmlens import load_detector
from mmlens.explain.quick_passes import quick_passes

ROOT = Path(__file__).resolve().parents[2]
SHAPE = sorted((ROOT / 'projects' / 'shapes' / 'pictures').glob('*.jpg'))[0]


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


def test_the_norm_does_not_run(inputs, monkeypatch):
    module, seen = conv_module(), []
    with torch.no_grad():
        expected = module(inputs, activate=False)
        monkeypatch.setattr(nn.functional, 'batch_norm', lambda x, *_: seen.append('norm') or x)
        with quick_passes(module):
            module(inputs)
            assert not seen
            module(inputs, activate=False)  # asked for less, it does as it always does
            assert seen == ['norm'] and not torch.equal(module.conv(inputs), expected)


def test_norms_that_were_synchronised_are_folded_alike(inputs):
    """RTMDet's become so with the second process: figures must not depend on how many there are."""
    plain = conv_module()
    converted = revert_sync_batchnorm(nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(plain)))
    assert type(converted.norm) is not nn.BatchNorm2d
    found = []
    for module in (plain, converted):
        with torch.no_grad(), quick_passes(module):
            assert 'forward' in vars(module)
            found.append(module(inputs))
    assert torch.equal(*found)


def test_modules_that_share_a_convolution_keep_norms_of_their_own(inputs):
    """So do the levels of RTMDet's head."""
    one, other = conv_module(), conv_module()
    other.conv = one.conv
    both = nn.ModuleList([one, other])
    with torch.no_grad():
        other.norm.weight.mul_(3)
        expected = [module(inputs) for module in both]
        with quick_passes(both):
            found = [module(inputs) for module in both]
    for quick, slow in zip(found, expected):
        torch.testing.assert_close(quick, slow, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(expected[0], expected[1])


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
    module = conv_module(act_cfg=None)
    module.norm.forward = lambda x: torch.ones(2, 4, 9, 8)
    with torch.no_grad(), quick_passes(module):
        assert torch.equal(module(inputs), torch.ones(2, 4, 9, 8))
    assert 'forward' in vars(module.norm)


def test_a_model_is_given_back_after_an_error(inputs):
    module = conv_module()
    with pytest.raises(ZeroDivisionError), torch.no_grad(), quick_passes(module):
        raise ZeroDivisionError
    assert not any('forward' in vars(part) for part in module.modules())


@pytest.fixture(scope='module')
def rtmdet():
    shapes = ROOT / 'projects' / 'shapes'
    files = shapes / 'configs' / 'shapes_rtmdet.py', shapes / 'checkpoints' / 'shapes_rtmdet.pth'
    return load_detector(str(files[0]), str(files[1]), device='cpu')


@pytest.mark.parametrize('name', ['yolox', 'yolov5', 'faster_rcnn', 'rtmdet'])
def test_detections_are_the_same(request, name, picture):
    detector = request.getfixturevalue(name)
    picture = cv2.imread(str(SHAPE)) if name == 'rtmdet' else picture
    prepared = detector.prepare(picture)
    with torch.no_grad():
        expected = detector.predict(prepared)
        with quick_passes(detector.model):
            found = detector.predict(prepared)
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.boxes, expected.boxes, atol=1e-3, rtol=0)
    assert found.labels.tolist() == expected.labels.tolist()
