"""Why objects were missed, on cases made so: at least 20 of each mechanism over three kinds of detectors."""

import copy

import cv2
import numpy as np
import pytest
import torch

from mmlens import explain_boxes
from mmlens.attribution.restore import evaluating
from mmlens.errors import MmlensError, PictureError
from mmlens.explain.misses import explain_miss, why_missed
from mmlens.explain.post_processing import settings_of

SIZE = (90, 128)
KINDS = ['yolox', 'faster_rcnn', 'detr']


def picture_of(seed):
    noise = np.random.default_rng(seed).integers(0, 255, (9, 13, 3), np.uint8)
    return cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def altered(detector, change, **settings):
    """A copy of a detector: ``change(model)``, and settings of its test config."""
    detector = copy.copy(detector)
    detector.model = copy.deepcopy(detector.model)
    with torch.no_grad():
        change(detector.model)
    for own in settings_of(detector.model):
        own.update({name: value for name, value in settings.items() if name in own})
    return detector


def nothing(model):
    pass


def is_object(box):
    height, width = SIZE
    x1, y1, x2, y2 = box
    return x1 < x2 - 4 and y1 < y2 - 4 and min(x2, width) - max(x1, 0) > 4 and min(y2, height) - max(y1, 0) > 4


def detections(detector, picture, most=6):
    """The best detections that can be objects: boxes, labels, scores."""
    found = [box for box in explain_boxes(detector, picture, score_thr=0.0, method='eigencam') if is_object(box.box)]
    found = found[:most]
    return [box.box for box in found], [box.label for box in found], [box.score for box in found]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param, request.getfixturevalue(request.param)


def named(misses, mechanism, kind=None, stage=None):
    """Check that all are named right, with sentences that read; how many there are."""
    for miss in misses:
        assert miss.mechanism == mechanism, miss
        assert kind is None or miss.kind in kind, miss
        assert stage is None or miss.stage == stage, miss
        assert miss.sentence.endswith('.') and miss.advice.endswith('.') and '{' not in miss.sentence + miss.advice
    return len(misses)


def stage_of(name):
    return 'RoI head' if name == 'faster_rcnn' else ''


def test_what_was_found(kind):
    name, detector = kind
    boxes, labels, scores = detections(detector, picture_of(0))
    misses = why_missed(detector, picture_of(0), boxes, labels, score_thr=0.0)
    assert named(misses, 'found') >= 2
    for miss, score in zip(misses, scores):
        assert miss.numbers['score'] == pytest.approx(score, rel=1e-4) and miss.numbers['overlap'] > 0.99


@pytest.mark.parametrize('seed', range(4))
def test_nothing_reaches_the_threshold(kind, seed):
    name, detector = kind
    boxes, labels, scores = detections(detector, picture_of(seed))
    misses = why_missed(detector, picture_of(seed), boxes, labels, score_thr=0.9999)
    assert named(misses, 'background', stage=stage_of(name)) >= 2
    for miss, score in zip(misses, scores):
        assert miss.numbers['score'] >= score * 0.999 and miss.numbers['threshold'] == 0.9999


def classifiers(model):
    """The last layers of a head's classes."""
    if hasattr(model, 'roi_head'):
        return [model.roi_head.bbox_head.fc_cls]
    head = model.bbox_head
    return list(head.multi_level_conv_cls) if hasattr(head, 'multi_level_conv_cls') else [head.fc_cls]


def rotate_classes(model):
    """Each class's score becomes that of the next; the background's stays."""
    for layer in classifiers(model):
        order = [2, 0, 1, *range(3, len(layer.weight))]
        layer.weight.copy_(layer.weight[order].clone())
        layer.bias.copy_(layer.bias[order].clone())


def test_another_class_wins(kind):
    name, detector = kind
    wrong, count = altered(detector, rotate_classes), 0
    for seed in range(7):
        picture = picture_of(seed)
        for box, label, score in zip(*detections(detector, picture)):
            (probe,) = why_missed(wrong, picture, [box], [label], score_thr=0.9999)
            own = probe.numbers['score']
            if own > 0.95 * score:
                continue  # another candidate there is of the class that this one had
            threshold = max(own * 1.01, score * 0.99)
            (miss,) = why_missed(wrong, picture, [box], [label], score_thr=threshold)
            count += named([miss], 'outvoted', stage=stage_of(name))
            assert miss.rival_label != label and miss.rival_name in miss.sentence
            assert miss.numbers['rival_score'] >= threshold > miss.numbers['score']
    assert count >= 7


