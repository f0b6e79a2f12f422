"""Pose estimators of mmpose: a stand-in for its way of asking and answering, and a real one where mmpose is there."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.structures import InstanceData

from mmlens.models.families import as_network
from mmlens.models.loading import load_model, read_config
from mmlens.models.pose import PoseEstimator

META = dict(skeleton_links=[(0, 1), (1, 2)], flip_indices=[0, 2, 1])


@pytest.fixture
def stand_in():
    """Takes the box of a person from the pipeline; says where the middle of the input lies, in numpy."""
    from mmlens import compat
    from mmlens.models.inputs import default_scope

    compat.prepare()

    class BasePoseEstimator(BaseModel):
        def __init__(self):
            super().__init__(data_preprocessor=dict(type='mmdet.DetDataPreprocessor'))
            self.test_cfg = dict(flip_test=True)
            self.passes = []

        def forward(self, inputs, data_samples=None, mode='tensor'):
            self.passes.append(dict(self.test_cfg))
            for sample in data_samples:
                assert sample.flip_indices == [0, 2, 1]
                box = sample.bbox
                middle = (box[:, :2] + box[:, 2:]) / 2
                points = np.stack([middle, middle + 1, middle - 1], 1)
                sample.pred_instances = InstanceData(
                    keypoints=points, keypoint_scores=np.ones((1, 3)), bboxes=box, bbox_scores=sample.bbox_score
                )
            return data_samples

    pack = dict(type='mmdet.PackDetInputs', meta_keys=('bbox', 'bbox_score', 'flip_indices', 'img_shape'))
    cfg = Config(dict(default_scope='mmdet', test_pipeline=[dict(type='LoadImageFromFile'), pack]))
    with default_scope(cfg):
        return as_network(BasePoseEstimator(), cfg, META)


def test_the_whole_picture_is_the_person(stand_in, picture):
    assert type(stand_in) is PoseEstimator and stand_in.described == 'a pose estimator'
    with torch.no_grad():
        found = stand_in.predictions(stand_in.prepare(picture))
    assert found.boxes.tolist() == [[0, 0, 128, 90]] and found.scores.tolist() == [1]
    assert found.keypoints.tolist() == [[[64, 45], [65, 46], [63, 44]]] and found.skeleton == [(0, 1), (1, 2)]
    assert found.keypoint_scores.tolist() == [[1, 1, 1]] and not found.notes


def test_the_picture_is_seen_once(stand_in, picture):
    settings = stand_in.model.test_cfg
    stand_in.predictions(stand_in.prepare(picture))
    assert stand_in.model.passes == [dict(flip_test=False)] and stand_in.model.test_cfg is settings


def test_a_real_top_down_model(config_of, picture):
    pytest.importorskip('mmpose', reason='mmpose is not among the pinned packages')
    network = as_network(load_model(read_config(config_of('topdown_pose')), None, 'cpu'))
    assert type(network) is PoseEstimator and network.default_layers == ('backbone',)
    assert len(network.skeleton) == 19 and network.dataset_meta['num_keypoints'] == 17
    prepared = network.prepare(picture)
    with torch.no_grad():
        found = network.predictions(prepared)
        (sample,) = network.run(prepared)
    assert prepared.input_size == (128, 96) and found.keypoints.shape == (1, 17, 2)
    np.testing.assert_array_equal(found.keypoints.numpy(), sample.pred_instances.keypoints.astype(np.float32))
    assert found.boxes.tolist() == [[0, 0, 128, 90]]
