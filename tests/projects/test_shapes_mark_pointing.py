from __future__ import annotations

import numpy as np
import pytest

import mmlens
from mmlens.results.boxes import BoxExplanation, BoxMap
from projects.shapes.mark_pointing import PAIR, chance, explained, object_of, right_maps, tally
from projects.shapes.scenes import Scene


@pytest.fixture()
def scene():
    """A coin_dot of 20 x 20 pixels with a mark of 4 x 5, and a star of the same size."""
    marks = np.zeros((2, 40, 60), bool)
    marks[0, 12:16, 10:15] = True
    masks = np.zeros((2, 40, 60), bool)
    masks[0, 10:30, 10:30] = masks[1, 10:30, 35:55] = True
    boxes = np.array([[10, 10, 30, 30], [35, 10, 55, 30]], np.float32)
    return Scene(np.zeros((40, 60, 3), np.uint8), boxes, np.array([0, 4]), masks, marks)


@pytest.mark.parametrize(
    ('box', 'label', 'number'),
    [
        ((10, 10, 30, 30), 0, 0),
        ((10, 10, 30, 19), 0, None),  # IoU 0.45
        ((10, 10, 30, 30), 1, None),  # the other class of the pair
        ((35, 10, 55, 30), 4, None),  # right, but no class with a mark
    ],
)
def test_object_of_a_detection(scene, box, label, number):
    assert object_of(np.array(box, np.float32), label, scene) == number


def test_right_maps_leave_out_wrong_detections(scene):
    maps = [
        BoxMap(index, np.array(box, np.float32), label, '', 0.9, np.zeros((40, 60)), np.zeros((40, 60)))
        for index, (box, label) in enumerate([((35, 10, 55, 30), 4), ((11, 10, 30, 30), 0), ((10, 10, 30, 30), 1)])
    ]
    explanation = BoxExplanation(scene.picture, maps, ('neck',), 'gradcam', 'score')
    assert [(found.index, number) for found, number in right_maps(explanation, scene)] == [(1, 0)]


def test_maps_are_compared_with_the_marks(scene, monkeypatch):
    on, beside, blank = np.zeros((3, 40, 60), np.float32)
    on[13, 12], on[30, 30], beside[12, 18] = 3, 1, 1
    box = np.array([10, 10, 30, 30], np.float32)
    raws = ((on, None), (beside, None), (blank, 'no'))
    maps = [BoxMap(n, box, 0, '', 0.9, raw, raw, blank=why) for n, (raw, why) in enumerate(raws)]
    explanation = BoxExplanation(scene.picture, maps, ('neck',), 'gradcam', 'score')
    monkeypatch.setattr(mmlens, 'explain_boxes', lambda *arguments, **options: explanation, raising=False)
    counted = tally(None, [scene], 'gradcam', 'neck')
    assert counted.peaks == [0, pytest.approx(4 / 20), np.inf] and counted.shares == [0.75, 0, 0] and counted.blank == 1


def test_each_class_is_explained_against_the_other_of_its_pair(scene, monkeypatch):
    asked = []
    monkeypatch.setattr(mmlens, 'explain_boxes', lambda *arguments, **options: asked.append(options), raising=False)
    list(explained(None, scene, PAIR, method='evidencecam'))
    assert [(*each['classes'], *each['against']) for each in asked] == [
        ('coin_dot', 'coin_cross'),
        ('coin_cross', 'coin_dot'),
        ('crate_ring', 'crate_bar'),
        ('crate_bar', 'crate_ring'),
    ]
    asked.clear()
    list(explained(None, scene, 'auto', method='evidencecam'))
    assert [(each.get('classes'), each['against']) for each in asked] == [(None, 'auto')]


def test_chance_is_the_marks_share_of_its_box(scene):
    exact, near = chance([scene])
    assert exact == pytest.approx(20 / 400)
    # Within 2 pixels, right of the box's left edge: the mark's 20, 8 beside, 20 above and below, 2 at the corners.
    assert near == pytest.approx(50 / 400)