def grow(model):
    """Boxes become several times as large, or for queries as small."""
    if hasattr(model, 'roi_head'):
        model.roi_head.bbox_head.fc_reg.bias.view(-1, 4)[:, 2:] += 20.0
    elif hasattr(model.bbox_head, 'multi_level_conv_reg'):
        for layer in model.bbox_head.multi_level_conv_reg:
            layer.bias[2:] += 2.0
    else:
        model.bbox_head.fc_reg.bias[2:] -= 6.0


def has_room(box):
    """Whether a box that grew is another one even where the picture ends: it is small enough."""
    return (box[2] - box[0]) * (box[3] - box[1]) < 0.3 * SIZE[0] * SIZE[1]


def test_a_candidates_box_goes_elsewhere(kind):
    name, detector = kind
    moved, count = altered(detector, grow), 0
    for seed in range(8):
        picture = picture_of(seed)
        boxes, labels, _ = detections(detector, picture)
        pairs = [(box, label) for box, label in zip(boxes, labels) if name == 'detr' or has_room(box)]
        if pairs:
            misses = why_missed(moved, picture, [b for b, _ in pairs], [n for _, n in pairs], score_thr=0.0)
            count += named(misses, 'regressed', stage=stage_of(name))
            assert all(miss.numbers['overlap'] < 0.5 for miss in misses)
    assert count >= 7


def between_cells(seed):
    """Boxes that lie between the points of all levels, which stand at multiples of 8."""
    random = np.random.default_rng(seed)
    corners = 8 * random.integers(0, (14, 10), (6, 2)) + 2
    return [[x, y, x + 5, y + 5] for x, y in corners.tolist()]


def test_nothing_lies_there_between_priors(yolox):
    count = 0
    for seed in range(4):
        boxes = between_cells(seed)
        misses = why_missed(yolox, picture_of(seed), boxes, 0, score_thr=0.0)
        count += named(misses, 'uncovered', ['priors'], '')
        assert all('the finest stride is 8' in miss.sentence for miss in misses)
    assert count >= 20


def proposals_of(detector, picture):
    """The proposals, in picture pixels, by running the network by hand."""
    prepared = detector.prepare(picture)
    with evaluating(detector.model), torch.no_grad():
        features = detector.model.extract_feat(prepared.batch['inputs'])
        (found,) = detector.model.rpn_head.predict(features, prepared.batch['data_samples'], rescale=False)
    return prepared.geometry.points_to_picture(found.bboxes.numpy().reshape(-1, 2)).reshape(-1, 4)


def test_nothing_lies_there_without_proposals(faster_rcnn):
    count = 0
    few = altered(faster_rcnn, nothing)
    few.model.rpn_head.test_cfg.max_per_img = 1
    for seed in range(8):
        picture = picture_of(seed)
        boxes, labels, _ = detections(faster_rcnn, picture)
        (only,) = proposals_of(few, picture)
        away = [(box, label) for box, label in zip(boxes, labels) if overlap(box, only) < 0.4]
        misses = why_missed(few, picture, [b for b, _ in away], [n for _, n in away], score_thr=0.0) if away else []
        lost = [miss for miss in misses if miss.numbers['overlap'] < 0.5]  # the RoI head may move it there
        count += named(lost, 'uncovered', ['proposals'], 'proposals')
        assert all('the best of 1 overlaps' in miss.sentence for miss in lost)
    assert count >= 20


def test_nothing_lies_there_without_queries(detr):
    count = 0
    corner = altered(detr, lambda model: model.bbox_head.fc_reg.bias.copy_(torch.tensor([-9.0, -9, -2, -2])))
    for seed in range(4):
        misses = why_missed(corner, picture_of(seed), [[70, 50, 100, 80], [100, 10, 120, 40]], 0, score_thr=0.0)
        count += named(misses, 'uncovered', ['boxes'], '')
    assert count >= 8


