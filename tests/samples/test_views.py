import numpy as np
import pytest

from mmlens.samples import Samples

COLOURS = ((0, 0, 255), (0, 255, 0))
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True)]
STRAIGHT = dict(max_rotate_degree=0.0, max_shear_degree=0.0)
PACK = dict(type='mmdet.PackDetInputs', meta_keys=('img_path',))


def coloured(view, label):
    """Where the picture has the colour of a class; interpolated borders count half."""
    own = view.picture[..., COLOURS[label].index(255)].astype(int)
    other = view.picture[..., COLOURS[1 - label].index(255)].astype(int)
    return own - other > 128


def inside(view, boxes, inset):
    """The pixels inside of boxes."""
    y, x = np.mgrid[: view.picture.shape[0], : view.picture.shape[1]] + 0.5
    found = np.zeros(view.picture.shape[:2], bool)
    for x1, y1, x2, y2 in boxes:
        found |= (x > x1 + inset) & (x < x2 - inset) & (y > y1 + inset) & (y < y2 - inset)
    return found


def assert_boxes_lie_on_colours(view, inset=1.6):
    assert len(view.boxes) == len(view.labels) > 0
    for label in range(2):
        boxes = view.boxes[view.labels == label]
        colour = coloured(view, label)
        assert not (colour & ~inside(view, boxes, -inset)).any()
        assert (colour | ~inside(view, boxes, inset)).all()
        if view.masks is not None:
            mask = view.masks[view.labels == label].any(axis=0) if len(boxes) else np.zeros_like(colour)
            assert (mask != colour).sum() <= 3 * (view.boxes[:, 2:] - view.boxes[:, :2]).sum() * inset
        if view.seg_map is not None:
            assert ((view.seg_map == label) != colour).mean() < 0.05


PIPELINES = {
    'flip, pad': [
        *LOAD,
        dict(type='RandomFlip', prob=[0.4, 0.3, 0.3], direction=['horizontal', 'vertical', 'diagonal']),
        dict(type='Pad', size_divisor=32),
    ],
    'resize, crop': [
        *LOAD,
        dict(type='RandomResize', scale=(160, 120), ratio_range=(0.6, 1.5), keep_ratio=False),
        dict(type='RandomCrop', crop_size=(0.8, 0.8), crop_type='relative_range'),
    ],
    'polygons': [
        LOAD[0],
        dict(LOAD[1], poly2mask=False),
        dict(type='Resize', scale=(160, 90)),
        dict(type='RandomFlip', prob=1.0),
    ],
    'everything, packed': [
        LOAD[0],
        dict(LOAD[1], with_seg=True),
        dict(type='RandomFlip', prob=0.5),
        dict(type='Resize', scale=(120, 120), keep_ratio=True),
        dict(type='Normalize', mean=[100, 90, 80], std=[50, 60, 70], to_rgb=True),
        dict(type='Pad', size=(128, 128), pad_val=dict(img=0, masks=0, seg=255)),
        PACK,
    ],
}


@pytest.mark.parametrize('kind', PIPELINES)
def test_annotations_lie_where_they_belong_at_every_step(detection, kind):
    samples = Samples(detection(PIPELINES[kind]), seed=3)
    for index in range(6):
        _, *steps = samples.record(index).steps
        for step in steps:
            assert_boxes_lie_on_colours(step.views[0])
            assert step.views[0].masks is not None


@pytest.mark.parametrize('kind', ['wrapper that mixes', 'mmyolo', 'cached, mmdet'])
def test_boxes_of_mixed_pictures_lie_where_they_belong(configs, kind):
    samples = Samples(configs[kind], seed=3)
    for index in range(3):
        for step in samples.record(index).steps[1:3]:  # afterwards transforms drop boxes that are too small
            view = step.views[0]
            assert_boxes_lie_on_colours(view, inset=2.1)
            for branch in step.branches:
                assert_boxes_lie_on_colours(branch.steps[-1].views[0])


def test_seg_maps_are_in_the_views(detection):
    sample = Samples(detection(PIPELINES['everything, packed']), seed=1).record(0)
    assert all(set(np.unique(step.views[0].seg_map)) == {0, 1, 255} for step in sample.steps[1:])
    assert sample.steps[0].views[0].seg_map is None
    assert sample.original is sample.steps[1]


# ---------------------------------------------------------------- annotations that are loaded after the resize

