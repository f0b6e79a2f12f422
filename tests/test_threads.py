"""Explanations in several threads come out as they do one after the other, and leave nothing behind."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from mmlens import explain_boxes
from mmlens.models.detector import Detector

METHODS = {
    'evidencecam': None,
    'gradcam': None,
    'reciprocam': None,
    'scorecam': None,
    'drise': dict(num_masks=20),
    'given': None,  # boxes of one's own
}


def maps(detector, picture, method):
    if method == 'given':
        found = explain_boxes(detector, picture, boxes=[[10, 10, 60, 70]], labels=[0])
        return [box.raw for box in found]
    found = explain_boxes(detector, picture, method=method, score_thr=0.0, topk=2, method_options=METHODS[method])
    return [box.raw for box in found]


def state_of(detector):
    from mmcv.ops.nms import NMSop, SoftNMSop

    model = detector.model
    return (
        [name for name, _ in model.named_modules()],
        [parameter.requires_grad for parameter in model.parameters()],
        [len(module._forward_hooks) for module in model.modules()],
        ['forward' in vars(module) for module in model.modules()],
        'apply' in vars(NMSop),
        'apply' in vars(SoftNMSop),
        torch.get_rng_state().tolist(),
    )


@pytest.mark.parametrize('apart', [True, False], ids=['two models', 'one model'])
def test_threads_get_what_they_get_alone(yolox, faster_rcnn, picture, apart):
    one = yolox
    other = Detector(copy.deepcopy(faster_rcnn.model), faster_rcnn.cfg) if apart else yolox
    asked = [(detector, method) for method in METHODS for detector in (one, other)] * 2
    expected = {key: maps(*key[:1], picture, key[1]) for key in dict.fromkeys(asked)}
    before = [state_of(detector) for detector in (one, other)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda key: maps(key[0], picture, key[1]), asked))
    for key, found in zip(asked, results):
        assert len(found) == len(expected[key])
        for a, b in zip(found, expected[key]):
            np.testing.assert_array_equal(a, b)
    assert [state_of(detector) for detector in (one, other)] == before


def test_plain_inference_beside_is_what_it_always_is(yolox, faster_rcnn, picture):
    """Post-processing is steered through classes that all threads share; others' must not notice."""
    plain = Detector(copy.deepcopy(faster_rcnn.model), faster_rcnn.cfg)
    prepared = plain.prepare(picture)

    def infer(_):
        with torch.no_grad():
            return plain.predict(prepared)

    expected = infer(0)
    with ThreadPoolExecutor(2) as pool:
        explained = pool.submit(lambda: [maps(yolox, picture, method) for method in METHODS] and 'done')
        found = []
        while not explained.done() or len(found) < 3:
            found.append(infer(0))
        assert explained.result() == 'done'
    for each in found:
        assert torch.equal(each.boxes, expected.boxes) and torch.equal(each.scores, expected.scores)
