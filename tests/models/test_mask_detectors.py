"""Detectors that predict masks alone: their boxes are the masks' own."""

import numpy as np
import pytest
import torch


@pytest.fixture(scope='module')
def solo(config_of):
    from mmlens import load_detector

    config = config_of('solo')
    detector = load_detector(config, device='cpu')
    torch.manual_seed(0)
    for conv in detector.model.mask_head.conv_mask_list:
        torch.nn.init.normal_(conv.weight, std=1.0)
    return detector


def test_a_box_lies_tight_around_its_mask(solo, picture):
    from mmlens import explain_boxes

    found = explain_boxes(solo, picture, score_thr=0.0)
    assert len(found) == 4
    for box in found:
        rows, columns = np.nonzero(box.mask)
        assert box.box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.blank is None


def test_such_a_box_has_no_graph_and_its_map_says_so(solo, picture):
    from mmlens import explain_boxes

    (box,) = explain_boxes(solo, picture, score_thr=0.0, topk=1, target='box')
    assert 'not on the path' in box.blank
    assert not box.raw.any()