def suppressed(detector, picture):
    """Boxes that only a looser suppression leaves, all detections as objects, and a threshold that all pass."""
    boxes, labels, scores = detections(detector, picture, 99)
    loose = altered(detector, nothing)
    head = getattr(loose.model, 'roi_head', loose.model.bbox_head if hasattr(loose.model, 'bbox_head') else None)
    own = getattr(detector.model, 'roi_head', None) or detector.model.bbox_head
    within = own.test_cfg.nms.iou_threshold
    head.test_cfg = copy.deepcopy(head.test_cfg)
    head.test_cfg.nms.iou_threshold = 0.95
    head.test_cfg.max_per_img = 1000
    extra = []
    for box, label, score in zip(*detections(loose, picture, 99)):
        rivals = [n for n, (other, name) in enumerate(zip(boxes, labels)) if name == label and scores[n] > score]
        near = max((overlap(box, boxes[n]) for n in rivals), default=0)
        if score >= min(scores) and within + 0.02 < near < 0.95:
            extra.append((box, label))
    return boxes, labels, extra[:4], min(scores)


def overlap(one, other):
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = np.prod(np.clip(sides, 0, None))
    return shared / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared)


@pytest.mark.parametrize(('name', 'least'), [('yolox', 8), ('faster_rcnn', 4)])
def test_suppressed_by_a_neighbour(name, least, request):
    detector, count = request.getfixturevalue(name), 0
    for seed in range(3 if name == 'yolox' else 8):
        picture = picture_of(seed)
        boxes, labels, extra, threshold = suppressed(detector, picture)
        # Each suppressed object beside all that were found, whose detections are then not its own.
        for box, label in extra:
            *_, miss = why_missed(detector, picture, [*boxes, box], [*labels, label], score_thr=threshold)
            if miss.mechanism == 'found':  # by a detection of an object that another one found
                continue
            count += named([miss], 'suppressed', ['NMS'], stage_of(name))
            assert miss.rival is not None and miss.rival_label == label
            assert miss.numbers['rival_score'] >= miss.numbers['score']
    assert count >= least


@pytest.mark.parametrize('name', ['faster_rcnn', 'detr'])
def test_fallen_out_of_the_limit(name, request):
    detector, count = request.getfixturevalue(name), 0
    few = altered(detector, nothing)
    for settings in settings_of(few.model):
        if settings.get('max_per_img') == 6:
            settings['max_per_img'] = 1
    for seed in range(6):
        boxes, labels, scores = detections(detector, picture_of(seed))
        misses = why_missed(few, picture_of(seed), boxes[1:], labels[1:], score_thr=min(scores) / 2)
        lost = [miss for miss in misses if miss.mechanism != 'found']
        count += named(lost, 'suppressed', ['limit'], stage_of(name))
        assert all('out of the 1 detections' in miss.sentence and miss.rival is not None for miss in lost)
    assert count >= 10


def test_one_detection_for_two_objects(detr):
    detector = detr
    picture = picture_of(0)
    boxes, labels, scores = detections(detector, picture, 1)
    one = altered(detector, nothing)
    found, missed = why_missed(one, picture, [boxes[0], boxes[0]], labels * 2, score_thr=scores[0] * 0.999)
    named([found], 'found')
    if missed.mechanism == 'suppressed':
        assert missed.kind == 'shared' and missed.rival_label == labels[0]


def test_cut_off_by_the_pipeline(kind):
    name, detector = kind
    cropped = copy.copy(detector)
    cropped.cfg = copy.deepcopy(detector.cfg)
    steps = cropped.cfg.test_dataloader.dataset.pipeline
    steps.insert(2, dict(type='CenterCrop', crop_size=(96, 96)))
    from mmlens.models.inputs import PicturePipeline

    cropped.pipeline = PicturePipeline(cropped.cfg)
    # 16 pixels are cut off on either side.
    beside = [[0, y, 14, y + 20] for y in (0, 25, 50, 70)] + [[104, 5, 128, 60], [115, 30, 128, 50], [2, 2, 24, 80]]
    misses = why_missed(cropped, picture_of(0), beside, 0, score_thr=0.0)
    assert named(misses, 'filtered', ['crop']) == 7
    assert misses[0].numbers['cut'] == 100 and 60 < misses[-1].numbers['cut'] < 70
    (seen,) = why_missed(cropped, picture_of(0), [[20, 20, 60, 60]], 0, score_thr=0.0)
    assert seen.kind != 'crop'


