"""The key of a sample's sheet: colours, tags and counts, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mmlens.rendering.class_key import MOST_NAMES, Key
from mmlens.rendering.colours import label_colours
from mmlens.results.samples import SampleSteps, Step, View

NAMES = ('cat', 'dog', 'owl')


def view(labels=(), ignored=(), seg_map=None):
    number = len(labels)
    picture = np.zeros((4, 4, 3), np.uint8)
    return View(
        picture,
        picture.shape,
        'uint8',
        boxes=np.zeros((number, 4), np.float32),
        labels=np.array(labels, np.int64),
        ignored=np.array([position in ignored for position in range(number)], bool),
        seg_map=seg_map,
    )


def key_of(*views):
    step = Step('Load', (), tuple(views))
    return Key.of(SampleSteps(0, '', NAMES, (step,), (), None), [step])


def test_few_boxes_need_no_key_and_segments_and_crowds_do():
    assert not key_of(view([0, 1])).used and not key_of(view()).used
    assert not key_of(view([0] * MOST_NAMES)).used and key_of(view([0] * (MOST_NAMES + 1))).used
    segments = np.array([[0, 255], [2, -1]])
    assert key_of(view(seg_map=segments)).used
    assert not key_of(view(seg_map=np.full((2, 2), 255))).used  # no class anywhere


def test_each_class_has_one_colour_on_all_pictures():
    key = key_of(view([2, 0]), view([0], seg_map=np.array([[1, 255]])))
    for label, colour in zip([0, 1, 2], label_colours([0, 1, 2])):
        assert key.colour(label, ignored=False) == colour
    assert key.colour(0, ignored=True) == (150, 150, 150)
    assert key.colour(9, ignored=False) == (255, 255, 255)  # is on no picture


@pytest.mark.parametrize(
    ('labels', 'tags'),
    [
        ([1, -1, 5], ['dog', '', '5']),  # names; nothing without a class; the index where there is no name
        ([0] * 9, ['0'] * 9),  # numbers in a crowd
        ([0] * 81, [''] * 81),  # and nothing where tags would hide the picture
    ],
)
def test_boxes_are_tagged_as_long_as_there_is_room(labels, tags):
    shown = view(labels)
    assert [key_of(shown).tag(shown, number) for number in range(len(labels))] == tags


def test_boxes_that_training_ignores_say_so():
    shown = view([0, 1], ignored=[1])
    assert [key_of(shown).tag(shown, number) for number in (0, 1)] == ['cat', 'dog (ignored)']


def test_the_most_frequent_classes_are_counted():
    assert key_of().counts(view([1, 0, 1])) == '2 dog, 1 cat'
    assert key_of().counts(view([0] * 6 + [1] * 5 + [2] * 4 + [3] * 3 + [4] * 2 + [5, 6])) == (
        '6 cat, 5 dog, 4 owl, 3 3, 2 4, 2 others'
    )


def test_the_key_is_a_strip_of_the_width_asked_for():
    strip = key_of(view([0, 1, 2] * 4)).draw(300)
    assert strip.shape[1:] == (300, 3) and strip.dtype == np.uint8
    assert len(key_of(view([0, 1, 2] * 4)).draw(70)) > len(strip)  # in more lines
    for colour in label_colours([0, 1, 2]):
        assert (strip == np.array(colour, np.uint8)).all(2).any()
