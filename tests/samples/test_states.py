import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData, PixelData
from mmpretrain.structures import DataSample
from PIL import Image

from mmlens.samples.states import same, take_state

IMAGE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def loose(**more):
    return dict(img=IMAGE.copy(), **more)


def packed(**more):
    return dict(inputs=torch.from_numpy(IMAGE).permute(2, 0, 1), **more)


@pytest.mark.parametrize('results', [None, {}, {'img_path': 'a.png'}, 'a.png', {'img': 'a.png'}, {'inputs': None}])
def test_without_a_picture_there_is_no_state(results):
    assert take_state(results) is None


def test_a_state_is_a_copy():
    results = loose(gt_bboxes=HorizontalBoxes(torch.tensor([[1.0, 2, 3, 4]])), gt_bboxes_labels=np.array([7]))
    state = take_state(results)
    results['img'][:] = 0
    results['gt_bboxes'].rescale_([5, 5])
    results['gt_bboxes_labels'][:] = 0
    (item,) = state.items
    assert np.array_equal(item.image, IMAGE)
    assert item.boxes.tolist() == [[1, 2, 3, 4]] and item.labels.tolist() == [7]


@pytest.mark.parametrize('boxes', [np.ones((2, 4), np.float64), torch.ones(2, 4), HorizontalBoxes(torch.ones(2, 4))])
def test_boxes_of_every_kind(boxes):
    (item,) = take_state(loose(gt_bboxes=boxes)).items
    assert item.boxes.dtype == np.float32 and item.boxes.tolist() == [[1] * 4] * 2
    assert item.annotated


@pytest.mark.parametrize(('boxes', 'shape'), [(np.zeros(0), (0, 4)), (np.ones((3, 5)), (3, 5))])
def test_no_boxes_and_rotated_boxes(boxes, shape):
    assert take_state(loose(gt_bboxes=boxes)).items[0].boxes.shape == shape


def test_pillow_tensor_and_list():
    (item,) = take_state(dict(img=Image.fromarray(IMAGE))).items
    assert np.array_equal(item.image, IMAGE) and not item.channels_first
    (item,) = take_state(dict(img=torch.from_numpy(IMAGE).permute(2, 0, 1))).items
    assert item.image.shape == (3, 2, 4) and item.channels_first
    first, second = take_state(dict(img=[IMAGE, IMAGE[:1]], gt_label=1)).items
    assert first.classes == (1,) and second.classes == () and second.image.shape == (1, 4, 3)


def test_a_packed_detection_sample():
    sample = DetDataSample(metainfo=dict(img_path='a.png', scale_factor=(2, 2)))
    masks = BitmapMasks(np.ones((1, 2, 4), np.uint8), 2, 4)
    for name, label in (('gt_instances', 3), ('ignored_instances', 5)):
        boxes = HorizontalBoxes(torch.full((1, 4), float(label)))
        setattr(sample, name, InstanceData(bboxes=boxes, labels=torch.tensor([label]), masks=masks))
    sample.gt_sem_seg = PixelData(sem_seg=torch.full((1, 2, 4), 9))
    state = take_state(packed(data_samples=sample))
    (item,) = state.items
    assert item.image.shape == (3, 2, 4) and item.channels_first
    assert item.boxes.tolist() == [[3] * 4, [5] * 4]
    assert item.labels.tolist() == [3, 5] and item.ignored.tolist() == [False, True]
    assert item.masks.to_ndarray().shape == (2, 2, 4)
    assert item.seg_map.tolist() == [[9] * 4] * 2
    assert state.meta['img_path'] == 'a.png' and state.meta['scale_factor'] == (2, 2)


def test_a_packed_sample_without_annotations():
    sample = DetDataSample(gt_instances=InstanceData(), ignored_instances=InstanceData())
    (item,) = take_state(packed(data_samples=sample)).items
    assert not item.annotated


def test_a_packed_classification_sample():
    sample = DataSample(metainfo=dict(img_path='a.png')).set_gt_label([2, 0])
    (item,) = take_state(packed(data_samples=sample)).items
    assert item.classes == (2, 0)


def test_the_mask_of_masked_image_modelling():
    grid = np.array([[0, 1], [1, 0]])
    assert take_state(loose(mask=grid)).items[0].hidden.tolist() == [[False, True], [True, False]]
    sample = DataSample().set_mask(torch.from_numpy(grid))
    first, second = take_state(dict(inputs=[packed()['inputs']] * 2, data_samples=sample)).items
    assert first.hidden is not None and second.hidden is None


def test_lists_of_test_time_augmentation_and_dicts_of_branches():
    image = packed()['inputs']
    samples = [DataSample().set_gt_label(n) for n in range(2)]
    state = take_state(dict(inputs=[image, image], data_samples=samples))
    assert [item.classes for item in state.items] == [(0,), (1,)]
    named = dict(inputs=dict(a=image, b=None, c=image), data_samples=dict(a=samples[1], b=None, c=samples[0]))
    assert [item.classes for item in take_state(named).items] == [(1,), (0,)]


def test_frames_of_a_video():
    assert len(take_state(dict(inputs=torch.zeros(5, 3, 2, 4))).items) == 5


def test_same():
    polygons = PolygonMasks([[np.array([0.0, 0, 1, 0, 1, 1])]], 2, 4)
    full = loose(gt_bboxes=np.ones((1, 4)), gt_bboxes_labels=np.array([1]), gt_masks=polygons, gt_label=1)
    state = take_state(full)
    assert same(state, take_state(full))
    others = [
        dict(img=IMAGE + 1),
        dict(img=IMAGE.astype(np.float32)),
        dict(gt_bboxes=np.zeros((1, 4))),
        dict(gt_bboxes=None),
        dict(gt_bboxes_labels=np.array([2])),
        dict(gt_masks=PolygonMasks([[np.array([0.0, 0, 1, 0, 1, 2])]], 2, 4)),
        dict(gt_masks=BitmapMasks(np.ones((1, 2, 4), np.uint8), 2, 4)),
        dict(gt_masks=None),
        dict(gt_seg_map=np.zeros((2, 4))),
        dict(gt_label=2),
    ]
    for change in others:
        assert not same(state, take_state({**full, **change})), change
