"""A tiny detector with random weights, saved as a user's config and checkpoint are, and pictures to go with it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

import mmlens

CONFIG = """
default_scope = 'mmdet'
model = dict(
    type='YOLOX',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[127.5] * 3, std=[73.5] * 3, pad_size_divisor=32),
    backbone=dict(type='CSPDarknet', deepen_factor=0.33, widen_factor=0.125, out_indices=(2, 3, 4)),
    neck=dict(type='YOLOXPAFPN', in_channels=[32, 64, 128], out_channels=32, num_csp_blocks=1),
    bbox_head=dict(type='YOLOXHead', num_classes=3, in_channels=32, feat_channels=32),
    test_cfg=dict(score_thr=0.01, nms=dict(type='nms', iou_threshold=0.1), max_per_img=5))
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(96, 96), keep_ratio=True),
    dict(type='Pad', pad_to_square=True, pad_val=dict(img=(114.0, 114.0, 114.0))),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]
classes = ('ant', 'bee', 'cow')
test_dataloader = dict(dataset=dict(type='CocoDataset', metainfo=dict(classes=classes), pipeline=test_pipeline))
"""


def draw_picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


@pytest.fixture(autouse=True)
def same_mmlens_in_subprocesses(monkeypatch):
    """Let commands that a test starts elsewhere import the package under test, installed or not."""
    monkeypatch.setenv('PYTHONPATH', str(Path(mmlens.__file__).parents[1]))


@pytest.fixture(scope='session')
def model(tmp_path_factory):
    """The words CONFIG and CHECKPOINT of a command line."""
    import torch

    from mmlens import load_detector

    folder = tmp_path_factory.mktemp('model')
    config = folder / 'tiny.py'
    config.write_text(CONFIG)
    torch.manual_seed(0)
    detector = load_detector(config, device='cpu')
    with torch.no_grad():
        for convolution in detector.model.bbox_head.multi_level_conv_obj:
            convolution.bias.fill_(3.0)  # so that something is found
        for convolution in detector.model.bbox_head.multi_level_conv_cls:
            torch.nn.init.normal_(convolution.weight, std=3.0)  # so that classes and scores differ
            convolution.bias.zero_()
        for convolution in detector.model.bbox_head.multi_level_conv_reg:
            convolution.weight.mul_(0.01)  # or exp() makes boxes of any size
            convolution.bias.copy_(torch.tensor([0.0, 0.0, 1.0, 1.0]))
    checkpoint = folder / 'tiny.pth'
    meta = {'dataset_meta': {'classes': ('ant', 'bee', 'cow')}}
    torch.save({'state_dict': detector.model.state_dict(), 'meta': meta}, str(checkpoint))
    return [str(config), str(checkpoint)]


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """The working folder, with three pictures of which one is broken, and a video of 5 frames."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'pics').mkdir()
    cv2.imwrite('pics/a.png', draw_picture(60, 80))
    (tmp_path / 'pics' / 'b.jpg').write_bytes(b'\xff\xd8 this is no picture')
    cv2.imwrite('pics/c.jpg', draw_picture(90, 50, seed=1))
    write_video('street.mp4', [draw_picture(48, 64, seed) for seed in range(5)])
    return tmp_path


def write_video(path, frames, rate=7.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), rate, (frames[0].shape[1], frames[0].shape[0]))
    for frame in frames:
        writer.write(frame)
    writer.release()
