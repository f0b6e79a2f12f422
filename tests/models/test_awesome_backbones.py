"""Configs laid out as those of Awesome-Backbones are, by a user of it, in a folder like its own."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from mmlens import explain_classes, load_classifier
from mmlens.cli.commands.cam import main
from mmlens.errors import ModelError
from mmlens.models.loading import read_config

CONFIG = """
model_cfg = dict(
    backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, num_stages=4, out_indices=(3, )),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=64,
              loss=dict(type='CrossEntropyLoss', loss_weight=1.0), topk=(1, 2)))
img_norm_cfg = dict(mean=[100.0, 110.0, 120.0], std=[50.0, 60.0, 70.0], to_rgb=True)
train_pipeline = [dict(type='RandomResizedCrop', size=64, backend='pillow')]
val_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', size=(72, -1), backend='pillow'),
    dict(type='CenterCrop', crop_size=64),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='ImageToTensor', keys=['img']),
    dict(type='Collect', keys=['img'])]
data_cfg = dict(batch_size=32, train=dict(epoches=100), test=dict(ckpt='datas/tiny.pth', metrics=['accuracy']))
optimizer_cfg = dict(type='SGD', lr=0.1)
lr_config = dict(type='StepLrUpdater', step=[30])
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A clone of it: a config in models/, weights and class names in datas/."""
    monkeypatch.chdir(tmp_path)
    for folder in ('models/tiny', 'datas'):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / 'models' / 'tiny' / 'tiny.py').write_text(CONFIG)
    (tmp_path / 'datas' / 'annotations.txt').write_text('oak tree 0\nrose 2\nfern 1\n')
    cv2.imwrite('a.png', np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8))
    torch.manual_seed(0)
    network = load_classifier('models/tiny/tiny.py', device='cpu', cfg_options={'load_from': None})
    for module in network.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # some begin at zero
            module.weight.data.fill_(1.0)
    torch.save({'meta': {}, 'state_dict': network.model.state_dict()}, 'datas/tiny.pth')
    return tmp_path


def edited(repository, old, new):
    file = repository / 'models' / 'tiny' / 'tiny.py'
    assert old in CONFIG
    file.write_text(CONFIG.replace(old, new))
    return str(file)


def test_its_words_become_mmpretrain_s(repository):
    cfg = read_config('models/tiny/tiny.py')
    assert cfg.model.type == 'ImageClassifier' and cfg.default_scope == 'mmpretrain'
    assert cfg.model.data_preprocessor == dict(mean=[100.0, 110.0, 120.0], std=[50.0, 60.0, 70.0], to_rgb=True)
    assert cfg.test_dataloader.dataset.pipeline == [
        dict(type='LoadImageFromFile'),
        dict(type='ResizeEdge', scale=72, edge='short', backend='pillow'),
        dict(type='CenterCrop', crop_size=64),
        dict(type='PackInputs'),
    ]
    assert cfg.load_from == 'datas/tiny.pth'
    assert cfg.filename.endswith('tiny.py')


@pytest.mark.parametrize(
    ('step', 'becomes'),
    [
        ("dict(type='Resize', size=64)", dict(type='Resize', scale=(64, 64))),
        ("dict(type='Resize', size=(48, 64))", dict(type='Resize', scale=(64, 48))),  # theirs is height, width
        (
            "dict(type='Resize', size=(72, -1), adaptive_side='long', interpolation='bicubic')",
            dict(type='ResizeEdge', scale=72, edge='long', interpolation='bicubic'),
        ),
        (
            "dict(type='CenterCrop', crop_size=64, efficientnet_style=True, interpolation='bicubic', backend='pillow')",
            dict(type='EfficientNetCenterCrop', crop_size=64, interpolation='bicubic', backend='pillow'),
        ),
    ],
)
def test_steps_that_change_the_size(repository, step, becomes):
    file = edited(repository, "dict(type='Resize', size=(72, -1), backend='pillow')", step)
    assert read_config(file).test_dataloader.dataset.pipeline[1] == becomes


def test_the_network_sees_what_theirs_sees(repository):
    """Theirs: the short edge to 72, the middle 64 x 64, RGB, minus the mean, by the deviation."""
    from PIL import Image

    network = load_classifier('models/tiny/tiny.py', device='cpu')
    seen = network.prepare('a.png').batch['inputs'][0].numpy()
    picture = Image.open('a.png').resize((96, 72), Image.BILINEAR)
    expected = np.asarray(picture, np.float32)[4:68, 16:80]
    expected = ((expected - (100, 110, 120)) / (50, 60, 70)).transpose(2, 0, 1)
    assert np.abs(seen - expected).max() < 1e-4


def test_weights_and_names_are_found_from_the_repository_and_elsewhere(repository, monkeypatch):
    found = explain_classes(load_classifier('models/tiny/tiny.py', device='cpu'), 'a.png', classes=[0, 1, 2])
    assert [each.class_name for each in found] == ['oak tree', 'fern', 'rose']
    (repository / 'else').mkdir()
    monkeypatch.chdir(repository / 'else')
    again = explain_classes(load_classifier('../models/tiny/tiny.py', device='cpu'), '../a.png', classes=[0, 1, 2])
    assert [each.score for each in again] == [each.score for each in found]


def test_imagenet_s_classes_have_their_names(repository):
    cfg = read_config(edited(repository, 'num_classes=3', 'num_classes=1000'))
    assert cfg.test_dataloader.dataset.type == 'ImageNet'
    assert 'metainfo' not in cfg.test_dataloader.dataset


def test_a_picture_and_a_config_are_enough(repository, capsys):
    assert main(['a.png', 'models/tiny/tiny.py', '--device', 'cpu', '--save-path', 'out.png']) == 0
    assert (repository / 'out.png').is_file()
    told = capsys.readouterr().out
    assert 'gradcam at backbone.layer4[1]' in told and 'blank' not in told


@pytest.mark.parametrize(
    ('old', 'new', 'sentence'),
    [
        ("type='CenterCrop'", "type='FiveCrop'", "has the transform 'FiveCrop' in its val_pipeline"),
        ('    head=dict', '    tail=dict', "has no 'head': a classifier needs one"),
        ('val_pipeline = ', 'other_pipeline = ', "has no 'val_pipeline'"),
    ],
)
def test_what_cannot_be_said_is_told(repository, old, new, sentence):
    with pytest.raises(ModelError, match=sentence):
        read_config(edited(repository, old, new))


def test_weights_of_another_network_are_told(repository, capsys):
    file = edited(repository, 'depth=18', 'depth=50').replace(str(repository), '.')
    assert main(['a.png', file, '--device', 'cpu']) == 2
    assert 'datas/tiny.pth' in capsys.readouterr().err


def test_without_weights_it_is_told(repository, capsys):
    file = edited(repository, "ckpt='datas/tiny.pth'", "ckpt=''")
    assert main(['a.png', file, '--device', 'cpu']) == 2
    assert 'No checkpoint was given' in capsys.readouterr().err


def test_tokens_are_put_out_under_another_name(repository):
    old = "type='ResNet', depth=18, base_channels=8, stem_channels=8, num_stages=4, out_indices=(3, )"
    cfg = read_config(edited(repository, old, "type='BEiT', arch='base', avg_token=True, output_cls_token=False"))
    assert cfg.model.backbone == dict(type='BEiTViT', arch='base', out_type='avg_featmap')


def test_other_configs_stay_as_they_are(repository):
    (repository / 'own.py').write_text("model = dict(type='X')\nmodel_cfg = dict(type='Y')\n")
    assert read_config('own.py').model.type == 'X'
