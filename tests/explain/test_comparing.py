"""The same objects by two detectors, or by one under two settings."""

import copy

import numpy as np
import pytest
import torch

from mmlens import compare_boxes, explain_boxes
from mmlens.errors import MethodError, MmlensError
from mmlens.explain.comparing import Found, change_between, match_sides
from mmlens.models.predictions import Predictions


@pytest.fixture(scope='module')
def other(yolox):
    """The detector with a head that is a little other."""
    changed = copy.deepcopy(yolox)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for head in changed.model.bbox_head.multi_level_conv_cls:
            head.weight.add_(torch.randn(head.weight.shape, generator=generator) * 0.3)
    return changed


def found(*detections):
    """Of ``(box, name, score)``."""
    boxes, names, scores = zip(*detections) if detections else ((), (), ())
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Found(Predictions(boxes, torch.tensor(scores), torch.zeros(len(scores), dtype=torch.int64)), names)


BOX, BESIDE = [0.0, 0, 10, 10], [50.0, 0, 60, 10]


def test_matches_by_hand():
    a = found((BOX, 'cup', 0.9), (BESIDE, 'cup', 0.6), (BOX, 'fork', 0.4), (BESIDE, 'knife', 0.2))
    b = found((BESIDE, 'fork', 0.8), ([0, 0, 10, 8], 'cup', 0.25), ([0, 0, 10, 4], 'fork', 0.7))
    # The cup is below the threshold in b alone; the fork of b lies elsewhere; the knife scores too little.
    expected = [(0, 1, None), (1, None, None), (2, None, None), (None, 0, None), (None, 2, None)]
    assert match_sides(a, b, 0.3) == expected
    assert match_sides(a, b, 0.85) == [(0, 1, None)]
    assert match_sides(found(), found(), 0.3) == []


def test_detections_are_matched_by_the_annotated_object_first():
    truth = [0.0, 0, 10, 12]
    a, b = found(([0, 0, 10, 8], 'cup', 0.9)), found(([0, 4, 10, 16], 'cup', 0.8))
    assert match_sides(a, b, 0.3) == [(0, None, None), (None, 0, None)]
    ((of_a, of_b, box),) = match_sides(a, b, 0.3, np.array([truth]), ['cup'])
    assert (of_a, of_b, box.tolist()) == (0, 0, truth)
    assert len(match_sides(a, b, 0.3, np.array([truth]), ['fork'])) == 2


def test_a_change_by_hand():
    one = np.array([[1.0, 1, 0, 0]])
    assert change_between(one, 3 * one) == 0
    assert change_between(one, np.array([[0, 0, 5.0, 0]])) == 1
    assert change_between(one, np.array([[0, 2.0, 2, 0]])) == 0.5
    assert (change_between(0 * one, one), change_between(0 * one, 0 * one)) == (1, 0)


def test_both_sides_have_their_own_maps(yolox, other, picture):
    compared = compare_boxes(yolox, other, picture, method='gradcam', score_thr=0.4)
    assert compared.comparable and 'one scale' in compared.why and compared.notes[0] == compared.why
    assert [pair.change for pair in compared] == sorted((pair.change for pair in compared), reverse=True)
    both = [pair for pair in compared if pair.a and pair.b]
    assert both
    for detector, side in ((yolox, 'a'), (other, 'b')):
        plain = {box.index: box for box in explain_boxes(detector, picture, score_thr=0.0, method='gradcam')}
        for pair in both:
            box = getattr(pair, side)
            np.testing.assert_array_equal(box.raw, plain[box.index].raw)
    for pair in both:
        assert pair.scale == max(pair.a.raw.max(), pair.b.raw.max()) and pair.overlap >= 0.5
        assert max(pair.shown('a').max(), pair.shown('b').max()) == pytest.approx(1)


def test_a_detector_is_the_same_as_itself(yolox, picture):
    for pair in compare_boxes(yolox, yolox, picture, method='layercam', score_thr=0.0):
        assert pair.change == 0 and pair.overlap == pytest.approx(1) and not pair.difference.any()


def test_settings_of_different_units_are_not_put_on_one_scale(yolox, picture):
    compared = compare_boxes(yolox, None, picture, settings_b=dict(method='gradcam'), score_thr=0.0)
    assert not compared.comparable and 'scale of its own' in compared.why
    assert (compared.a.method, compared.b.method) == ('evidencecam', 'gradcam')
    for pair in compared:
        assert pair.scale == 0 and pair.shown('a').max() == pytest.approx(1)
    product = compare_boxes(yolox, yolox, picture, method='layercam', fusion='product', score_thr=0.0)
    assert not product.comparable and "'product'" in product.why
    assert 'evidencecam have no unit' in compare_boxes(yolox, yolox, picture, score_thr=0.0).why
    layers = compare_boxes(
        yolox, None, picture, method='layercam', settings_b=dict(layers=['backbone.stage2']), score_thr=0.0
    )
    assert not layers.comparable and layers.b.layers == ('backbone.stage2',)


def test_half_precision_is_another_setting(yolox, picture):
    compared = compare_boxes(yolox, None, picture, dtype_b='bfloat16', method='gradcam', score_thr=0.4)
    pairs = [pair for pair in compared if pair.a and pair.b]
    assert pairs and any(pair.a.score != pair.b.score for pair in pairs)
    with pytest.raises(MmlensError, match="Unknown `dtype_b` 'int8'"):
        compare_boxes(yolox, None, picture, dtype_b='int8')


def test_a_detector_that_cannot_run_in_half_precision_is_told(yolox, picture, monkeypatch):
    broken = copy.copy(yolox)

    def fails(prepared):
        raise RuntimeError('expected scalar type Float but found Half')

    monkeypatch.setattr(broken, 'predict', fails)
    with pytest.raises(MethodError, match=r'does not run in float16 here \(expected scalar type'):
        compare_boxes(yolox, broken, picture, dtype_b='float16')


def test_nothing_found_and_classes_that_are_left_out(yolox, picture):
    nothing = compare_boxes(yolox, yolox, picture, score_thr=0.999)
    assert len(nothing) == 0 and nothing.notes == ['Neither side found anything that scores 0.999 or more.']
    names = {pair.class_name for pair in compare_boxes(yolox, yolox, picture, score_thr=0.0, method='gradcam')}
    one = sorted(names)[0]
    some = compare_boxes(yolox, yolox, picture, score_thr=0.0, method='gradcam', classes=[one])
    assert {pair.class_name for pair in some} == {one}
    with pytest.raises(MmlensError, match='leave out `topk`'):
        compare_boxes(yolox, yolox, picture, topk=1)
