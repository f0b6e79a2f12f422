"""A config without a checkpoint: random weights, the same each time, nothing downloaded, nothing said."""

import copy

import pytest
import torch


@pytest.fixture
def no_network(monkeypatch):
    """Every download fails."""

    def refuse(url, *args, **kwargs):
        raise AssertionError(f'asked for {url}')

    monkeypatch.setattr('torch.hub.download_url_to_file', refuse)
    monkeypatch.setattr('torch.hub.load_state_dict_from_url', refuse)
    monkeypatch.setattr('urllib.request.urlopen', refuse)


CHECKPOINT = 'https://example.com/weights.pth'


@pytest.mark.parametrize(
    'init_cfg',
    [
        dict(type='Pretrained', checkpoint=CHECKPOINT),
        [dict(type='Kaiming', layer='Conv2d'), dict(type='Pretrained', checkpoint=CHECKPOINT)],
    ],
)
def test_pretrained_weights_are_not_asked_for(yolox_config, no_network, init_cfg):
    from mmlens import load_detector

    config = copy.deepcopy(yolox_config)
    config.model.backbone.init_cfg = init_cfg
    assert all(p.isfinite().all() for p in load_detector(config, device='cpu').model.parameters())


def test_a_backbone_that_loads_by_itself_is_not_let(yolox_config, no_network):
    """PVT reads ``init_cfg['checkpoint']`` in its own ``init_weights``, and knows no other type of it."""
    from mmlens import load_detector

    config = copy.deepcopy(yolox_config)
    config.model['backbone'] = dict(
        type='PyramidVisionTransformer',
        embed_dims=32,
        num_layers=[1, 1, 1, 1],
        out_indices=(1, 2, 3),
        init_cfg=dict(checkpoint=CHECKPOINT),
    )
    config.model.neck.in_channels = [64, 160, 256]
    detector = load_detector(config, device='cpu')
    assert detector.model.backbone.init_cfg is None


@pytest.mark.parametrize(
    'names', [dict(pretrained=CHECKPOINT), dict(init_cfg=dict(type='Pretrained', checkpoint=CHECKPOINT))]
)
def test_a_backbone_that_keeps_the_checkpoint_elsewhere_is_not_let_either(yolox_config, no_network, names):
    """DetectoRS's keeps it in its attribute ``pretrained``."""
    from mmlens import load_detector

    config = copy.deepcopy(yolox_config)
    config.model['backbone'] = dict(type='DetectoRS_ResNet', depth=50, base_channels=8, stem_channels=8, **names)
    config.model.neck.in_channels = [64, 128, 256]
    assert load_detector(config, device='cpu').model.backbone.pretrained is None


def test_random_weights_are_the_same_each_time_and_nothing_is_logged(yolox_config, capfd):
    from mmengine.logging import MMLogger

    from mmlens import load_detector

    level = MMLogger.get_current_instance().level
    capfd.readouterr()
    first, second = (load_detector(yolox_config, device='cpu').model for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters()))
    assert capfd.readouterr() == ('', '')
    assert MMLogger.get_current_instance().level == level


def test_the_seed_does_not_leave_the_generator_changed():
    from mmengine.model import BaseModule

    from mmlens.models.loading import _init_randomly

    module = BaseModule(init_cfg=dict(type='Normal', layer='Linear', std=1.0))
    module.inner = torch.nn.Linear(2, 2)
    state = torch.get_rng_state()
    _init_randomly(module)
    assert torch.equal(torch.get_rng_state(), state)
