from __future__ import annotations

import pytest
import torch

from projects.shapes import evidence_dataset, on_features
from projects.shapes.evidence import CLASSES
from projects.shapes.on_features import build, features, losses, pictures
from projects.shapes.train import HERE, load_config

NAME = 'evidence_dino'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Three training pictures on disk."""
    root = tmp_path_factory.mktemp('evidence')
    evidence_dataset.write_split(root / 'train', evidence_dataset.SPLITS['train'][0], range(3), 'shortcut')
    return root


@pytest.fixture(scope='module')
def model(dino_of_any_width):
    return build(load_config(NAME))


def test_backbone_and_neck_are_those_of_evidence_rtmdet(model):
    weights = torch.load(HERE / 'checkpoints' / 'evidence_rtmdet.pth', weights_only=True)['state_dict']
    for ours, theirs in (('backbone', 'backbone'), ('neck.0', 'neck')):
        own = model.get_submodule(ours).state_dict()
        assert set(own) == {key[len(theirs) + 1 :] for key in weights if key.startswith(theirs + '.')}
        for key, value in own.items():
            torch.testing.assert_close(value, weights[f'{theirs}.{key}'].to(value.dtype), rtol=0, atol=0)


def test_features_are_those_of_the_neck_and_boxes_those_of_the_picture(model, root):
    plain, mirrored = (list(features(model, pictures(load_config(NAME), root, flag))) for flag in (False, True))
    assert len(plain) == len(mirrored) == 3
    for (levels, sample), (_, other) in zip(plain, mirrored):
        assert [tuple(level.shape) for level in levels] == [(48, 24, 24), (48, 12, 12), (48, 6, 6)]
        assert all(level.dtype == torch.float16 for level in levels)
        boxes, width = sample.gt_instances.bboxes, round(sample.ori_shape[1] * 0.6)
        flipped = boxes[:, [2, 1, 0, 3]] * torch.tensor([-1, 1, -1, 1]) + torch.tensor([width, 0, width, 0])
        torch.testing.assert_close(other.gt_instances.bboxes, flipped, rtol=0, atol=1)


def test_losses_are_the_detectors_own(model, root):
    """But for the rounding of features and the noise of denoising queries, drawn anew."""
    found = pictures(load_config(NAME), root, False)
    seen = list(features(model, found))
    items = [found[number] for number in range(3)]
    data = model.data_preprocessor({key: [item[key] for item in items] for key in items[0]}, training=True)
    model.train().neck[0].eval()
    torch.manual_seed(3)
    expected = model.parse_losses(model.loss(data['inputs'], data['data_samples']))[0]
    torch.manual_seed(3)
    torch.testing.assert_close(losses(model, seen), expected, rtol=0.01, atol=0)


def test_the_command_trains_all_but_backbone_and_neck(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(on_features, 'BATCH', 2)
    on_features.main([NAME, '--root', str(root), '--steps', '2'])
    written = tmp_path / 'work_dirs' / NAME / 'slim.pth'
    assert str(written.relative_to(tmp_path)) in capsys.readouterr().out
    after = torch.load(written, weights_only=True)
    assert after['meta']['dataset_meta']['classes'] == list(CLASSES)
    before = build(load_config(NAME)).state_dict()
    assert set(after['state_dict']) == set(before)
    changed = {key for key, value in after['state_dict'].items() if (value != before[key].to(value.dtype)).any()}
    assert {key.split('.')[0] for key in changed} >= {'encoder', 'decoder', 'bbox_head', 'query_embedding'}
    assert not any(key.startswith(('backbone', 'neck.0')) for key in changed)
    assert all(torch.isfinite(value).all() for value in after['state_dict'].values())
