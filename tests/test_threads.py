"""Explanations in several threads come out as they do one after the other, and leave nothing behind."""

import contextlib
import copy
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from mmlens import explain_boxes
from mmlens.models.detector import Detector
from mmlens.threads import ahead, taken_ahead

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


def test_what_is_done_ahead_comes_in_order_with_its_errors():
    def half(number):
        if number == 3:
            raise ValueError('odd')
        return number / 2

    found = [(n, future.exception() or future.result()) for n, future in ahead(half, range(5))]
    assert [(n, str(result)) for n, result in found] == [(0, '0.0'), (1, '0.5'), (2, '1.0'), (3, 'odd'), (4, '2.0')]


@pytest.mark.parametrize('most', [1, 3])
def test_few_items_are_asked_for_ahead_and_an_end_ends_the_thread(most):
    asked = []

    def items():
        for n in itertools.count():
            asked.append(n)
            yield n

    threads = threading.active_count()
    with contextlib.closing(taken_ahead(items(), most)) as taken:
        for n in taken:
            assert len(asked) <= n + 1 + most + 1
            if n == 10:
                break
    assert threading.active_count() == threads


def test_the_error_of_whoever_gives_the_items_comes_in_its_turn():
    def items():
        yield 1
        raise OSError('no more')

    taken = taken_ahead(items())
    assert next(taken) == 1
    with pytest.raises(OSError, match='no more'):
        next(taken)
