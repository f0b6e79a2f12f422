"""Cases: drawing some of them, and masks as COCO writes them."""

import numpy as np
from pycocotools import mask as coco

from mmlens.evaluation import Case, Truth, sample
from mmlens.evaluation.cases import decode


def test_a_sample_is_seeded_and_keeps_the_order():
    cases = [Case(str(number), lambda: None) for number in range(20)]
    one = [int(case.name) for case in sample(cases, 5, seed=3)]
    assert len(set(one)) == 5 and one == sorted(one)
    assert one == [int(case.name) for case in sample(cases, 5, seed=3)]
    assert one != [int(case.name) for case in sample(cases, 5, seed=4)]
    assert sample(cases, None, 0) == sample(cases, 20, 0) == cases


def test_masks_are_decoded_however_they_are_written():
    mask = np.zeros((6, 8), bool)
    mask[1:4, 2:7] = True
    runs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    written = {'size': [6, 8], 'counts': runs['counts'].decode()}
    plain = {'size': [6, 8], 'counts': [13, 3, 3, 3, 3, 3, 3, 3, 3, 3, 8]}  # down the columns
    for segmentation in (runs, written, plain, [[2, 1, 7, 1, 7, 4, 2, 4]]):
        assert np.array_equal(decode(segmentation, (6, 8)), mask)
    assert decode(None, (6, 8)) is None and decode([], (6, 8)) is None


def test_an_empty_mask_is_none():
    some = np.eye(3, dtype=bool)
    truth = Truth(np.zeros((3, 4)), np.zeros(3, int), masks=[np.zeros((3, 3), bool), None, some])
    assert truth.mask(0) is None and truth.mask(1) is None and truth.mask(2) is some and truth.mark(0) is None
