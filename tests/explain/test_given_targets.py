"""Boxes that are given: a detection's own box leads to its candidate and its very map; others to what came closest."""

import copy

import numpy as np
import pytest
import torch

from mmlens import explain_boxes, load
from mmlens.errors import MethodError, MmlensError, PictureError

KINDS = ['yolox', 'yolov5', 'faster_rcnn', 'mask_rcnn', 'detr', 'dino']


@pytest.fixture
def detector(request):
    return request.getfixturevalue(request.param)


every_kind = pytest.mark.parametrize('detector', KINDS, indirect=True)


def found_and_given(detector, picture, most=3, **options):
    """The first detections with a part in the picture, and the same boxes as given ones."""
    height, width = picture.shape[:2]
    plain = explain_boxes(detector, picture, score_thr=0.0, method='eigencam')
    ranks = [
        box.index
        for box in plain
        if (box.box[2:] > 0).all() and box.box[0] < width and box.box[1] < height and (box.box[2:] > box.box[:2]).all()
    ][:most]
    found = explain_boxes(detector, picture, score_thr=0.0, instances=ranks, **options)
    assert len(found) >= 2
    given = explain_boxes(
        detector, picture, boxes=[box.box for box in found], labels=[box.label for box in found], **options
    )
    return found, given


def assert_same(found, given):
    assert len(given) == len(found)
    for one, other in zip(found, given):
        assert other.index == one.index and other.score == one.score and other.class_name == one.class_name
        np.testing.assert_array_equal(other.raw, one.raw)
        np.testing.assert_array_equal(other.box, one.box)
        np.testing.assert_allclose(other.candidate, one.box, atol=1e-3)
        assert other.overlap == pytest.approx(1, abs=1e-5) and other.rank >= 0
        assert one.candidate is one.overlap is one.rank is None


@pytest.mark.parametrize('method', ['evidencecam', 'gradcam'])
@every_kind
def test_a_detections_own_box_leads_to_the_same_candidate_and_map(detector, picture, method):
    assert_same(*found_and_given(detector, picture, method=method))


@pytest.mark.parametrize('target', ['box', 'both'])
@pytest.mark.parametrize('detector', ['yolox', 'faster_rcnn', 'detr'], indirect=True)
def test_other_targets(detector, picture, target):
    assert_same(*found_and_given(detector, picture, target=target))


@pytest.mark.parametrize('against', ['auto', 'fork'])
@pytest.mark.parametrize('detector', ['yolox', 'faster_rcnn', 'detr'], indirect=True)
def test_contrast(detector, picture, against):
    found, given = found_and_given(detector, picture, against=against)
    assert_same(found, given)
    assert [box.against for box in given] == [box.against for box in found]
    for one, other in zip(found, given):
        assert other.blank == one.blank
        if one.counter is not None:
            np.testing.assert_array_equal(other.counter, one.counter)


MANY = {
    'ablationcam': {'ratio_channels_to_ablate': 0.2},
    'scorecam': {'batch_size': 8},
    'drise': {'num_masks': 8},
    'precisionsearch': {'passes': 12, 'regions': 6},
    'integratedgradients': {'steps': 2},
}


@pytest.mark.parametrize('method', MANY)
@pytest.mark.parametrize('detector', ['yolox', 'faster_rcnn', 'detr'], indirect=True)
def test_methods_of_many_passes(detector, picture, method):
    from mmlens.attribution.methods import get_method

    known = get_method(method).complete(None)
    options = {name: value for name, value in MANY[method].items() if name in known}
    assert_same(*found_and_given(detector, picture, method=method, method_options=options))


def test_noise_follows_the_same_candidates(yolox, picture):
    found, given = found_and_given(yolox, picture, method='gradcam', smooth_grad=2)
    for one, other in zip(found, given):
        np.testing.assert_allclose(other.raw, one.raw, rtol=1e-4, atol=1e-6 * one.raw.max())


def test_soft_suppression_does_not_weaken_candidates(soft, picture):
    found = explain_boxes(soft, picture, score_thr=0.0)
    given = explain_boxes(soft, picture, boxes=[b.box for b in found], labels=[b.label for b in found])
    assert [box.index for box in given] == [box.index for box in found]
    weakened = [(one, other) for one, other in zip(found, given) if one.score < other.score]
    assert weakened and all(one.score <= other.score for one, other in zip(found, given))
    for one, other in weakened:
        np.testing.assert_allclose(other.normalised, one.normalised, atol=1e-4)


@pytest.fixture
def strict(yolox):
    """The tiny YOLOX with a threshold that nothing passes."""
    detector = copy.copy(yolox)
    detector.model = copy.deepcopy(yolox.model)
    detector.model.test_cfg = detector.model.bbox_head.test_cfg = copy.deepcopy(yolox.model.test_cfg)
    detector.model.test_cfg.score_thr = 0.9999
    return detector


def test_a_missed_object_has_the_map_that_it_had(strict, yolox, picture):
    found = explain_boxes(yolox, picture, score_thr=0.0, topk=5)
    missed = explain_boxes(strict, picture, boxes=[b.box for b in found], labels=[b.label for b in found])
    assert len(explain_boxes(strict, picture, score_thr=0.0)) == 0
    for one, other in zip(found, missed):
        assert other.index == -1 and other.score == one.score
        np.testing.assert_array_equal(other.raw, one.raw)


