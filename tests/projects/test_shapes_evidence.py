from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from projects.shapes import drawing
from projects.shapes.evidence import CLASSES, INK, KINDS, PALETTE, STAMPED, STAMPS, draw_scene, kind_of

INDEXES = range(16)
draw = partial(draw_scene, 7, long_side=160)  # half the usual size: quicker


@pytest.fixture(scope='module')
def scenes():
    return [draw(index) for index in INDEXES]


def objects(scenes, kind):
    """Scene and number of each object of a kind."""
    return [(s, n) for s in scenes for n, label in enumerate(s.labels) if kind_of(label) == kind]


def test_every_class_has_its_own_evidence_and_belongs_to_one_kind():
    assert sorted(label for labels in KINDS.values() for label in labels) == list(range(len(CLASSES)))
    assert all(label in KINDS[kind_of(label)] for label in range(len(CLASSES)))
    assert len(PALETTE) == len(set(PALETTE)) == len(set(INK.values())) == len(CLASSES)
    # No mark of a plate tells its class alone.
    marks = [mark for label in KINDS['two_part'] for mark in INK[CLASSES[label]]]
    assert {marks.count(mark) for mark in marks} == {2}


def test_a_scene_depends_on_its_arguments_alone(scenes):
    np.random.seed(1)
    again = draw(3)
    for name in ('picture', 'boxes', 'labels', 'masks', 'mark_masks', 'part_masks', 'stamp_masks', 'stamped'):
        np.testing.assert_array_equal(getattr(again, name), getattr(scenes[3], name))
    other = draw_scene(8, 3, long_side=160)
    assert other.picture.shape != again.picture.shape or (other.picture != again.picture).any()


def test_swapping_the_evidence_changes_no_pixel_outside_its_masks(scenes):
    """What the classes promise: nothing else tells them apart."""
    following = {a: b for labels in KINDS.values() for a, b in zip(labels, labels[1:] + labels[:1])}
    for index, scene in zip(INDEXES, scenes):
        swapped = draw(index, swapped=True)
        assert [following[label] for label in scene.labels] == list(swapped.labels)
        for name in ('boxes', 'masks', 'part_masks', 'stamp_masks', 'stamped'):
            np.testing.assert_array_equal(getattr(swapped, name), getattr(scene, name))
        differs = (swapped.picture != scene.picture).any(-1)
        assert not (differs & ~scene.mark_masks.any(0)).any()
        for mark in scene.mark_masks:
            assert (differs & mark).sum() > 0.1 * mark.sum()


@pytest.mark.parametrize('swapped', [False, True])
def test_watermarks_change_no_pixel_outside_their_masks(swapped):
    for index in INDEXES:
        without, everywhere = (draw(index, swapped, stamps) for stamps in ('never', 'always'))
        cards = np.isin(without.labels, KINDS['shortcut'])
        assert not without.stamped.any() and (everywhere.stamped == cards).all()
        np.testing.assert_array_equal(without.stamp_masks.any((1, 2)), cards)
        for name in ('boxes', 'labels', 'masks', 'part_masks', 'stamp_masks'):
            np.testing.assert_array_equal(getattr(without, name), getattr(everywhere, name))
        differs = (without.picture != everywhere.picture).any(-1)
        assert not (differs & ~without.stamp_masks.any(0)).any()
        assert all((differs & stamp).sum() > 0.2 * stamp.sum() for stamp in without.stamp_masks[cards])


def test_the_watermark_goes_with_one_class_in_training_and_with_chance_elsewhere(scenes):
    training = [draw(index, stamps='shortcut') for index in INDEXES]
    for scene, number in objects(training, 'shortcut'):
        assert scene.stamped[number] == (scene.labels[number] == STAMPED)
    for label in KINDS['shortcut']:
        stamped = [s.stamped[n] for s, n in objects(scenes, 'shortcut') if s.labels[n] == label]
        assert len(stamped) > 5 and 0.1 < np.mean(stamped) < 0.9
    assert STAMPS[:2] == ('shortcut', 'by chance')


def test_what_stands_beside_a_hut_lies_outside_of_its_box_and_of_every_object(scenes):
    huts = objects(scenes, 'context')
    assert len(huts) > 8
    for scene, number in huts:
        sign, (x1, y1, x2, y2) = scene.part_masks[number, 0], scene.boxes[number].astype(int)
        assert sign.any() and not scene.part_masks[number, 1].any()
        assert not sign[y1:y2, x1:x2].any() and not (sign & scene.masks.any(0)).any()
        # It is its own hut's: other huts are farther away.
        rows, columns = np.nonzero(sign)
        others = [n for n, label in enumerate(scene.labels) if kind_of(label) == 'context' and n != number]
        centre = np.array([columns.mean(), rows.mean()])
        assert all(away(centre, scene.boxes[number]) < away(centre, scene.boxes[other]) for other in others)


def away(point, box):
    """Distance from a point to a box."""
    return np.hypot(*np.clip([box[:2] - point, point - box[2:]], 0, None).max(0))


def test_marks_and_watermarks_lie_whole_and_apart_within_their_object(scenes):
    for scene, number in objects(scenes, 'two_part') + objects(scenes, 'shortcut'):
        first, second = scene.part_masks[number]
        stamp = scene.stamp_masks[number]
        assert first.any() and second.any() == (kind_of(scene.labels[number]) == 'two_part') != stamp.any()
        inks = np.stack([first, second, stamp])
        assert inks.sum(0).max() == 1 and not (inks & ~scene.masks[number]).any()


def test_signs_and_the_watermark_stay_within_their_footprint():
    for ink in [*drawing.SIGNS.values(), drawing.STAMP]:
        assert max(np.linalg.norm(polygon, axis=1).max() for polygon in ink) <= 1


def test_evidence_by_name(scenes):
    names = {
        'context': {'mark'},
        'two_part': {'mark', 'first_mark', 'second_mark'},
        'shortcut': {'mark', 'stamp', 'stamped'},
    }
    for kind, expected in names.items():
        for scene, number in objects(scenes, kind):
            known = scene.evidence(number)
            assert set(known) == expected
            np.testing.assert_array_equal(known['mark'], scene.part_masks[number].any(0))
