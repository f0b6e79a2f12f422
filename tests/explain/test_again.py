"""The detections of a plain pass, explained."""

import numpy as np
import torch

from mmlens import explain_boxes
from mmlens.attribution.restore import evaluating
from mmlens.explain.again import Detection, explain_again


def plain(yolox, picture):
    with evaluating(yolox.model), torch.no_grad():
        found = yolox.predict(yolox.prepare(picture))
    return [Detection(n, int(label), box.numpy()) for n, (label, box) in enumerate(zip(found.labels, found.boxes))]


def test_each_detection_gets_its_own_map_in_the_order_asked_for(yolox, picture):
    detections = plain(yolox, picture)
    found, maps = explain_again(yolox, picture, [detections[3], detections[1]], method='gradcam')
    whole = explain_boxes(yolox, picture, score_thr=0.0, method='gradcam')
    assert len(found) == 2
    for box, rank in zip(maps, (3, 1)):
        np.testing.assert_array_equal(box.raw, whole[rank].raw)


def test_detections_are_found_by_class_and_place_where_the_order_is_another(yolox, picture):
    detections = plain(yolox, picture)
    swapped = [Detection(1, detections[2].label, detections[2].box), Detection(0, 0, detections[0].box + 400)]
    _, maps = explain_again(yolox, picture, swapped, method='gradcam')
    assert maps[0].index == 2 and maps[1] is None
