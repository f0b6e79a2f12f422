"""One error in numbers and words: by hand."""

import numpy as np
import pytest

from mmlens.failures import Failure

TRUTH = np.array([10.0, 20.0, 30.0, 60.0])


def test_edges_are_told_in_shares_of_the_object():
    failure = Failure('p', 'localisation', np.array([8.0, 24.0, 40.0, 60.0]), truth=TRUTH)
    assert failure.edges == dict(left=0.1, top=-0.1, right=0.5, bottom=0.0)
    assert failure.edges_off == [('right', 0.5), ('left', 0.1), ('top', -0.1)]
    nearly = Failure('p', 'localisation', TRUTH + [0, 0, 1, 0], truth=TRUTH)
    assert nearly.edges_off == [('right', 0.05)]


@pytest.mark.parametrize(
    ('kind', 'sentence'),
    [
        ('classification', 'cup 0.90 is a fork: the place is right (IoU 0.80), the class is not.'),
        ('localisation', 'cup 0.90 overlaps its fork by IoU 0.80: its right edge is 50 % too far out.'),
        ('both', 'cup 0.90 overlaps a fork by IoU 0.80: class and place are wrong.'),
        ('duplicate', 'cup 0.90 is a second box of a fork that has been found already at 0.95.'),
    ],
)
def test_sentences(kind, sentence):
    box = np.array([10.0, 20.0, 40.0, 60.0])
    failure = Failure('p', kind, box, 0, 'cup', 0.9, 0, TRUTH, 1, 'fork', 0.8, found_at=0.95)
    assert failure.sentence == sentence


def test_sentences_without_the_one_or_the_other():
    alarm = Failure('p', 'background', TRUTH, 0, 'cup', 0.9)
    assert alarm.sentence == 'cup 0.90 is on the background: nothing is annotated there.'
    alarm.overlap = 0.05
    assert alarm.sentence.endswith('nothing is annotated there, the largest IoU with any object is 0.05.')
    missed = Failure('p', 'missed', truth=TRUTH, truth_name='fork')
    assert missed.sentence == 'This fork of 20 x 40 pixels was not found.'
    assert (missed.area, missed.edges, missed.as_json()['box']) == (800, {}, None)
