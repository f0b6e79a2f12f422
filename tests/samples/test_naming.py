"""Views are named by what was done to each and not to the others."""

import numpy as np
import pytest

from mmlens.samples import Samples

LOAD = dict(type='LoadImageFromFile')
PACK = dict(type='mmdet.PackDetInputs', meta_keys=('img_path', 'scale_factor', 'flip', 'flip_direction'))
FLIPS = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]


def views(detection, *choices, pack=PACK, index=1):
    augmented = dict(type='TestTimeAug', transforms=[*choices, [pack]])
    cfg = detection([LOAD, augmented], phase='test')
    return Samples(cfg, 'test').record(index).transformed


def names(detection, *choices, pack=PACK):
    step = views(detection, *choices, pack=pack)
    assert [branch.name for branch in step.branches] == [view.name for view in step.views]
    return [view.name for view in step.views]


def test_sizes_and_flips(detection):
    sizes = [dict(type='Resize', scale=scale, keep_ratio=True) for scale in ((60, 60), (120, 120))]
    # Picture 1 is 60 x 80.
    assert names(detection, sizes, FLIPS) == [
        '45 × 60, flipped horizontally',
        '45 × 60, not flipped',
        '90 × 120, flipped horizontally',
        '90 × 120, not flipped',
    ]


def test_what_all_have_is_no_name(detection):
    size = [dict(type='Resize', scale=(60, 60), keep_ratio=True)]
    directions = [dict(type='RandomFlip', prob=1.0, direction=each) for each in ('vertical', 'diagonal')]
    assert names(detection, size, directions) == ['flipped vertically', 'flipped both ways']


def test_what_packing_drops_is_known_all_the_same(detection):
    assert names(detection, FLIPS, pack=dict(PACK, meta_keys=())) == ['flipped horizontally', 'not flipped']


def test_other_transforms_are_named_with_what_differs(detection):
    turned = [dict(type='Rotate', prob=1.0, level=level) for level in (2, 6)]
    assert names(detection, [*turned, dict(type='PhotoMetricDistortion')]) == [
        'Rotate level=2',
        'Rotate level=6',
        'PhotoMetricDistortion',
    ]
    assert names(detection, FLIPS, turned)[1] == 'flipped horizontally, Rotate level=6'


def test_equal_views_have_no_name(detection):
    assert names(detection, [FLIPS[1], FLIPS[1]]) == ['', '']


def test_one_view_is_not_named(detection):
    (view,) = views(detection, FLIPS[:1]).views
    assert view.name == ''


@pytest.mark.parametrize('mode', ['transformed', 'concat', 'pipeline'])
def test_they_are_drawn(detection, mode):
    cfg = detection([LOAD, dict(type='TestTimeAug', transforms=[FLIPS, [PACK]])], phase='test')
    sample = Samples(cfg, 'test').record(1)
    table = sample.table()
    assert table['view'] == ['', 'flipped horizontally', 'not flipped']
    drawing = sample.drawing(mode)
    pictures = [place for place in drawing.places if place.kind == 'picture']
    assert len(pictures) == dict(transformed=2, concat=3, pipeline=7)[mode]
    assert np.ptp(drawing.image) > 100
