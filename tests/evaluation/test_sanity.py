"""The sanity of each box's map: the figure of `check_sanity` where the neck is drawn anew, box by box."""

import math

import numpy as np
import pytest
import torch

from mmlens import check_sanity
from mmlens.evaluation import baselines, class_baselines, read_row
from mmlens.evaluation.measuring import boxes_of, detect
from mmlens.evaluation.sanity import can_be_followed, sanity_of

ROW = 'layercam: layercam/neck'


@pytest.mark.parametrize(('name', 'threshold'), [('yolox', 0.5), ('faster_rcnn', 0.0)])
def test_the_figures_are_those_of_the_check_at_the_neck(request, name, threshold, picture):
    detector = request.getfixturevalue(name)
    found, _, _ = detect(detector, picture)
    boxes = boxes_of(detector, found, None, threshold, 3)
    rows = [read_row(ROW)]
    weights = {name: tensor.clone() for name, tensor in detector.model.state_dict().items()}
    figures = sanity_of(detector, rows, picture, boxes, threshold)['layercam']
    assert all(torch.equal(tensor, weights[name]) for name, tensor in detector.model.state_dict().items())
    check = check_sanity(
        detector, picture, methods=['layercam'], layers=['neck'], score_thr=threshold, topk=len(boxes), draws=1
    )
    expected = check.correlations[0, 0, list(check.parts).index('neck')]
    known = [value for value in figures if not math.isnan(value)]
    assert known == pytest.approx(expected.tolist(), abs=1e-4) and known and max(map(abs, known)) < 1


def test_rows_that_know_no_network_stay_and_others_are_left_out(yolox, picture):
    found, _, _ = detect(yolox, picture)
    boxes = boxes_of(yolox, found, None, 0.5, 1)
    rows = [read_row(text) for text in ('d: drise/num_masks=2', 'why: gradcam///auto')] + baselines(yolox)
    figures = sanity_of(yolox, rows, picture, boxes, 0.5)
    assert figures['random'] == figures['edges'] == figures['gaussian'] == [1.0]
    assert math.isnan(figures['d'][0]) and math.isnan(figures['why'][0])
    assert not math.isnan(figures['neck gradcam'][0])
    assert [can_be_followed(row, yolox) for row in rows] == [False] * 5 + [True] * 2


def test_a_box_that_the_pass_does_not_find_has_no_figure(yolox, picture):
    found, _, _ = detect(yolox, picture)
    (box,) = boxes_of(yolox, found, None, 0.5, 1)
    box.label = (box.label + 1) % 3
    assert math.isnan(sanity_of(yolox, [read_row(ROW)], picture, [box], 0.5)['layercam'][0])
    assert sanity_of(yolox, [read_row(ROW)], picture, [], 0.5) == {'layercam': []}


def test_boxes_in_another_order_keep_their_figures(yolox, picture):
    found, _, _ = detect(yolox, picture)
    boxes = boxes_of(yolox, found, None, 0.3, 4)
    rows = [read_row(ROW)]
    straight = sanity_of(yolox, rows, picture, boxes, 0.3)['layercam']
    turned = sanity_of(yolox, rows, picture, boxes[::-1], 0.3)['layercam']
    np.testing.assert_array_equal(turned, straight[::-1])


def test_classes_have_figures_too(classifier, picture):
    from mmlens.evaluation.classes import boxes_of_classes

    boxes = boxes_of_classes(classifier, classifier.prepare(picture), [2, 0])
    rows = [read_row('fine: layercam/backbone.layer2'), *class_baselines()]
    figures = sanity_of(classifier, rows, picture, boxes)
    assert figures['gaussian'] == [1.0, 1.0] and len(figures['plain gradcam']) == 2
    options = dict(methods=['layercam'], layers=['backbone.layer2'], classes=[2, 0])
    check = check_sanity(classifier, picture, draws=1, **options)
    expected = check.correlations[0, 0, list(check.parts).index('head')]
    assert figures['fine'] == pytest.approx(expected.tolist(), abs=1e-4) and not np.isnan(expected).any()