def test_dropped_for_its_size(yolov5):
    strict = altered(yolov5, nothing)
    for settings in (strict.model.test_cfg, strict.model.bbox_head.test_cfg):
        settings['min_bbox_size'] = 1000
        settings['max_per_img'] = 100
    boxes, labels, _ = detections(altered(yolov5, nothing, max_per_img=100), picture_of(0), 12)
    misses = why_missed(strict, picture_of(0), boxes, labels, score_thr=0.0)
    assert named(misses, 'filtered', ['size']) >= 5
    assert 'has 1000 pixels or less' in misses[0].sentence


def test_the_map_that_belongs_to_each(yolox, picture):
    boxes, labels, scores = detections(yolox, picture, 1)
    (low,) = why_missed(yolox, picture, boxes, labels, score_thr=0.9999)
    assert low.question == ('score', (), True)
    found = explain_miss(yolox, picture, low)
    assert found[0].counter is not None and found[0].raw.any()
    wrong = altered(yolox, rotate_classes)
    (lost,) = why_missed(wrong, picture, boxes, labels, score_thr=scores[0] * 0.99)
    if lost.mechanism == 'outvoted':
        assert explain_miss(wrong, picture, lost)[0].against == lost.rival_name
    (moved,) = why_missed(altered(yolox, grow), picture, boxes, labels, score_thr=0.0)
    assert moved.question[0] == 'box' and explain_miss(yolox, picture, moved).target == 'box'


def test_the_suppressing_box_is_drawn_beside(yolox):
    picture = picture_of(0)
    boxes, labels, extra, threshold = suppressed(yolox, picture)
    box, label = extra[0]
    *_, miss = why_missed(yolox, picture, [*boxes, box], [*labels, label], score_thr=threshold)
    explained = explain_miss(yolox, picture, miss)
    assert len(explained) == 2
    np.testing.assert_allclose(explained[1].box, miss.rival)


def test_the_model_is_given_back_as_it_was(faster_rcnn, picture):
    settings = copy.deepcopy([dict(each) for each in settings_of(faster_rcnn.model)])
    why_missed(faster_rcnn, picture, [[5, 5, 60, 60]], ['cup'])
    assert [dict(each) for each in settings_of(faster_rcnn.model)] == settings
    assert 'predict' not in vars(faster_rcnn.model.rpn_head)
    assert all(not module._forward_hooks for module in faster_rcnn.model.modules())


@pytest.mark.parametrize(
    ('boxes', 'labels', 'options', 'kind', 'sentence'),
    [
        ([[200, 0, 300, 50]], 'cup', {}, PictureError, 'lies outside the picture'),
        ([[5, 5, 4, 9]], 'cup', {}, MmlensError, 'has no area'),
        ([[5, 5, 9, 9]], 'spoon', {}, MmlensError, "knows no class 'spoon'"),
        ([[5, float('nan'), 9, 9]], 'cup', {}, MmlensError, 'its edges must be finite numbers'),
        ([[5, 5, 9]], 'cup', {}, MmlensError, 'each of four numbers'),
        ([[5, 5, 9, 9]], 7, {}, MmlensError, "knows no class '7'"),
        ([[5, 5, 9, 9]], None, {}, MmlensError, '`boxes` need `labels`'),
        ([[5, 5, 9, 9], [1, 1, 9, 9]], ['cup'], {}, MmlensError, 'give each box its class'),
        ([[5, 5, 9, 9]], ['cup', 'cup'], {}, MmlensError, 'give each box its class'),
        ([[5, 5, 9, 9]], 'cup', dict(iou_thr=0), MmlensError, '`iou_thr` must be above 0'),
    ],
)
def test_bad_input(yolox, picture, boxes, labels, options, kind, sentence):
    with pytest.raises(kind, match=sentence):
        why_missed(yolox, picture, boxes, labels, **options)