def test_a_class_that_the_candidate_would_not_be_given(yolox, picture):
    (found,) = explain_boxes(yolox, picture, score_thr=0.0, topk=1)
    labels = [0, 1, 2]
    given = explain_boxes(yolox, picture, boxes=[found.box] * 3, labels=labels)
    assert [box.label for box in given] == labels and [box.class_name for box in given] == ['cup', 'fork', 'knife']
    assert given[found.label].score == found.score == max(box.score for box in given)
    for box in given:
        np.testing.assert_allclose(box.candidate, found.box, atol=1e-3)
        assert (box.index == found.index) == (box.label == found.label)
    # One head gives each candidate one class only: others of the same candidate cannot be followed beside it.
    with pytest.raises(MethodError, match='cannot be followed in altered passes beside those of the other boxes'):
        explain_boxes(yolox, picture, boxes=[found.box] * 3, labels=labels, method='scorecam')
    other = (found.label + 1) % 3
    (alone,) = explain_boxes(yolox, picture, boxes=[found.box], labels=other, method='scorecam')
    assert alone.score == given[other].score


def test_a_box_where_nothing_lies(faster_rcnn, picture):
    model = copy.deepcopy(faster_rcnn.model)
    detector = copy.copy(faster_rcnn)
    detector.model = model
    for settings in (model.rpn_head.test_cfg, model.test_cfg.rpn):
        settings.max_per_img = 1
    (kept,) = explain_boxes(detector, picture, score_thr=0.0, topk=1)
    x1, y1 = kept.box[:2]
    corner = [0.0, 0.0, max(x1 / 2, 1), max(y1 / 2, 1)] if x1 > 2 and y1 > 2 else [120.0, 82.0, 127.0, 89.0]
    empty, full = explain_boxes(detector, picture, boxes=[corner, kept.box], labels=[0, kept.label])
    assert empty.blank == 'no candidate of the detector overlaps the given box' and not empty.raw.any()
    assert (empty.score, empty.index, empty.overlap, empty.candidate, empty.rank) == (0, -1, 0, None, None)
    np.testing.assert_array_equal(full.raw, kept.raw)


def test_saved_and_opened_again(yolox, picture, tmp_path):
    given = explain_boxes(yolox, picture, boxes=[[5, 5, 60, 60], [70, 20, 90, 88]], labels='cup', signed=True)
    assert [box.box.tolist() for box in given] == [[5, 5, 60, 60], [70, 20, 90, 88]]
    assert all(box.counter is not None for box in given)
    opened = load(given.save(tmp_path / 'given.npz'))
    assert opened == given
    assert type(opened[0].overlap) is float and type(opened[0].rank) is int
    assert given.draw().shape[2] == 3 and given.draw(layout='panels', signed=True).shape[2] == 3


def test_no_box_is_no_error(yolox, picture):
    given = explain_boxes(yolox, picture, boxes=[], labels=[])
    assert len(given) == 0 and given.notes == ['No box was given.']


def test_the_model_is_given_back_as_it_was(yolox, picture):
    before = {name: value.clone() for name, value in yolox.model.state_dict().items()}
    settings = copy.deepcopy(dict(yolox.model.test_cfg))
    explain_boxes(yolox, picture, boxes=[[5, 5, 60, 60]], labels=['cup'])
    assert dict(yolox.model.test_cfg) == settings
    assert all(torch.equal(value, before[name]) for name, value in yolox.model.state_dict().items())
    assert not any(module._forward_hooks or 'forward' in vars(module) for module in yolox.model.modules())


@pytest.mark.parametrize(
    ('options', 'kind', 'sentence'),
    [
        (dict(boxes=[[200, 0, 300, 50]], labels=['cup']), PictureError, 'lies outside the picture, which has 128 x 90'),
        (dict(boxes=[[5, 5, 4, 9]], labels=['cup']), MmlensError, 'has no area'),
        (dict(boxes=[[5, float('nan'), 9, 9]], labels=['cup']), MmlensError, 'must be finite numbers'),
        (dict(boxes=[[5, 5, 9, 9], [5, 5, 60, 60]], labels=['cup']), MmlensError, 'give each box its class'),
        (dict(boxes=[[5, 5, 9, 9]], labels=['spoon']), MmlensError, "knows no class 'spoon'"),
        (dict(boxes=[[5, 5, 9, 9]]), MmlensError, '`boxes` were given without `labels`'),
        (dict(labels=['cup']), MmlensError, '`labels` were given without `boxes`'),
        (dict(boxes=[[5, 5, 9, 9]], labels=['cup'], topk=2), MmlensError, '`topk` chooses among detections'),
        (dict(boxes=[[5, 5, 9, 9]], labels=['cup'], classes=['cup']), MmlensError, '`classes` chooses among'),
    ],
)
def test_bad_input(yolox, picture, options, kind, sentence):
    with pytest.raises(kind) as raised:
        explain_boxes(yolox, picture, **options)
    assert sentence in str(raised.value) and str(raised.value).endswith('.')
