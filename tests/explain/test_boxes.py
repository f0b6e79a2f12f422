"""The front door on small real detectors: each box's map against slow references, and selections, errors, frames."""

import copy
import tracemalloc

import cv2
import numpy as np
import pytest
import torch

from mmlens import explain_boxes, feature_maps, load_detector
from mmlens.attribution.fusion import LevelMap, add_levels
from mmlens.errors import LayerError, MethodError, MmlensError, PictureError

THRESHOLD = 0.14


# A slow and obvious re-implementation: the parts of the detector called one by one, no tap, no live graph.


def yolox_scores(model, levels):
    """Every cell's score of every class, (N, classes), from the neck's outputs."""
    classes, _, objectness = model.bbox_head(levels)
    flat = [one[0].flatten(1).T for one in classes], [one[0].flatten(1).T for one in objectness]
    return torch.cat(flat[0]).sigmoid() * torch.cat(flat[1]).sigmoid()


def yolox_boxes(model, levels):
    """Every cell's box in the input, (N, 4)."""
    _, edges, _ = model.bbox_head(levels)
    boxes = []
    for one, stride in zip(edges, (8, 16, 32)):
        height, width = one.shape[-2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
        at = torch.stack([x.flatten(), y.flatten()], 1).to(one) * stride
        offset = one[0].flatten(1).T
        centre, size = at + offset[:, :2] * stride, offset[:, 2:].exp() * stride
        boxes.append(torch.cat([centre - size / 2, centre + size / 2], 1))
    return torch.cat(boxes)


def neck_of(detector, picture, dtype=torch.float32):
    """The model, in a copy, and what its neck returns."""
    model = copy.deepcopy(detector.model).to(dtype)
    prepared = detector.prepare(picture)
    with torch.no_grad():
        levels = model.neck(model.backbone(prepared.batch['inputs'].to(dtype)))
    return model, prepared, [level.detach().requires_grad_() for level in levels]


def cell_of(scores, box):
    """Which row of the head's output a detection came from, told by its class and score."""
    return int((scores[:, box.label] - box.score).abs().argmin())


def reference_map(prepared, levels, scalar):
    """Gradient times activation, summed over channels, what is negative left out, added over levels."""
    gradients = torch.autograd.grad(scalar, levels, retain_graph=True, allow_unused=True)
    maps = [
        (gradient * level).sum(1)[0].clamp_min(0) for gradient, level in zip(gradients, levels) if gradient is not None
    ]
    fused = add_levels([LevelMap.of('neck', one.detach()) for one in maps], prepared.input_size)
    return prepared.geometry.map_to_picture(fused.numpy())


def assert_same_map(found, expected):
    scale = max(expected.max(), 1e-9)
    np.testing.assert_allclose(found / scale, expected / scale, atol=2e-3)


def test_each_map_is_the_gradient_of_its_own_boxs_score(yolox, picture):
    explanation = explain_boxes(yolox, picture, method='gradcam', score_thr=THRESHOLD)
    assert len(explanation) >= 6 and len({box.label for box in explanation}) == 3
    model, prepared, levels = neck_of(yolox, picture)
    scores = yolox_scores(model, levels)
    for box in explanation:
        cell = cell_of(scores, box)
        torch.testing.assert_close(scores[cell, box.label].item(), box.score, atol=1e-5, rtol=0)
        logit = torch.logit(scores[cell, box.label])
        assert_same_map(box.raw, reference_map(prepared, levels, logit))
    others = [box.normalised for box in explanation if box.blank is None]
    assert all(np.abs(a - b).max() > 0.01 for i, a in enumerate(others) for b in others[:i])


def test_position_maps_are_the_gradient_of_the_boxs_own_edges(yolox, picture):
    by_edges = explain_boxes(yolox, picture, method='gradcam', target='box', score_thr=THRESHOLD)
    both = explain_boxes(yolox, picture, method='gradcam', target='both', score_thr=THRESHOLD)
    model, prepared, levels = neck_of(yolox, picture)
    scores, boxes = yolox_scores(model, levels), yolox_boxes(model, levels)
    compared = 0
    for one, other in zip(by_edges, both):
        cell = cell_of(scores, one)
        x1, y1, x2, y2 = boxes[cell]
        reach = (x2 - x1) / (x2 - x1).detach() + (y2 - y1) / (y2 - y1).detach()
        assert_same_map(one.raw, reference_map(prepared, levels, reach))
        assert_same_map(other.raw, reference_map(prepared, levels, reach + torch.logit(scores[cell, one.label])))
        compared += one.blank is None
    assert compared >= 3
    assert (by_edges.target, both.target) == ('box', 'both')


def test_the_gradient_is_what_happens_when_a_cell_changes(yolox, picture):
    """Finite differences in float64: change one number of the neck's output, run the whole detector, see the score."""
    model, prepared, levels = neck_of(yolox, picture, torch.float64)
    model.data_preprocessor = None
    boxes = explain_boxes(yolox, picture, score_thr=THRESHOLD).boxes[:6]
    scores = yolox_scores(model, levels)
    generator = np.random.default_rng(0)
    step = 1e-5
    checked = 0
    for box in boxes:
        logit = torch.logit(scores[cell_of(scores, box), box.label])
        gradients = torch.autograd.grad(logit, levels, retain_graph=True, allow_unused=True)
        own, gradient = max(
            ((i, g) for i, g in enumerate(gradients) if g is not None), key=lambda pair: float(pair[1].abs().max())
        )
        strongest = (gradient * levels[own]).abs().flatten().topk(3).indices.tolist()
        for index in [*strongest, *generator.integers(0, gradient.numel(), 2)]:
            told = []
            for sign in (1, -1):
                changed = [level.detach().clone() for level in levels]
                changed[own].view(-1)[index] += sign * step
                told.append(whole_detectors_logit(model, prepared, changed, box))
            slope = (told[0] - told[1]) / (2 * step)
            np.testing.assert_allclose(slope, float(gradient.view(-1)[index]), rtol=1e-4, atol=1e-6)
            checked += abs(slope) > 1e-6
    assert checked >= 10


def whole_detectors_logit(model, prepared, levels, box):
    """Logit of the same detection, by the detector's own prediction from changed outputs of the neck."""
    with torch.no_grad():
        samples = copy.deepcopy(prepared.batch['data_samples'])
        found = model.bbox_head.predict(tuple(levels), samples, rescale=True)[0]
    same = (found.labels == box.label).nonzero()[:, 0]
    distance = (found.bboxes[same] - torch.as_tensor(box.box, dtype=torch.float64)).abs().amax(1)
    assert distance.min() < 1e-2
    return float(torch.logit(found.scores[same[distance.argmin()]]))


def test_a_two_stage_boxs_map_is_the_gradient_of_its_own_class_score(faster_rcnn, picture):
    explanation = explain_boxes(faster_rcnn, picture, method='gradcam', score_thr=THRESHOLD)
    assert len(explanation) >= 4
    model, prepared, levels = neck_of(faster_rcnn, picture)
    samples = copy.deepcopy(prepared.batch['data_samples'])
    with torch.no_grad():
        proposals = model.rpn_head.predict(tuple(levels), samples, rescale=False)[0].bboxes
    regions = torch.cat([torch.zeros(len(proposals), 1), proposals], 1)
    scores = model.roi_head._bbox_forward(tuple(levels), regions)['cls_score'].softmax(1)
    for box in explanation:
        score = scores[cell_of(scores, box), box.label]
        torch.testing.assert_close(score.item(), box.score, atol=1e-5, rtol=0)
        assert_same_map(box.raw, reference_map(prepared, levels, torch.logit(score)))


def test_a_map_explains_its_box_alone_and_not_its_neighbour(yolox, picture):
    """One box asked for, or all: the same map, number by number."""
    every = explain_boxes(yolox, picture, score_thr=THRESHOLD)
    for box in every.boxes[:4]:
        (alone,) = explain_boxes(yolox, picture, score_thr=THRESHOLD, instances=[box.index]).boxes
        np.testing.assert_allclose(alone.raw, box.raw, rtol=1e-5, atol=1e-9)
        assert alone.index == box.index


# Frames and values


@pytest.mark.parametrize('family', ['yolox', 'faster_rcnn', 'yolov5'])
@pytest.mark.parametrize('size', [(90, 128), (128, 70), (33, 47)])
def test_maps_lie_on_the_pictures_grid(family, size, picture, request):
    picture = cv2.resize(picture, size[::-1])
    explanation = explain_boxes(request.getfixturevalue(family), picture, score_thr=0.0, topk=4)
    assert len(explanation)
    np.testing.assert_array_equal(explanation.picture, picture)
    for box in explanation:
        assert box.raw.shape == box.normalised.shape == size
        assert box.raw.dtype == box.normalised.dtype == box.box.dtype == np.float32
        assert np.isfinite(box.raw).all() and box.raw.min() >= 0
        assert box.normalised.min() >= 0
        assert box.normalised.max() == (0 if box.blank else 1)
        assert 0 <= box.score <= 1
        assert box.class_name == (str(box.label) if family == 'yolov5' else ['cup', 'fork', 'knife'][box.label])
    assert any(box.blank is None for box in explanation)


def test_an_explanation_says_what_it_was_made_with(yolox, picture):
    explanation = explain_boxes(yolox, picture, method='LayerCAM', layers=['neck', 'backbone.stage4'])
    assert explanation.layers == ('neck', 'backbone.stage4')
    assert (explanation.method, explanation.target) == ('layercam', 'score')
    assert explanation.versions['torch'] == torch.__version__.split('+')[0] or 'torch' in explanation.versions


def test_the_map_moves_with_the_picture(yolox, picture):
    """Mirrored by the test pipeline or not at all: a map lies on the same side as its own box."""
    model = copy.copy(yolox.model)
    model.cfg = copy.deepcopy(model.cfg)
    model.cfg.test_dataloader.dataset.pipeline.insert(2, dict(type='RandomFlip', prob=1.0))
    mirrored = explain_boxes(model, picture, score_thr=THRESHOLD)
    plain = explain_boxes(yolox, np.ascontiguousarray(picture[:, ::-1]), score_thr=THRESHOLD)
    assert len(mirrored) == len(plain) >= 6
    for ours, theirs in zip(mirrored, plain):
        assert ours.score == theirs.score
        np.testing.assert_allclose(ours.box[[0, 2]], 128 - theirs.box[[2, 0]], atol=1e-3)
        np.testing.assert_allclose(ours.normalised, theirs.normalised[:, ::-1], atol=0.04)


def test_norm_in_bbox_is_zero_outside_and_full_within(yolox, picture):
    for box in explain_boxes(yolox, picture, score_thr=THRESHOLD, norm_in_bbox=True):
        inside = np.zeros(picture.shape[:2], bool)
        x1, y1 = np.floor(box.box[:2]).clip(0).astype(int)
        x2, y2 = np.ceil(box.box[2:]).clip(0).astype(int)
        inside[y1:y2, x1:x2] = True
        assert not box.normalised[~inside].any()
        assert box.normalised.max() == (0 if box.blank else 1)


def test_max_shape_makes_maps_coarser(yolox, picture):
    fine = explain_boxes(yolox, picture, score_thr=THRESHOLD)[0]
    as_it_is = explain_boxes(yolox, picture, score_thr=THRESHOLD, max_shape=(-1, -1))[0]
    coarse = explain_boxes(yolox, picture, score_thr=THRESHOLD, max_shape=(2, 2))[0]
    np.testing.assert_array_equal(fine.raw, as_it_is.raw)
    assert np.abs(np.diff(coarse.raw)).max() < np.abs(np.diff(fine.raw)).max()


def test_layers_add_up(yolox, picture):
    """Two layers tapped at once: the second begins at the first, so gradients reach both."""
    options = dict(method='gradcam', score_thr=THRESHOLD)
    one, two = (explain_boxes(yolox, picture, layers=[name], **options) for name in ('neck', 'backbone'))
    both = explain_boxes(yolox, picture, layers=['neck', 'backbone'], **options)
    for a, b, sum_ in zip(one, two, both):
        np.testing.assert_allclose(sum_.raw, a.raw + b.raw, rtol=1e-3, atol=1e-5 * float(sum_.raw.max() or 1))


@pytest.mark.parametrize('method', ['gradcam', 'reciprocam'])
def test_a_layer_named_twice_counts_once(yolox, picture, method):
    names = ['neck.out_convs[-1]', 'neck.out_convs.2']
    once = explain_boxes(yolox, picture, score_thr=THRESHOLD, layers=names[:1], method=method)
    twice = explain_boxes(yolox, picture, score_thr=THRESHOLD, layers=names, method=method)
    assert twice.layers == ('neck.out_convs[-1]',)
    for a, b in zip(once, twice):
        np.testing.assert_array_equal(a.raw, b.raw)


def test_memory_that_one_pass_exceeds_is_said(yolox, picture):
    options = dict(method='ablationcam', method_options=dict(memory=0.001, ratio_channels_to_ablate=0.1))
    found = explain_boxes(yolox, picture, score_thr=THRESHOLD, **options)
    assert [note for note in found.notes if 'MB, more than the 0.001 MB allowed' in note]


def saturated(detector):
    """A copy of a detector whose classes are all certain."""
    detector = copy.copy(detector)
    detector.model = copy.deepcopy(detector.model)
    with torch.no_grad():
        for layer in [*detector.model.bbox_head.multi_level_conv_cls, *detector.model.bbox_head.multi_level_conv_obj]:
            layer.bias += 60
    return detector


@pytest.mark.parametrize('method', ['ablationcam', 'reciprocam'])
def test_a_saturated_score_is_told(yolox, picture, method):
    options = dict(method=method, score_thr=0.9, topk=1)
    (plain,) = explain_boxes(saturated(yolox), picture, **{**options, 'method': 'gradcam'})
    (found,) = explain_boxes(saturated(yolox), picture, **options)
    assert 'the target is saturated' in plain.blank
    assert 'no gradient arrives there: the target is saturated, or cut off from the layer' in found.blank


# Detections


@pytest.mark.parametrize('family', ['yolox', 'faster_rcnn'])
def test_detections_are_those_of_plain_inference(family, picture, request):
    from mmdet.apis import inference_detector
    from mmengine.registry import DefaultScope

    detector = request.getfixturevalue(family)
    model = copy.copy(detector.model)
    model.cfg = copy.deepcopy(model.cfg)
    with DefaultScope.overwrite_default_scope('mmdet'):
        plain = inference_detector(model, picture).pred_instances
    plain = plain[plain.scores.argsort(descending=True)]
    explanation = explain_boxes(detector, picture, score_thr=0.0, method='gradcam')
    seen = feature_maps(detector, picture, layers=['neck'], score_thr=0.0).detections
    for boxes, scores, labels in (
        ([b.box for b in explanation], [b.score for b in explanation], [b.label for b in explanation]),
        (seen.boxes, seen.scores, seen.labels),
    ):
        np.testing.assert_allclose(boxes, plain.bboxes.numpy(), atol=1e-4)
        np.testing.assert_allclose(scores, plain.scores.numpy(), atol=1e-6)
        np.testing.assert_array_equal(labels, plain.labels.numpy())


@pytest.fixture(scope='module')
def everything(yolox, picture):
    return explain_boxes(yolox, picture, score_thr=THRESHOLD)


def ranks(explanation):
    return [box.index for box in explanation]


def test_thresholds_classes_instances_and_the_best_are_selected(yolox, picture, everything):
    middle = everything[3].score
    assert ranks(everything) == list(range(len(everything)))
    assert ranks(explain_boxes(yolox, picture, score_thr=middle)) == [0, 1, 2, 3]
    cups = [box.index for box in everything if box.class_name == 'cup']
    assert ranks(explain_boxes(yolox, picture, score_thr=THRESHOLD, classes=['cup'])) == cups
    assert ranks(explain_boxes(yolox, picture, score_thr=THRESHOLD, classes='cup')) == cups
    assert ranks(explain_boxes(yolox, picture, score_thr=THRESHOLD, classes=[0])) == cups
    assert ranks(explain_boxes(yolox, picture, score_thr=THRESHOLD, classes=['0'], topk=1)) == cups[:1]
    assert ranks(explain_boxes(yolox, picture, score_thr=THRESHOLD, classes=['fork', 2])) == [
        box.index for box in everything if box.label != 0
    ]
    assert ranks(explain_boxes(yolox, picture, score_thr=THRESHOLD, topk=2)) == [0, 1]
    assert ranks(explain_boxes(yolox, picture, score_thr=THRESHOLD, topk=99)) == ranks(everything)
    assert ranks(explain_boxes(yolox, picture, score_thr=THRESHOLD, instances=[4, 1])) == [1, 4]


def test_instances_are_counted_before_classes_are_chosen(yolox, picture, everything):
    rank = next(box.index for box in everything if box.label != everything[0].label)
    name = everything[rank].class_name
    assert ranks(explain_boxes(yolox, picture, score_thr=THRESHOLD, classes=[name], instances=[0, rank])) == [rank]


def test_nothing_selected_is_said_and_is_no_error(yolox, picture, everything, tmp_path):
    other = explain_boxes(yolox, picture, score_thr=THRESHOLD, classes=[(everything[0].label + 1) % 3], instances=[0])
    for nothing in (
        other,
        explain_boxes(yolox, picture, score_thr=1.1),
        explain_boxes(yolox, picture, score_thr=1.1, instances=[3]),
    ):
        assert len(nothing) == 0 and 'No detection was selected' in nothing.notes[0]
        assert nothing.draw().shape[2] == nothing.draw('panels').shape[2] == 3
        assert nothing.save(tmp_path / 'none.npz').is_file()


def test_a_picture_without_a_single_box_is_explained(yolox, picture):
    detector = load_detector(yolox.model.cfg, device='cpu', cfg_options={'model.test_cfg.score_thr': 0.9999})
    found = explain_boxes(detector, picture, score_thr=0.0)
    assert len(found) == 0
    # Not for its score alone: detectors that are not trained yet make boxes without an area.
    assert found.notes == [
        'The detector found nothing: its own test_cfg filtered out every box, by score or by size; lower its '
        'thresholds with `cfg_options`.'
    ]
    assert feature_maps(detector, picture).detections.boxes.shape == (0, 4)


# Models and pictures


def test_a_config_a_file_a_model_and_a_detector_are_the_same(yolox, picture, tmp_path, everything):
    yolox.model.cfg.dump(str(tmp_path / 'tiny.py'))
    torch.save({'state_dict': yolox.model.state_dict()}, str(tmp_path / 'tiny.pth'))
    cv2.imwrite(str(tmp_path / 'picture.png'), picture)
    options = dict(checkpoint=tmp_path / 'tiny.pth', device='cpu', score_thr=THRESHOLD, topk=2)
    for model, seen, more in [
        (str(tmp_path / 'tiny.py'), str(tmp_path / 'picture.png'), options),
        (tmp_path / 'tiny.py', tmp_path / 'picture.png', options),
        (yolox.model.cfg, picture, options),
        (yolox.model, picture, dict(score_thr=THRESHOLD, topk=2)),
        (yolox, tmp_path / 'picture.png', dict(score_thr=THRESHOLD, topk=2)),
    ]:
        explanation = explain_boxes(model, seen, **more)
        for found, expected in zip(explanation, everything.boxes[:2]):
            np.testing.assert_allclose(found.raw, expected.raw, rtol=1e-5, atol=1e-9)


def test_a_model_of_init_detector_is_accepted_as_it_is(yolox, picture, everything, tmp_path):
    """Also after mmdet has run on an array, which leaves its mark in the model's config."""
    from mmdet.apis import inference_detector, init_detector
    from mmengine.registry import DefaultScope

    torch.save({'state_dict': yolox.model.state_dict(), 'meta': {'CLASSES': ['a', 'b', 'c']}}, str(tmp_path / 'a.pth'))
    cv2.imwrite(str(tmp_path / 'picture.png'), picture)
    config = copy.deepcopy(yolox.model.cfg)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = init_detector(config, str(tmp_path / 'a.pth'), palette='random', device='cpu')
        before = inference_detector(model, picture).pred_instances
        explanations = [explain_boxes(model, seen, score_thr=THRESHOLD) for seen in (picture, tmp_path / 'picture.png')]
        after = inference_detector(model, picture).pred_instances
    for explanation in explanations:
        assert [box.class_name for box in explanation] == [['a', 'b', 'c'][box.label] for box in everything]
        np.testing.assert_allclose(explanation[0].raw, everything[0].raw, rtol=1e-5, atol=1e-9)
    assert torch.equal(before.scores, after.scores) and torch.equal(before.bboxes, after.bboxes)


def test_what_goes_with_a_config_does_not_go_with_a_model(yolox, picture):
    for option in (dict(checkpoint='a.pth'), dict(device='cpu'), dict(cfg_options={'a': 1}), dict(resize_only=True)):
        with pytest.raises(MmlensError, match='go with a config, not with a loaded model'):
            explain_boxes(yolox, picture, **option)


def test_resize_only_sees_a_stretched_picture(yolox, picture):
    stretched = load_detector(yolox.model.cfg, device='cpu', resize_only=True)
    stretched.model.load_state_dict(yolox.model.state_dict())
    explanation = explain_boxes(stretched, picture, score_thr=THRESHOLD)
    by_hand = explain_boxes(yolox, cv2.resize(picture, (128, 128)), score_thr=THRESHOLD)
    assert len(explanation) == len(by_hand)
    np.testing.assert_allclose(explanation[0].box, by_hand[0].box * [1, 90 / 128, 1, 90 / 128], atol=1e-3)
    laid = cv2.resize(by_hand[0].raw, (128, 90), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(explanation[0].raw, laid, atol=0.05 * laid.max())


@pytest.mark.parametrize('context', [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_grad_mode_does_not_matter(context, yolox, faster_rcnn, picture, everything):
    with context():
        mode = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        again = explain_boxes(yolox, picture, score_thr=THRESHOLD)
        assert explain_boxes(faster_rcnn, picture)[0].blank is None
        feature_maps(yolox, picture)
        assert mode == (torch.is_grad_enabled(), torch.is_inference_mode_enabled())
    for box, expected in zip(again, everything):
        np.testing.assert_allclose(box.raw, expected.raw, rtol=1e-5, atol=1e-9)


def test_a_model_in_training_is_explained_as_it_predicts(yolox, picture, everything):
    yolox.model.train()
    try:
        explanation = explain_boxes(yolox, picture, score_thr=THRESHOLD)
        assert all(module.training for module in yolox.model.modules())
    finally:
        yolox.model.eval()
    np.testing.assert_allclose(explanation[0].raw, everything[0].raw, rtol=1e-5, atol=1e-9)


# Blank maps


def test_a_map_without_path_to_the_box_says_so(yolox, picture):
    explanation = explain_boxes(yolox, picture, score_thr=THRESHOLD, layers=['bbox_head.multi_level_conv_reg[0]'])
    assert explanation.boxes and all(not box.raw.any() for box in explanation)
    for box, note in zip(explanation, explanation.notes):
        assert box.blank.startswith('no gradient reaches') or 'is not on the path to this target' in box.blank
        assert box.blank in note and f'{box.class_name} {box.score:.2f}' in note


def test_evidence_in_the_padding_alone_is_said(yolox, picture):
    """The detector draws boxes wholly below the picture, in the padding."""
    explanation = explain_boxes(yolox, picture[:40], method='gradcam', score_thr=0.02)
    below = [box for box in explanation if not box.normalised.any()]
    assert below
    for box in below:
        assert 'outside the picture, in the padding' in box.blank and box.box[3] > 40


def test_evidence_outside_a_box_is_said_where_only_the_box_is_shown(yolox, picture):
    plain = explain_boxes(yolox, picture[:40], method='gradcam', score_thr=0.02)
    within = explain_boxes(yolox, picture[:40], method='gradcam', score_thr=0.02, norm_in_bbox=True)
    lost = [box for one, box in zip(plain, within) if one.normalised.any() and not box.normalised.any()]
    assert lost and all('lies outside the box; leave out `norm_in_bbox`' in box.blank for box in lost)


def test_methods_without_gradients_say_so_once(yolox, picture):
    explanation = explain_boxes(yolox, picture, score_thr=THRESHOLD, method='EigenCAM')
    assert len(explanation) > 2
    assert len([note for note in explanation.notes if 'same for every box' in note]) == 1


# Bad input: one sentence each


@pytest.mark.parametrize(
    'options, error, sentence',
    [
        (dict(layers=['nekc']), LayerError, "No layer 'nekc': did you mean 'neck'"),
        (dict(layers=[]), MmlensError, '`layers` names no layer'),
        (dict(layers=['bbox_head.loss_cls']), LayerError, 'does not run when the model predicts'),
        (dict(layers=['bbox_head.multi_level_cls_convs']), LayerError, 'is a list of layers'),
        (dict(method='gradcamm'), MethodError, "Unknown method 'gradcamm': did you mean gradcam"),
        (dict(method='FullGrad'), MethodError, 'not built in'),
        (dict(method='AblationCAM', method_options=dict(ratio=0.5)), MethodError, "has no option 'ratio'"),
        (dict(method='gradcam', method_options=dict(batch_size=2)), MethodError, 'takes no options'),
        (dict(method='drise', layers=['neck']), LayerError, 'without layers: leave out `layers`'),
        (dict(target='edges'), MmlensError, "Unknown target 'edges': choose one of score, box, both"),
        (dict(classes=['cupp']), MmlensError, "The model knows no class 'cupp': it knows cup"),
        (dict(classes=[7]), MmlensError, "knows no class '7'"),
        (dict(classes=[-1]), MmlensError, "knows no class '-1'"),
        (dict(instances=[99]), MmlensError, r'There is no instance 99: \d+ detections score at least'),
        (dict(instances=[-1]), MmlensError, 'There is no instance -1'),
        (dict(topk=0), MmlensError, '`topk` must be -1 or at least 1'),
        (dict(topk=-2), MmlensError, '`topk` must be -1 or at least 1'),
    ],
    ids=str,
)
def test_bad_choices_are_refused_in_a_sentence(options, error, sentence, yolox, picture):
    with pytest.raises(error, match=sentence) as caught:
        explain_boxes(yolox, picture, **{'score_thr': THRESHOLD, **options})
    assert '\n' not in str(caught.value) and str(caught.value).rstrip(')').endswith(('.', '?', '...'))


def test_bad_pictures_are_refused(yolox, tmp_path):
    with pytest.raises(PictureError, match='No picture nowhere.png'):
        explain_boxes(yolox, 'nowhere.png')
    with pytest.raises(PictureError, match='must be an array'):
        feature_maps(yolox, np.zeros((3, 3)))


# Drawing and saving


def test_explanations_are_drawn_and_saved(yolox, picture, everything, tmp_path):
    for drawn in (everything.draw(), everything.draw('panels'), feature_maps(yolox, picture, layers=['neck']).draw()):
        assert drawn.dtype == np.uint8 and drawn.ndim == 3 and drawn.shape[2] == 3
        assert drawn.shape[0] >= 90 and drawn.shape[1] >= 128 and drawn.std() > 5
    with np.load(everything.save(tmp_path / 'maps.npz')) as saved:
        np.testing.assert_array_equal(saved['raw'], np.array([box.raw for box in everything]))
        np.testing.assert_array_equal(saved['boxes'], np.array([box.box for box in everything]))
        assert saved['classes'].tolist() == [box.class_name for box in everything]
        assert str(saved['method']) == 'evidencecam'
        assert any(version.startswith('torch==') for version in saved['versions'].tolist())


def _peak_of(detector, large, number):
    tracemalloc.start()
    try:
        explanation = explain_boxes(detector, large, score_thr=0.0, topk=number, signed=True)
        explanation.draw()
        return len(explanation), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_many_boxes_of_a_large_picture_take_the_memory_of_few(yolox, picture):
    large = cv2.resize(picture, (2000, 1400))
    _peak_of(yolox, large, 1)  # what stays, such as fonts
    (_, of_one), (number, of_many) = _peak_of(yolox, large, 1), _peak_of(yolox, large, 12)
    a_map = large.shape[0] * large.shape[1] * 4
    assert number == 12
    assert of_many - of_one < 2 * a_map  # and not three maps a box


def test_maps_are_laid_over_the_picture_when_they_are_looked_at(yolox, picture):
    box = explain_boxes(yolox, picture, score_thr=THRESHOLD, topk=1, signed=True)[0]
    for values in (box.raw, box.normalised, box.counter):
        assert values.shape == picture.shape[:2] and values.dtype == np.float32 and not values.flags.writeable
    np.testing.assert_array_equal(box.normalised, box.raw / box.raw.max())
