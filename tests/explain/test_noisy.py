"""Noisy copies that go through the network together: the maps that they give one by one."""

import numpy as np
import pytest
import torch

from mmlens import explain_boxes, explain_classes, load_classifier
from mmlens.attribution.passes import runs as passes
from mmlens.attribution.passes.selection import Diverged, Selection
from mmlens.explain.noisy import NoisyCopies


@pytest.fixture
def batches(monkeypatch):
    """How many copies went together, and whether they could."""
    seen, original = [], NoisyCopies._at_once

    def watched(self, runs, inputs):
        found = original(self, runs, inputs)
        seen.append((len(inputs), found is not None))
        return found

    monkeypatch.setattr(NoisyCopies, '_at_once', watched)
    return seen


def one_by_one(monkeypatch, explain, *args, **options):
    with monkeypatch.context() as patch:
        patch.setattr(passes, '_MOST_INPUTS_ON_CPU', 1)
        return explain(*args, **options)


def assert_same(found, expected):
    # The powers of a product, eight in all, multiply what batches round differently.
    within = 1e-4 if expected.method == 'evidencecam' else 1e-5
    assert len(found) == len(expected) > 0 and found.notes == expected.notes
    for one, other in zip(found, expected):
        assert one.blank == other.blank
        np.testing.assert_allclose(one.normalised, other.normalised, atol=within)
        np.testing.assert_allclose(one.raw, other.raw, atol=within * max(float(other.raw.max()), 1e-12))
        if other.counter is not None is not None:
            np.testing.assert_allclose(one.counter, other.counter, atol=1e-4)  # of its own small maximum


OPTIONS = {
    'default': dict(method='evidencecam'),
    'signed': dict(method='gradcam', signed=True),
    'edges': dict(method='layercam', target='box'),
}


@pytest.mark.parametrize('family', ['yolox', 'faster_rcnn', 'yolov5'])
@pytest.mark.parametrize('name', OPTIONS)
def test_copies_together_give_what_they_give_one_by_one(family, name, picture, request, monkeypatch, batches):
    detector = request.getfixturevalue(family)
    options = dict(smooth_grad=5, score_thr=0.0, topk=3, **OPTIONS[name])
    monkeypatch.setattr(passes, '_MOST_INPUTS_ON_CPU', 4)
    together = explain_boxes(detector, picture, **options)
    again = any(box.blank for box in together)  # which tells why
    assert batches == [(3, True), (2, True)] and together.passes == 5 + again
    alone = one_by_one(monkeypatch, explain_boxes, detector, picture, **options)
    assert len(batches) == 2 and alone.passes == 5
    assert_same(together, alone)


@pytest.mark.parametrize('options', [{}, {'method': 'layercam', 'signed': True}, {'against': 'auto'}])
def test_classes_of_copies_together(options, picture, config_of, monkeypatch, batches):
    torch.manual_seed(0)
    classifier = load_classifier(config_of('classifier'), device='cpu')
    torch.nn.init.normal_(classifier.model.head.fc.weight)
    options = dict(smooth_grad=3, **options)
    together = explain_classes(classifier, picture, **options)
    assert batches == [(3, True)]
    assert_same(together, one_by_one(monkeypatch, explain_classes, classifier, picture, **options))


def test_contrasts_whose_batches_are_filled_up(yolox, picture, monkeypatch, batches):
    options = dict(smooth_grad=5, score_thr=0.3, topk=2, against='auto')
    monkeypatch.setattr(passes, '_MOST_INPUTS_ON_CPU', 4)
    together = explain_boxes(yolox, picture, **options)
    assert batches == [(3, True), (2, True)]
    assert_same(together, one_by_one(monkeypatch, explain_boxes, yolox, picture, **options))


def test_layers_that_mix_copies_are_looked_at_one_by_one(faster_rcnn, picture, monkeypatch, batches):
    options = dict(method='gradcam', layers=['roi_head.bbox_roi_extractor'], score_thr=0.0, topk=2, smooth_grad=3)

    def explained(*args, **how):
        try:
            return explain_boxes(*args, **how)
        except Exception as error:  # a layer whose outputs lie nowhere in the picture is refused
            return str(error)

    together, alone = (
        explained(faster_rcnn, picture, **options),
        one_by_one(monkeypatch, explained, faster_rcnn, picture, **options),
    )
    assert batches == [(3, False)]
    assert together == alone if isinstance(alone, str) else assert_same(together, alone) is None


def test_candidates_lost_in_a_batch_are_followed_one_by_one(yolox, picture, monkeypatch, batches):
    options = dict(method='gradcam', smooth_grad=4, score_thr=0.3, topk=2)
    expected = one_by_one(monkeypatch, explain_boxes, yolox, picture, **options)
    follow, lost = Selection.follow, []

    def losing(self, copies=1):
        if copies > 1:
            lost.append(copies)
            raise Diverged('as some do')
        return follow(self, copies)

    monkeypatch.setattr(Selection, 'follow', losing)
    found = explain_boxes(yolox, picture, **options)
    assert lost == [4] and batches == [(4, False)]
    assert_same(found, expected)


def test_candidates_lost_in_every_pass_are_found_by_overlap(yolox, picture, monkeypatch, batches):
    def losing(self, copies=1):
        raise Diverged('as some do')

    monkeypatch.setattr(Selection, 'follow', losing)
    options = dict(method='gradcam', smooth_grad=3, score_thr=0.3, topk=2, smooth_noise=0.01)
    found = explain_boxes(yolox, picture, **options)
    assert batches == [(3, False)] and len(found.notes) == 1 and 'were found again by their overlap' in found.notes[0]
    assert_same(found, one_by_one(monkeypatch, explain_boxes, yolox, picture, **options))


def test_why_a_map_is_blank_is_told_as_without_batches(yolox, picture, monkeypatch, batches):
    options = dict(method='gradcam', layers=['neck.out_convs[2]'], smooth_grad=3, score_thr=0.0, topk=6)
    together = explain_boxes(yolox, picture, **options)
    assert batches == [(3, True)]
    reasons = [box.blank for box in together]
    assert any(reasons) and not all(reasons)
    assert_same(together, one_by_one(monkeypatch, explain_boxes, yolox, picture, **options))


def test_an_end_comes_after_a_batch(yolox, picture, monkeypatch, batches):
    monkeypatch.setattr(passes, '_MOST_INPUTS_ON_CPU', 2)
    options, told = dict(score_thr=0.4, topk=1, method='gradcam'), []

    def progress(*now):
        told.append(now)
        return now[0] < 3

    found = explain_boxes(yolox, picture, smooth_grad=6, progress=progress, **options)
    assert told == [(2, 6), (4, 6)] and found.unfinished
    assert found.notes == ['Ended early: the maps are those of 4 of 6 noisy copies.']
    np.testing.assert_array_equal(found[0].raw, explain_boxes(yolox, picture, smooth_grad=4, **options)[0].raw)


def test_no_more_go_together_than_memory_allows(yolox, picture, monkeypatch, batches):
    monkeypatch.setattr(passes, 'MEMORY_ON_CPU_OF_INPUTS', 1)
    found = explain_boxes(yolox, picture, smooth_grad=2, score_thr=0.4, topk=1)
    assert not batches and found.passes == 2
