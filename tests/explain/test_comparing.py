"""The same objects by two detectors, or by one under two settings."""

import contextlib
import copy

import numpy as np
import pytest
import torch

from mmlens import compare_boxes, explain_boxes
from mmlens.errors import MethodError, MmlensError, ModelError
from mmlens.explain import comparing


@pytest.fixture(scope='module')
def other(yolox):
    """The detector with a head that is a little other."""
    changed = copy.deepcopy(yolox)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for head in changed.model.bbox_head.multi_level_conv_cls:
            head.weight.add_(torch.randn(head.weight.shape, generator=generator) * 0.3)
    return changed


def test_both_sides_have_their_own_maps(yolox, other, picture):
    compared = compare_boxes(yolox, other, picture, method='gradcam', score_thr=0.4)
    assert compared.comparable and 'one scale' in compared.why and compared.notes[0] == compared.why
    order = [(all(pair.found), -pair.change) for pair in compared]
    assert order == sorted(order)
    both = [pair for pair in compared if all(pair.found)]
    assert both
    for detector, side in ((yolox, 'a'), (other, 'b')):
        plain = {box.index: box for box in explain_boxes(detector, picture, score_thr=0.0, method='gradcam')}
        for pair in both:
            box = getattr(pair, side)
            np.testing.assert_array_equal(box.raw, plain[box.index].raw)
    for pair in both:
        assert pair.scale == max(pair.a.raw.max(), pair.b.raw.max()) and pair.overlap >= 0.5
        assert max(pair.shown('a').max(), pair.shown('b').max()) == pytest.approx(1)


def test_the_candidate_stands_in_for_what_one_side_did_not_find(yolox, other, picture):
    compared = compare_boxes(yolox, other, picture, method='gradcam', score_thr=0.4)
    alone = [pair for pair in compared if not all(pair.found)]
    assert alone and compared.pairs[: len(alone)] == alone
    for pair in alone:
        detector, lost, there = (yolox, pair.a, pair.b) if pair.found[1] else (other, pair.b, pair.a)
        given = explain_boxes(detector, picture, method='gradcam', boxes=[there.box.tolist()], labels=[there.label])
        np.testing.assert_array_equal(lost.raw, given[0].raw)
        assert lost.score == given[0].score and pair.difference is not None


def test_without_candidates_there_is_one_map_only(yolox, other, picture, monkeypatch):
    plain = comparing.explain_boxes

    def knows_none(*given, **asked):
        if 'boxes' in asked:
            raise ModelError('no candidates')
        return plain(*given, **asked)

    monkeypatch.setattr(comparing, 'explain_boxes', knows_none)
    compared = compare_boxes(yolox, other, picture, method='gradcam', score_thr=0.4)
    alone = [pair for pair in compared if not all(pair.found)]
    assert alone and all(pair.difference is None and pair.change == 1 for pair in alone)
    assert all(pair.a is None or pair.b is None for pair in alone)


def test_a_detector_is_the_same_as_itself(yolox, picture):
    for pair in compare_boxes(yolox, yolox, picture, method='layercam', score_thr=0.4):
        assert pair.change == 0 and pair.overlap == pytest.approx(1) and not pair.difference.any()


def test_settings_of_different_units_are_not_put_on_one_scale(yolox, picture):
    compared = compare_boxes(yolox, None, picture, settings_b=dict(method='gradcam'), score_thr=0.4)
    assert len(compared) and not compared.comparable and 'scale of its own' in compared.why
    assert (compared.a.method, compared.b.method) == ('evidencecam', 'gradcam')
    for pair in compared:
        assert pair.scale == 0 and pair.shown('a').max() == pytest.approx(1)
    product = compare_boxes(yolox, yolox, picture, method='layercam', fusion='product', score_thr=0.4)
    assert not product.comparable and "'product'" in product.why
    assert 'evidencecam have no unit' in compare_boxes(yolox, yolox, picture, score_thr=0.4).why
    layers = compare_boxes(
        yolox, None, picture, method='layercam', settings_b=dict(layers=['backbone.stage2']), score_thr=0.4
    )
    assert not layers.comparable and layers.b.layers == ('backbone.stage2',)


def test_half_precision_is_another_setting(yolox, picture):
    compared = compare_boxes(yolox, None, picture, dtype_b='bfloat16', method='gradcam', score_thr=0.4)
    pairs = [pair for pair in compared if all(pair.found)]
    assert pairs and any(pair.a.score != pair.b.score for pair in pairs)
    with pytest.raises(MmlensError, match="Unknown `dtype_b` 'int8'"):
        compare_boxes(yolox, None, picture, dtype_b='int8')


def test_a_detector_that_cannot_run_in_half_precision_is_told(yolox, picture, monkeypatch):
    broken = copy.copy(yolox)

    def fails(prepared):
        raise RuntimeError('expected scalar type Float but found Half')

    monkeypatch.setattr(broken, 'predict', fails)
    monkeypatch.setattr(torch, 'autocast', lambda *args, **kwargs: contextlib.nullcontext())  # torch 2.1 has none here
    with pytest.raises(MethodError, match=r'does not run in float16 here \(expected scalar type'):
        compare_boxes(yolox, broken, picture, dtype_b='float16')


def test_a_device_without_half_precision_is_told(yolox, picture, monkeypatch):
    class Refused(contextlib.nullcontext):
        def __enter__(self):
            raise RuntimeError('AutocastCPU only supports Bfloat16')

    def autocast(device, dtype=None, plain=torch.autocast, **options):
        return Refused() if dtype is torch.float16 else plain(device, dtype, **options)

    monkeypatch.setattr(torch, 'autocast', autocast)
    with pytest.raises(MethodError, match=r'does not run in float16 here \(AutocastCPU only supports Bfloat16\)'):
        compare_boxes(yolox, yolox, picture, dtype_b='float16')


def test_nothing_found_and_classes_that_are_left_out(yolox, picture):
    nothing = compare_boxes(yolox, yolox, picture, score_thr=0.999)
    assert len(nothing) == 0 and nothing.notes == ['Neither side found anything that scores 0.999 or more.']
    names = {pair.class_name for pair in compare_boxes(yolox, yolox, picture, score_thr=0.0, method='gradcam')}
    one = sorted(names)[0]
    some = compare_boxes(yolox, yolox, picture, score_thr=0.0, method='gradcam', classes=[one])
    assert {pair.class_name for pair in some} == {one}
    with pytest.raises(MmlensError, match='leave out `topk`'):
        compare_boxes(yolox, yolox, picture, topk=1)
