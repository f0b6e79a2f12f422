"""Sheets of single errors."""

import numpy as np
import pytest

from mmlens.failures import ExplainedFailure, Failure, Why
from mmlens.rendering.failures import TRUTH, WRONG, drawing_of_failure

PICTURE = np.full((300, 400, 3), 90, np.uint8)


def explained(box, truth=None, maps=(), kind='background'):
    failure = Failure('street.jpg', kind, box, 0, 'cup', 0.9, 0, truth, 1, 'fork')
    return ExplainedFailure(PICTURE, failure, list(maps), 'sum', 'gradcam')


def why(counter=None, blank=None):
    values = np.zeros((300, 400), np.float32)
    values[100:140, 100:140] = 1
    return Why('why cup', 'what pushes it out', 'score', values, values, blank, counter)


def has(image, colour):
    return bool((image == np.array(colour, np.uint8)).all(-1).any())


def test_object_and_detection_have_a_colour_each():
    both = drawing_of_failure(explained(np.array([50.0, 50, 200, 200]), np.array([100.0, 60, 250, 220]), [why()]))
    assert has(both.image, TRUTH) and has(both.image, WRONG)
    alarm = drawing_of_failure(explained(np.array([50.0, 50, 200, 200]), None, [why()]))
    assert not has(alarm.image, TRUTH) and has(alarm.image, WRONG)
    missed = drawing_of_failure(explained(None, np.array([50.0, 50, 200, 200]), kind='missed'))
    assert has(missed.image, TRUTH) and not has(missed.image, WRONG)
    assert len(missed.of_kind('title')) == 1
    shown = explained(None, np.array([50.0, 50, 200, 200]), kind='missed')
    plain, shown.candidate = (drawing_of_failure(shown).image == TRUTH).all(-1).sum(), np.array([90.0, 90, 250, 260])
    assert (drawing_of_failure(shown).image == TRUTH).all(-1).sum() > plain


def test_a_panel_a_map_and_one_for_the_true_class():
    counter = np.zeros((300, 400), np.float32)
    box, truth = np.array([50.0, 50, 200, 200]), np.array([60.0, 60, 200, 200])
    assert len(drawing_of_failure(explained(box, truth, [why(), why()])).of_kind('panel')) == 2
    assert len(drawing_of_failure(explained(box, truth, [why(counter)])).of_kind('panel')) == 2
    assert len(drawing_of_failure(explained(box, truth, [why(counter, 'saturated')])).of_kind('panel')) == 1


@pytest.mark.parametrize('corner', [(0, 0), (200, 150), (385, 290)])
def test_small_objects_are_shown_enlarged(corner):
    x, y = corner
    box = np.array([x, y, x + 15.0, y + 10])
    large = drawing_of_failure(explained(box, None, [why()]))
    picture, panel = large.main, large.of_kind('panel')[0]
    assert picture.size == panel.size  # a part of the picture's own shape

    def width_of_box(place):
        x1, y1, x2, y2 = place.rect
        part = large.image[y1:y2, x1:x2]
        columns = np.nonzero((part == np.array(WRONG, np.uint8)).all(-1).any(0))[0]
        return columns.max() - columns.min()

    assert width_of_box(panel) > 100


def test_boxes_beyond_the_picture_are_drawn():
    drawing = drawing_of_failure(explained(np.array([-30.0, -20, 500, 420]), None, [why()]))
    assert has(drawing.image, WRONG)
