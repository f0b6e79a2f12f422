"""The visualizer of samples that carry maps, as a config names it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import VISUALIZERS
from mmengine.structures import InstanceData

from mmlens import explain_boxes
from mmlens.engine import sample_with_maps


@pytest.fixture
def visualizer(tmp_path):
    number = np.random.default_rng().integers(1e9)
    made = VISUALIZERS.build(
        dict(
            type='mmlens.BoxAMVisualizer',
            name=f'visualizer_{number}',
            vis_backends=[dict(type='LocalVisBackend')],
            save_dir=str(tmp_path),
        )
    )
    made.dataset_meta = dict(classes=('cup', 'fork', 'knife'))
    return made


def test_samples_with_maps_are_drawn_as_the_explanation_is(yolox, picture, visualizer, tmp_path):
    found = explain_boxes(yolox, picture, score_thr=0.05, topk=3)
    assert len(found) == 3
    sample = sample_with_maps(found)
    assert sample.pred_instances.box_maps.shape == (3, *picture.shape[:2])
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    visualizer.add_datasample('val_img', rgb, sample, pred_score_thr=0.05, step=4)
    written = cv2.imread(str(tmp_path / 'vis_data' / 'vis_image' / 'val_img_4.png'))
    for box in found:
        box.class_name = ('cup', 'fork', 'knife')[box.label]
    assert (written == found.draw()).all()


def test_scores_and_truth_are_heeded(yolox, picture, visualizer, tmp_path):
    found = explain_boxes(yolox, picture, score_thr=0.05, topk=3)
    sample = sample_with_maps(found)
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[10.0, 10, 60, 50]]), labels=torch.tensor([1]))
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    options = dict(pred_score_thr=found[1].score, out_file=str(tmp_path / 'out.png'))
    visualizer.add_datasample('x', rgb, sample, **options)
    beside = cv2.imread(options['out_file'])
    visualizer.add_datasample('x', rgb, sample, draw_gt=False, **options)
    alone = cv2.imread(options['out_file'])
    found.boxes = found.boxes[:2]
    assert (alone == found.draw()).all()
    assert beside.shape[1] > 2 * alone.shape[1]


def test_samples_without_maps_are_drawn_as_mmdet_does(visualizer, tmp_path):
    instances = InstanceData(
        bboxes=torch.tensor([[10.0, 10, 60, 50]]), scores=torch.tensor([0.9]), labels=torch.tensor([1])
    )
    image = np.zeros((80, 100, 3), np.uint8)
    visualizer.add_datasample('x', image, DetDataSample(pred_instances=instances), out_file=str(tmp_path / 'x.png'))
    assert cv2.imread(str(tmp_path / 'x.png')).any()
    visualizer.add_datasample('x', image, None, out_file=str(tmp_path / 'y.png'))
    assert not cv2.imread(str(tmp_path / 'y.png')).any()
