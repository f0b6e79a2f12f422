"""A recorded sample: which step is the original, what classes are called, and how it is printed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from mmlens.results.samples import Branch, SampleSteps, Step, View, has_annotations

PICTURE = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)


def view(value=0, boxes=0, **more):
    return View(
        PICTURE + np.uint8(value),
        (3, 4, 3),
        'uint8',
        boxes=np.zeros((boxes, 4), np.float32),
        labels=np.zeros(boxes, np.int64),
        ignored=np.zeros(boxes, bool),
        **more,
    )


def sample(*steps, names=('cat', 'dog'), path='a.jpg'):
    return SampleSteps(7, path, names, steps, (), None)


LOAD, LOADED = Step('Load', (), (view(),)), Step('LoadAnnotations', (), (view(boxes=2),))
FLIP = Step('RandomFlip', ('RandomChoice',), (view(1, boxes=2),))


@pytest.mark.parametrize(
    ('steps', 'original'),
    [
        ([LOAD, LOADED, FLIP], LOADED),  # the picture as it was loaded, with what is annotated
        ([LOAD, FLIP, LOADED], LOAD),  # annotations came too late
        ([LOAD, Step('Views', (), (view(), view(boxes=1)))], LOAD),  # several pictures
        ([LOADED, FLIP], LOADED),
        ([LOAD], LOAD),
        ([LOAD, Step('Segments', (), (view(seg_map=np.zeros((3, 4), np.int64)),))], None),
    ],
)
def test_the_original_is_the_loaded_picture_with_its_annotations(steps, original):
    found = sample(*steps)
    assert found.original is (steps[-1] if original is None else original)
    assert found.transformed is steps[-1]


def test_annotations_are_boxes_or_segments():
    assert not has_annotations(view()) and not has_annotations(view(classes=(1,)))
    assert has_annotations(view(boxes=1)) and has_annotations(view(seg_map=np.zeros((3, 4), np.int64)))


@pytest.mark.parametrize(('label', 'name'), [(0, 'cat'), (1, 'dog'), (2, '2'), (-1, '-1')])
def test_classes_have_their_names_or_their_indexes(label, name):
    assert sample(LOAD).name_of(label) == name
    assert sample(LOAD, names=()).name_of(label) == str(label)


def test_views_are_equal_by_their_arrays():
    assert view(boxes=1) == view(boxes=1) and view() != view(1)
    assert view() != replace(view(), notes=('stretched',))
    assert Step('A', (), (view(),)) == Step('A', (), (view(),)) != Step('B', (), (view(),))


def test_everything_is_printed_in_a_line():
    assert repr(view(boxes=2)) == '<View (3, 4, 3) uint8, 2 boxes>'
    assert repr(FLIP) == '<Step RandomChoice.RandomFlip: <View (3, 4, 3) uint8, 2 boxes>>'
    assert repr(Branch('', (LOAD, FLIP))) == '<Branch (no file): Load, RandomFlip>'
    assert repr(sample(LOAD, FLIP)) == '<SampleSteps 7 a.jpg: Load, RandomFlip>'
    assert repr(sample(LOAD, path='')) == '<SampleSteps 7 (no file): Load>'


def test_what_was_recorded_stays():
    with pytest.raises(FrozenInstanceError):
        FLIP.name = 'another'


def test_a_sample_draws_itself():
    drawn = sample(LOAD, LOADED, FLIP).draw('pipeline')
    assert drawn.dtype == np.uint8 and drawn.ndim == 3
    assert sample(LOAD).drawing('original').image.shape == sample(LOAD).draw('original').shape