LATE = {
    'mmdet': [LOAD[0], dict(type='Resize', scale=(120, 120), keep_ratio=True), dict(LOAD[1], with_seg=True), PACK],
    'letterbox': [
        LOAD[0],
        dict(type='YOLOv5KeepRatioResize', scale=(96, 96)),
        dict(type='LetterResize', scale=(128, 112), allow_scale_up=False, pad_val=dict(img=114)),
        dict(type='LoadAnnotations', with_bbox=True, _scope_='mmdet'),
        PACK,
    ],
    'letterbox, then flipped': [
        LOAD[0],
        dict(type='YOLOv5KeepRatioResize', scale=(96, 96)),
        dict(type='LetterResize', scale=(128, 112), allow_scale_up=False, pad_val=dict(img=114)),
        dict(type='mmdet.RandomFlip', prob=1.0, direction='diagonal'),
        dict(type='LoadAnnotations', with_bbox=True, _scope_='mmdet'),
    ],
    'flipped, then letterbox': [
        LOAD[0],
        dict(type='mmdet.RandomFlip', prob=1.0, direction='horizontal'),
        dict(type='YOLOv5KeepRatioResize', scale=(96, 96)),
        dict(type='LetterResize', scale=(128, 112), allow_scale_up=False, pad_val=dict(img=114)),
        dict(type='LoadAnnotations', with_bbox=True, _scope_='mmdet'),
    ],
    'flipped, then padded': [
        LOAD[0],
        dict(type='Resize', scale=(90, 120), keep_ratio=True),
        dict(type='RandomFlip', prob=1.0, direction='diagonal'),
        dict(type='Pad', size=(160, 200)),
        LOAD[1],
    ],
    'flipped, then resized': [
        LOAD[0],
        dict(type='RandomFlip', prob=1.0, direction='vertical'),
        dict(type='Resize', scale=(150, 120), keep_ratio=False),
        LOAD[1],
    ],
    'flipped': [
        LOAD[0],
        dict(type='Resize', scale=(90, 120), keep_ratio=False),
        dict(type='RandomFlip', prob=1.0, direction='diagonal'),
        LOAD[1],
    ],
}


@pytest.mark.parametrize('kind', LATE)
def test_in_a_test_pipeline_they_are_drawn_where_they_lie(detection, kind):
    scope = 'mmyolo' if 'letterbox' in kind else 'mmdet'
    samples = Samples(detection(LATE[kind], phase='val', scope=scope), 'val')
    for index in range(6):
        sample = samples.record(index)
        number = [step.name for step in sample.steps].index('LoadAnnotations')
        for step in sample.steps[number:]:
            assert_boxes_lie_on_colours(step.views[0])
        assert 'keep the coordinates of the file, as metrics expect' in sample.steps[number].notes[0]
        assert [step.notes for n, step in enumerate(sample.steps) if n != number] == [()] * (len(sample.steps) - 1)


def test_in_training_they_are_drawn_as_they_are_and_a_note_warns(detection):
    sample = Samples(detection(LATE['mmdet'])).record(0)
    early = Samples(detection(LOAD)).record(0)
    assert np.array_equal(sample.steps[2].views[0].boxes, early.steps[1].views[0].boxes)
    assert sample.steps[2].notes[0].startswith('annotations are loaded after the picture was resized')
    assert sample.steps[2].notes[0].endswith('load them first')


def test_where_nobody_knows_they_are_not_drawn(detection):
    crop = dict(type='CenterCrop', crop_size=(40, 40))
    sample = Samples(detection([LOAD[0], crop, LOAD[1]], phase='test'), 'test').record(0)
    assert len(sample.steps[2].views[0].boxes) == 0
    assert sample.steps[2].notes[0].endswith('they are not drawn')


def test_test_time_augmentation(detection):
    flips = [dict(type='RandomFlip', prob=prob) for prob in (1.0, 0.0)]
    sizes = [dict(type='Resize', scale=size, keep_ratio=True) for size in ((60, 60), (120, 120))]
    augmented = dict(type='TestTimeAug', transforms=[sizes, flips, [LOAD[1]], [PACK]])
    sample = Samples(detection([LOAD[0], augmented], phase='test'), 'test').record(1)
    assert [step.name for step in sample.steps] == ['LoadImageFromFile', 'TestTimeAug']
    assert len(sample.transformed.views) == len(sample.transformed.branches) == 4
    for view in sample.transformed.views:
        assert_boxes_lie_on_colours(view)


def test_rotated_boxes_are_told(detection):
    samples = Samples(detection(LOAD))

    class Rotate:
        def __call__(self, results):
            results['gt_bboxes'] = np.ones((2, 5), np.float32)
            return results

    samples.dataset.pipeline.transforms.append(Rotate())
    view = samples.record(0).steps[2].views[0]
    assert len(view.boxes) == 0 and view.notes == ('boxes of 5 numbers are not drawn',)
