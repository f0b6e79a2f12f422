"""Deciding about objects from evidence made by hand: no network runs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmlens.explain.miss_evidence import Cover
from mmlens.explain.miss_judge import Judge
from mmlens.models.geometry import Geometry
from mmlens.models.predictions import Predictions

BOX = [10.0, 10, 30, 30]
FAR = [60.0, 60, 90, 90]


def found(*rows):
    """Detections ``(box, score, label)``."""
    boxes = torch.tensor([row[0] for row in rows]).reshape(-1, 4)
    return Predictions(
        boxes, torch.tensor([float(row[1]) for row in rows]), torch.tensor([int(row[2]) for row in rows])
    )


class Evidence:
    """What a detector of two classes made of a picture."""

    two_stage = False

    def __init__(self, detected=(), candidates=(), lifted=None, likely=None, cover=None):
        self.detected, self._candidates = found(*detected), found(*candidates)
        self._lifted, self._likely = lifted or {}, likely
        self.cover = cover or Cover('priors', torch.tensor([[20.0, 20, 20, 20]]), 8.0)

    def candidates(self, label):
        return self._candidates

    def detections(self, lift):
        return self._lifted.get('limits' if 'max_per_img' in lift else 'sizes', self.detected)

    def shares(self, score, label):
        return self._likely

    def setting(self, names):
        return 16.0


def judged(evidence, boxes=(BOX,), labels=(0,), input_shift=0.0, score_thr=0.3):
    matrix = np.eye(3)
    matrix[0, 2] = -input_shift
    prepared = SimpleNamespace(
        picture=np.zeros((100, 100, 3), np.uint8), geometry=Geometry(matrix, (100, 100), (100, 100))
    )
    detector = SimpleNamespace(class_name=lambda label, prepared: ['cup', 'fork'][label])
    judge = Judge(detector, prepared, evidence, np.array(boxes), labels, score_thr, 0.5)
    return [judge.miss(n) for n in range(len(boxes))]


def test_each_detection_finds_one_object():
    near = [12.0, 10, 32, 30]
    first, second = judged(Evidence([(BOX, 0.9, 0)], [(BOX, 0.9, 0)]), [BOX, near], [0, 0])
    assert (first.mechanism, second.mechanism, second.kind) == ('found', 'suppressed', 'shared')
    assert second.rival.tolist() == BOX and second.numbers['rival_score'] == pytest.approx(0.9)
    both = judged(Evidence([(near, 0.9, 0), (BOX, 0.8, 0)]), [BOX, near], [0, 0])
    assert [miss.mechanism for miss in both] == ['found', 'found']


@pytest.mark.parametrize(
    ('evidence', 'mechanism', 'kind'),
    [
        (Evidence([(BOX, 0.2, 0)], [(BOX, 0.2, 0)]), 'background', ''),
        (Evidence([], [(BOX, 0.2, 0)], likely=torch.tensor([0.2, 0.29])), 'background', ''),
        (Evidence([], [(BOX, 0.2, 0)], likely=torch.tensor([0.2, 0.4])), 'outvoted', ''),
        (Evidence([], [(BOX, 0.1, 0)], likely=torch.tensor([0.2, 0.4])), 'background', ''),  # halved by objectness
        (Evidence([(BOX, 0.5, 1)], [(BOX, 0.2, 0)]), 'outvoted', ''),
        (Evidence([(FAR, 0.5, 1)], [(BOX, 0.2, 0)]), 'background', ''),
        (Evidence([(FAR, 0.5, 0)], [(FAR, 0.5, 0)]), 'regressed', ''),
        (Evidence([], [], cover=Cover('priors', torch.tensor([[5.0, 5, 5, 5]]), 8.0)), 'uncovered', 'priors'),
        (Evidence([], [(FAR, 0.9, 0)], cover=Cover('boxes', torch.zeros(0, 4))), 'uncovered', 'boxes'),
        (Evidence([], [([0.0, 0, 50, 50], 0.9, 0)], cover=Cover('boxes', torch.zeros(0, 4))), 'regressed', ''),
        (Evidence([], [(BOX, 0.8, 0)], dict(sizes=found((BOX, 0.8, 0)))), 'filtered', 'size'),
        (Evidence([(FAR, 0.9, 0)], [(BOX, 0.8, 0)], dict(limits=found((BOX, 0.8, 0)))), 'suppressed', 'limit'),
        (Evidence([([14.0, 10, 54, 30], 0.9, 0)], [(BOX, 0.8, 0)]), 'suppressed', 'NMS'),
    ],
)
def test_one_object_by_hand(evidence, mechanism, kind):
    (miss,) = judged(evidence)
    assert (miss.mechanism, miss.kind) == (mechanism, kind), miss
    assert miss.class_name == 'cup' and miss.box.tolist() == BOX


def test_figures_of_a_class_that_won():
    (miss,) = judged(Evidence([], [(BOX, 0.1, 0)], likely=torch.tensor([0.2, 0.8])))
    assert miss.numbers['rival_score'] == pytest.approx(0.4)  # objectness halves it too
    assert (miss.rival_label, miss.rival_name, miss.rival) == (1, 'fork', None)


def test_a_detection_of_another_object_does_not_win():
    fork, cup = judged(Evidence([(BOX, 0.5, 1)], [(BOX, 0.2, 0)]), [BOX, BOX], [1, 0])
    assert (fork.mechanism, cup.mechanism) == ('found', 'background')


def test_of_several_candidates_the_best_that_lies_there():
    worse = [10.0, 10, 30, 45]
    (miss,) = judged(Evidence([], [(FAR, 0.9, 0), (worse, 0.25, 0), (BOX, 0.1, 0)]))
    assert miss.candidate.tolist() == worse and miss.numbers['rank'] == 1
    assert miss.numbers['score'] == pytest.approx(0.25)


@pytest.mark.parametrize(('shift', 'cut'), [(19, None), (21, 55), (40, 100)])
def test_what_the_network_does_not_see(shift, cut):
    (miss,) = judged(Evidence([], [(BOX, 0.2, 0)]), input_shift=shift)
    assert (miss.mechanism == 'filtered') == (cut is not None)
    assert cut is None or miss.numbers['cut'] == pytest.approx(cut)
