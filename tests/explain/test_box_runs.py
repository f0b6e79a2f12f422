"""Following the same detections through altered passes: against the whole detector, and against heads read by hand."""

import contextlib
import copy
from functools import partial

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from mmlens import explain_boxes
from mmlens.attribution import windows
from mmlens.attribution.graph import live_graph
from mmlens.attribution.layers import resolve_layer
from mmlens.attribution.passes.altering import batch_axis
from mmlens.attribution.passes.memory import Allocations
from mmlens.attribution.passes.replay import Replay
from mmlens.attribution.restore import evaluating
from mmlens.attribution.targets import box_measure
from mmlens.attribution.trees import map_tensors
from mmlens.explain.box_runs import BoxRuns

KINDS = ['yolox', 'yolov5', 'faster_rcnn', 'soft', 'mask_rcnn', 'detr', 'dino']


@pytest.fixture
def detector(request):
    return request.getfixturevalue(request.param)


every_kind = pytest.mark.parametrize('detector', KINDS, indirect=True)


@contextlib.contextmanager
def following(detector, picture, layers=('neck',), target='score', logits=False, **options):
    """A follower of all that is found."""
    prepared = detector.prepare(picture)
    tapped = {name: resolve_layer(detector.model, name) for name in layers}
    with Replay(detector.model, tapped, partial(detector.samples, prepared)) as replay:
        runs = BoxRuns(detector, prepared, replay, {'batch_size': None, 'memory': None, **options})
        assert len(runs.found) >= 4
        ranks = list(range(len(runs.found)))
        runs.choose(ranks, box_measure(target, runs.boxes_of(ranks), logits))
        yield runs


def scrambled(tensor, seed=0, strength=2.0):
    """Another output: every number scaled, a third of them 0."""
    random = torch.Generator().manual_seed(seed)
    scale = torch.rand(tensor.shape, generator=random) * strength
    return tensor * scale * (torch.rand(tensor.shape, generator=random) > 1 / 3)


def swapping(layer, number, altered):
    """A hook that swaps the number-th tensor that a layer returns."""
    seen = []

    def swap(tensor):
        seen.append(None)
        return altered.clone() if len(seen) - 1 == number else tensor

    return layer.register_forward_hook(lambda module, inputs, output: map_tensors(swap, output))


def whole(detector, prepared, layer, number, altered):
    """What the whole detector returns with one tensor of a layer swapped; mmlens does nothing but call it."""
    handle = swapping(resolve_layer(detector.model, layer), number, altered)
    try:
        with evaluating(detector.model), torch.no_grad():
            return detector.samples(prepared)[0].pred_instances
    finally:
        handle.remove()


def same(found, expected):
    assert len(found) == len(expected) > 0
    values = [(getattr(found[name], 'tensor', found[name]), expected[name]) for name in ('bboxes', 'scores', 'labels')]
    if 'masks' in expected:
        values.append((found.masks, expected.masks))
    return all(torch.equal(a, getattr(b, 'tensor', b)) for a, b in values)


# ---------------------------------------------------------------- replay on detectors


@every_kind
def test_altered_detections_are_those_of_the_whole_detector(detector, picture):
    for layer in ('neck', 'backbone.stage3' if hasattr(detector.model.backbone, 'stage3') else 'backbone.layer3'):
        with following(detector, picture, (layer,)) as runs:
            plain = runs.replay.record()[0].pred_instances
            levels = runs.replay.levels(runs.prepared.input_size)
            altered = [scrambled(level.tensor) for level in levels]
            found = [runs.replay(level, one.clone())[0].pred_instances for level, one in zip(levels, altered)]
        differing = 0
        for level, one, instances in zip(levels, altered, found):
            expected = whole(detector, runs.prepared, layer, level.index, one)
            assert same(instances, expected)
            differing += len(expected) != len(plain) or not torch.equal(expected.scores, plain.scores)
        assert differing  # not every level's boxes are among the best


@every_kind
def test_windows_change_no_map(detector, picture, monkeypatch):
    """Backward passes that visit what a box depends on only, in each of the detector's layers however small."""
    options = dict(score_thr=0.0, topk=3, target='both')
    monkeypatch.setattr(windows, 'WORTH_IT', float('inf'))
    whole = explain_boxes(detector, picture, **options)
    monkeypatch.setattr(windows, 'WORTH_IT', 0)
    found = explain_boxes(detector, picture, **options)
    assert len(found) == len(whole) > 0
    for one, other in zip(found, whole):
        # Boxes of torch 2.1 differ by rounding.
        np.testing.assert_allclose(one.box, other.box, rtol=0 if torch.__version__ >= '2.2' else 1e-5)
        np.testing.assert_allclose(one.raw, other.raw, rtol=1e-3, atol=1e-4 * other.raw.max())


@every_kind
@pytest.mark.parametrize('target', ['score', 'both'])
def test_unaltered_features_give_the_reference(detector, picture, target):
    with following(detector, picture, target=target) as runs:
        for level in runs.levels:
            again = runs.at_level(level, level.tensor.clone())
            torch.testing.assert_close(again[0], runs.reference, rtol=1e-4, atol=1e-5)
        at_input = runs.at_input(runs.prepared.batch['inputs'])
        torch.testing.assert_close(at_input[0], runs.reference, rtol=1e-4, atol=1e-5)
        assert not runs.by_overlap


@every_kind
def test_batches_of_any_size_measure_the_same(detector, picture):
    measured = []
    for size in (1, 2, 5):
        with following(detector, picture, batch_size=size) as runs:
            found = []
            for level in runs.levels[:3]:
                altered = [scrambled(level.tensor, seed) for seed in range(3)]
                found.append(runs.at_level(level, torch.cat(altered, batch_axis(level))))
                assert runs.batch_size(level) == size
            inputs = [scrambled(runs.prepared.batch['inputs'], seed) for seed in range(2)]
            measured.append(torch.cat([*found, runs.at_input(torch.cat(inputs))]))
            assert runs.passes == len(measured[-1]) and not runs.by_overlap
    for others in measured[1:]:
        torch.testing.assert_close(others, measured[0], rtol=1e-4, atol=1e-5)
    assert (measured[0] - runs.reference).abs().max() > 1e-3 * runs.reference.max()


@every_kind
def test_gradients_at_the_input_are_those_of_the_whole_detector(detector, picture):
    with following(detector, picture, logits=True) as runs:
        inputs = runs.prepared.batch['inputs'].clone().requires_grad_()
        values = runs.with_graph(inputs)
        assert not runs.by_overlap and values.shape == (1, len(runs.found)) and runs.passes == 1
        wanted = torch.zeros_like(values)
        wanted[0, 1] = 1
        (found,) = torch.autograd.grad(values, inputs, wanted)
        with torch.enable_grad(), live_graph():
            scores = detector.in_picture(runs.prepared, *detector.samples(runs.prepared, 1, inputs)).scores
            (expected,) = torch.autograd.grad(scores[1].logit(), inputs)
    assert expected.any() and all(parameter.grad is None for parameter in detector.model.parameters())
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize('detector', ['yolox', 'yolov5'], indirect=True)
def test_gradients_at_altered_inputs_are_what_small_steps_change(detector, picture):
    """Of a batch of two, whose second input is faint; these two detectors are smooth everywhere."""
    with following(detector, picture, target='both', logits=True, batch_size=2) as runs:
        plain = runs.prepared.batch['inputs']
        altered = torch.cat([plain, 0.3 * plain + 0.7 * plain.mean()]).requires_grad_()
        values = runs.with_graph(altered)
        torch.testing.assert_close(values.detach(), runs.at_input(altered.detach()), rtol=1e-3, atol=1e-3)
        wanted = torch.zeros_like(values)
        wanted[1, 0] = 1
        (gradient,) = torch.autograd.grad(values, altered, wanted)
        step = gradient / gradient.norm() * 0.1
        higher, lower = (runs.at_input(altered.detach() + sign * step)[1, 0] for sign in (1, -1))
        assert not gradient[0].any()
        assert float(higher - lower) == pytest.approx(0.2 * float(gradient.norm()), rel=0.05)


def test_no_more_copies_are_run_than_there_are_alterations(yolox, picture):
    seen = []
    options = dict(score_thr=0.5, method='ablationcam')
    handle = yolox.model.bbox_head.register_forward_pre_hook(lambda head, args: seen.append(len(args[0][0])))
    try:
        found = explain_boxes(yolox, picture, method_options=dict(batch_size=10**9), **options)
        with following(yolox, picture, batch_size=10**9) as runs:
            first, second, third = runs.levels
            assert runs.batch_size(first, 7) == runs.batch_size(first) == 7
            assert runs.batch_size(second, 3) == 3  # what was chosen for one copy goes for any number
            assert runs.batch_size(third, 1) == 1
    finally:
        handle.remove()
    assert max(seen) == 16  # as many as there are channels
    expected = explain_boxes(yolox, picture, method_options=dict(batch_size=1), **options)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one.raw, other.raw, rtol=1e-3, atol=1e-4 * other.raw.max())


# ---------------------------------------------------------------- with and without gradients


@pytest.mark.parametrize(
    ('score_thr', 'less', 'alike'),
    [
        (0.44, (0.0, 0.3, 0.0), 6),  # other boxes are fourth and fifth where gradients are taken
        (0.46, (0.0, 0.0, 0.05), 4),  # the fifth scores too little there
    ],
)
def test_maps_do_not_hang_on_the_order_of_the_pass_with_gradients(yolox, picture, score_thr, less, alike):
    """The two passes differ by rounding; here by so much that all comes in another order."""

    def differ(head, args, output):
        classes, edges, objectness = output
        if torch.is_grad_enabled():
            objectness = [logit - by for logit, by in zip(objectness, less)]
        return classes, edges, objectness

    options = dict(score_thr=score_thr, method='ablationcam')
    expected = explain_boxes(yolox, picture, **options)
    handle = yolox.model.bbox_head.register_forward_hook(differ)
    try:
        with_gradients = explain_boxes(yolox, picture, score_thr=score_thr)
        found = explain_boxes(yolox, picture, **options)
    finally:
        handle.remove()
    assert [box.box.tolist() for box in with_gradients] != [box.box.tolist() for box in found]
    assert [box.box.tolist() for box in expected] == [box.box.tolist() for box in found]
    for one, other in zip(found[:alike], expected[:alike]):
        np.testing.assert_array_equal(one.raw, other.raw)
    assert not any(box.blank for box in found)


# ---------------------------------------------------------------- the same candidate, read from the head by hand


@contextlib.contextmanager
def outputs_of(module):
    """What a module is given and returns, call by call."""
    seen = []
    handle = module.register_forward_hook(lambda module, inputs, output: seen.append((inputs, output)))
    try:
        yield seen
    finally:
        handle.remove()


def yolox_scores(detector, prepared, run):
    """Scores (priors, classes) of all priors, before thresholds and suppression."""
    with outputs_of(detector.model.bbox_head) as seen:
        run()
    classes, _, objectness = seen[-1][1]
    flat = [torch.cat([level[0].flatten(1).T for level in levels]) for levels in (classes, objectness)]
    return flat[0].sigmoid() * flat[1].sigmoid()


@pytest.mark.parametrize('kind', ['yolox', 'soft'])
def test_yolox_keeps_its_prior_whoever_wins_the_suppression(kind, request, picture):
    detector = request.getfixturevalue(kind)
    prepared = detector.prepare(picture)
    plain = yolox_scores(detector, prepared, lambda: whole(detector, prepared, 'neck', -1, None))
    with following(detector, picture) as runs:
        labels, reference = runs.found.labels, runs.reference
        factors = torch.ones_like(reference)
        if kind == 'yolox':
            priors = [int((plain[:, label] - score).abs().argmin()) for label, score in zip(labels, reference)]
        else:  # scores are weakened by overlap: look for the box instead
            priors = priors_of_boxes(detector, prepared, runs.found.boxes)
            factors = reference / plain[priors, labels]
            assert factors.min() < 0.99
        torch.testing.assert_close(plain[priors, labels] * factors, reference)
        gone, below = 0, 0
        for level in runs.levels:
            for seed in range(4):
                altered = scrambled(level.tensor, seed, 3.0)
                measured = runs.at_level(level, altered.clone())[0]
                expected = whole(detector, prepared, 'neck', level.index, altered)
                run = partial(whole, detector, prepared, 'neck', level.index, altered)
                by_hand = yolox_scores(detector, prepared, run)[priors, labels] * factors
                torch.testing.assert_close(measured, by_hand, rtol=1e-4, atol=1e-6)
                alone = (by_hand[:, None] - expected.scores[None]).abs().amin(1) > 1e-5
                gone += int(alone.sum())  # suppressed by a neighbour, or out of the best six
                below += int((by_hand[alone] < 0.01).sum())
        assert not runs.by_overlap
        # The test shows something: of those no longer found, most are so because others are better, and have a score.
        assert gone > 10 and below < gone / 2


def apart(boxes, others):
    """How far each box is from each other one: the largest difference of an edge."""
    return (boxes[:, None] - others[None]).abs().amax(2)


def priors_of_boxes(detector, prepared, boxes):
    """Which prior each box was decoded from."""
    head = detector.model.bbox_head
    with outputs_of(head) as seen:
        whole(detector, prepared, 'neck', -1, None)
    _, offsets, _ = seen[0][1]
    sizes = [level.shape[2:] for level in offsets]
    priors = torch.cat(head.prior_generator.grid_priors(sizes, device='cpu', with_stride=True))
    flat = torch.cat([level[0].flatten(1).T for level in offsets])
    decoded = head._bbox_decode(priors, flat[None])[0]
    scale = decoded.new_tensor(prepared.batch['data_samples'][0].scale_factor).repeat(2)
    distances = apart(boxes, decoded / scale)
    assert (distances.amin(1) < 1e-3).all()
    return distances.argmin(1)


def proposals_of(detector, prepared, level, altered):
    """All anchors decoded by the proposal network, slowly, and what came out of it."""
    model = detector.model
    with outputs_of(model.rpn_head) as seen:
        whole(detector, prepared, 'neck', level, altered)
    _, offsets = seen[-1][1]
    sizes = [each.shape[2:] for each in offsets]
    anchors = torch.cat(model.rpn_head.prior_generator.grid_priors(sizes, device='cpu'))
    flat = torch.cat([each[0].permute(1, 2, 0).reshape(-1, 4) for each in offsets])
    height, width = prepared.batch['data_samples'][0].img_shape
    return model.rpn_head.bbox_coder.decode(anchors, flat, max_shape=(height, width))


@pytest.mark.parametrize('kind', ['faster_rcnn', 'mask_rcnn'])
def test_two_stages_keep_anchor_proposal_and_class(kind, request, picture):
    detector = request.getfixturevalue(kind)
    prepared, head = detector.prepare(picture), detector.model.roi_head.bbox_head
    extractor = detector.model.roi_head.bbox_roi_extractor
    with outputs_of(head) as seen, outputs_of(extractor) as cut:
        whole(detector, prepared, 'neck', -1, None)
    rois, logits = cut[0][0][1][:, 1:], seen[0][1][0]
    anchors = apart(rois, proposals_of(detector, prepared, -1, None)).min(1)
    assert (anchors.values < 1e-3).all()
    with following(detector, picture, batch_size=1) as runs:
        labels, reference = runs.found.labels, runs.reference
        ours = [int((logits.softmax(1)[:, label] - score).abs().argmin()) for label, score in zip(labels, reference)]
        moved = 0
        for level in runs.levels[:3]:
            altered = scrambled(level.tensor, 1)
            runs.batch_size(level)
            with outputs_of(head) as seen, outputs_of(extractor) as cut:
                measured = runs.at_level(level, altered.clone())[0]
            assert not runs.by_overlap
            now, scores = cut[-1][0][1][:, 1:], seen[-1][1][0].softmax(1)
            expected = proposals_of(detector, prepared, level.index, altered)[anchors.indices]
            torch.testing.assert_close(now, expected, rtol=1e-4, atol=1e-2)
            torch.testing.assert_close(measured, scores[ours, labels], rtol=1e-4, atol=1e-6)
            with outputs_of(extractor) as cut:
                whole(detector, prepared, 'neck', level.index, altered)
            theirs = cut[0][0][1][:, 1:]
            moved += len(theirs) != len(now) or not torch.allclose(theirs, now)
        assert moved  # without following, other proposals are taken


def test_detr_keeps_its_queries(detr, picture):
    prepared, head = detr.prepare(picture), detr.model.bbox_head

    def probabilities(run):
        with outputs_of(head) as seen:
            run()
        return seen[-1][1][0][-1][0].softmax(-1)

    plain = probabilities(lambda: whole(detr, prepared, 'neck', -1, None))
    with following(detr, picture) as runs:
        (level,) = runs.levels
        labels = runs.found.labels
        queries = [int((plain[:, label] - score).abs().argmin()) for label, score in zip(labels, runs.reference)]
        for seed in range(4):
            altered = scrambled(level.tensor, seed, 4.0)
            by_hand = probabilities(partial(whole, detr, prepared, 'neck', 0, altered))
            measured = runs.at_level(level, altered.clone())[0]
            torch.testing.assert_close(measured, by_hand[queries, labels], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('detector', ['yolox', 'yolov5', 'faster_rcnn', 'detr'], indirect=True)
def test_a_box_of_a_level_is_not_hurt_by_features_that_it_does_not_see(detector, picture):
    """The old way, an ablated box that a neighbour replaces in the list loses all of its score."""
    with following(detector, picture) as runs:
        for level in runs.levels:
            nothing = runs.at_level(level, torch.zeros_like(level.tensor))[0]
            assert nothing.isfinite().all()
            assert (nothing > 0).all()  # less evidence; but the candidate is still there


# ---------------------------------------------------------------- where candidates cannot be followed


@pytest.fixture
def undecided(yolox):
    """Its post-processing asks for one more choice where the features are weak."""
    detector = copy.copy(yolox)
    detector.model = copy.deepcopy(yolox.model)
    predict = detector.model.bbox_head.predict

    def undecided_predict(features, samples, **options):
        if float(features[0].abs().sum()) < 1e-3:
            features[1].flatten().topk(1)
        return predict(features, samples, **options)

    detector.model.bbox_head.predict = undecided_predict
    return detector


def by_overlap(detector, prepared, level, altered, wanted, threshold):
    """Each box's score by the best overlap within its class, slowly, under a lower threshold."""
    head = detector.model.bbox_head
    kept = head.test_cfg['score_thr']
    head.test_cfg['score_thr'] = threshold
    try:
        found = whole(detector, prepared, 'neck', level.index, altered)
    finally:
        head.test_cfg['score_thr'] = kept
    scale = prepared.picture.shape[0] / prepared.batch['data_samples'][0].ori_shape[0]
    scores = []
    for box, label in zip(wanted.boxes, wanted.labels):
        best, score = 0.5, 0.0
        for other, other_label, other_score in zip(found.bboxes * scale, found.labels, found.scores):
            overlap = box_iou(box[None], other[None]).item()
            if label == other_label and overlap >= best:
                best, score = overlap, other_score.item()
        scores.append(score)
    return torch.tensor(scores)


def test_where_choices_diverge_boxes_are_found_by_overlap(undecided, picture):
    prepared = undecided.prepare(picture)
    settings = copy.deepcopy(undecided.model.bbox_head.test_cfg)
    with following(undecided, picture, batch_size=1) as runs:
        fine, middle, coarse = runs.levels
        followed = runs.at_level(coarse, scrambled(coarse.tensor))
        assert not runs.by_overlap
        nothing = torch.zeros_like(fine.tensor)
        measured = runs.at_level(fine, nothing.clone())[0]
        assert runs.by_overlap
        expected = by_overlap(undecided, prepared, fine, nothing, runs.found, 1e-3)
        torch.testing.assert_close(measured, expected, rtol=1e-4, atol=1e-6)
        again = runs.at_level(coarse, scrambled(coarse.tensor))[0]
        expected = by_overlap(undecided, prepared, coarse, scrambled(coarse.tensor), runs.found, 1e-3)
        torch.testing.assert_close(again, expected, rtol=1e-4, atol=1e-6)
        assert (again == 0).any() and not (followed == 0).any()
    assert undecided.model.bbox_head.test_cfg == settings


@pytest.fixture(scope='module')
def teacher(yolox_config, yolox, built):
    """A detector inside a detector, as semi-supervised training leaves it."""
    config = copy.deepcopy(yolox_config)
    inner = dict(config['model'])
    preprocessor = inner['data_preprocessor']
    config['model'] = dict(
        type='SemiBaseDetector',
        detector=inner,
        data_preprocessor=preprocessor,
        semi_train_cfg=dict(freeze_teacher=True),
        semi_test_cfg=dict(predict_on='teacher'),
    )
    detector = built(config)
    detector.model.load_state_dict(yolox.model.state_dict())
    return detector


def test_a_detector_inside_a_detector(teacher, yolox, picture):
    prepared = yolox.prepare(picture)
    with following(teacher, picture, ('neck',)) as runs:
        for level in runs.levels:
            altered = scrambled(level.tensor, 3)
            measured = runs.at_level(level, altered.clone())[0]
            if runs.by_overlap:
                expected = by_overlap(yolox, prepared, level, altered, runs.found, 1e-3)
                torch.testing.assert_close(measured, expected, rtol=1e-4, atol=1e-6)
            else:
                with following(yolox, picture) as inner:
                    expected = inner.at_level(inner.levels[level.index], altered.clone())[0]
                torch.testing.assert_close(measured, expected, rtol=1e-4, atol=1e-6)


def test_an_error_of_the_model_is_not_taken_for_another_choice(yolox, picture):
    """Too little memory is not answered with another way of measuring."""

    class OutOfMemoryError(RuntimeError):
        pass

    def full(module, inputs):
        raise OutOfMemoryError

    with following(yolox, picture) as runs:
        level = runs.levels[0]
        runs.batch_size(level)
        handle = yolox.model.bbox_head.register_forward_pre_hook(full)
        try:
            with pytest.raises(OutOfMemoryError):
                runs.at_level(level, level.tensor.clone())
        finally:
            handle.remove()
        assert not runs.by_overlap
        torch.testing.assert_close(runs.at_level(level, level.tensor.clone())[0], runs.reference)


def test_a_box_that_is_lost_is_worth_no_more_than_a_box_of_no_score(yolox, picture):
    """As a logit too, where 0 would be an even chance."""
    with following(yolox, picture, logits=True) as runs:
        runs.by_overlap = True
        lost = runs.at_input(torch.zeros_like(runs.prepared.batch['inputs']))
        assert lost.min() < -15  # the logit of next to nothing
        assert (lost == lost.min()).float().mean() > 0.5  # a black picture has boxes of its own


def test_memory_is_budgeted_level_by_level(yolox, picture):
    with following(yolox, picture) as runs:
        needed = []
        for level in runs.levels:
            runs.batch_size(level)
            with Allocations() as counted:
                runs.replay(level, level.tensor.clone())
            needed.append(counted.bytes)
        assert needed[0] > needed[1] > needed[2] and runs.memory_of_one >= max(needed)
    memory = 3.2 * needed[0] / 1e6
    for order in ((0, 1, 2), (2, 1, 0)):
        with following(yolox, picture, memory=memory) as runs:
            for number in order:
                size = runs.batch_size(runs.levels[number])
                assert size * needed[number] <= memory * 1e6 and size > memory * 1e6 / needed[number] / 8
                level = runs.levels[number]
                again = runs.at_level(level, torch.cat([level.tensor] * 5))
                torch.testing.assert_close(again, runs.reference.expand(5, -1), rtol=1e-4, atol=1e-5)
            assert not runs.by_overlap


# ---------------------------------------------------------------- the network as a black box


def test_similarity_is_the_best_product_of_overlap_and_score_within_the_class(yolox, picture):
    prepared = yolox.prepare(picture)
    with following(yolox, picture) as runs:
        masks = torch.rand(3, 1, 128, 128, generator=torch.Generator().manual_seed(0)).round()
        masks[2] = 0
        altered = prepared.batch['inputs'] * masks
        measured = runs.similarity(altered)
        assert runs.passes == 3 and measured.shape == (3, len(runs.found))
    head = yolox.model.bbox_head
    kept, head.test_cfg['score_thr'] = head.test_cfg['score_thr'], 1e-3
    try:
        with evaluating(yolox.model), torch.no_grad():
            samples = [yolox.samples(prepared, 1, one[None])[0] for one in altered]
    finally:
        head.test_cfg['score_thr'] = kept
    for values, sample in zip(measured, samples):
        found = yolox.in_picture(prepared, sample)
        for value, box, label in zip(values, runs.found.boxes, runs.found.labels):
            best = 0.0
            for other, score, other_label in zip(found.boxes, found.scores, found.labels):
                if label == other_label:
                    best = max(best, box_iou(box[None], other[None]).item() * score.item())
            assert value.item() == pytest.approx(best, abs=1e-5)
    assert 0 < measured[0].max() <= 1


def test_a_box_without_area_overlaps_nothing(yolox, picture):
    detector = copy.copy(yolox)
    detector.model = copy.deepcopy(yolox.model)
    with torch.no_grad():
        for edges in detector.model.bbox_head.multi_level_conv_reg:
            edges.bias[2:] = -200
    with following(detector, picture) as runs:
        assert (runs.found.boxes[:, :2] == runs.found.boxes[:, 2:]).all()
        assert runs.similarity(runs.prepared.batch['inputs']).tolist() == [[0.0] * len(runs.found)]


def test_what_is_measured_has_an_identity(yolox, picture):
    detector = copy.copy(yolox)
    detector.model = copy.deepcopy(yolox.model)
    with following(yolox, picture) as runs, following(detector, picture) as again:
        assert runs.identity == again.identity
        for ranks in ([0], [1], [1, 0]):
            again.choose(ranks, lambda scores, boxes: torch.ones_like(scores))  # scores that are sure are all the same
            assert runs.identity != again.identity
            runs.choose(ranks, lambda scores, boxes: torch.ones_like(scores))
            assert runs.identity == again.identity
    detector.model.bbox_head.test_cfg['nms']['iou_threshold'] = 0.6
    with following(detector, picture) as again:
        again.choose([1, 0], lambda scores, boxes: torch.ones_like(scores))
        assert runs.identity != again.identity


# ---------------------------------------------------------------- what is left behind


@every_kind
@pytest.mark.parametrize('ends', ['well', 'badly'])
def test_the_model_is_given_back_as_it_was(detector, picture, ends):
    from mmcv.ops.nms import NMSop, SoftNMSop
    from mmdet.models.roi_heads.mask_heads import FCNMaskHead

    def state():
        model = detector.model
        return {
            'forwards': [module.__dict__.get('forward') for module in model.modules()],
            'hooks': [len(module._forward_hooks) for module in model.modules()],
            'training': [module.training for module in model.modules()],
            'parameters': [(id(p), p.requires_grad, p._version) for p in model.parameters()],
            'buffers': [(id(b), b.tolist()) for b in model.buffers()],
            'settings': [repr(getattr(module, 'test_cfg', None)) for module in model.modules()],
            'suppression': ['apply' in vars(op) for op in (NMSop, SoftNMSop)],
            'masks': FCNMaskHead.predict_by_feat,
            'input': (id(prepared), prepared.batch['inputs'].sum().item(), repr(prepared.batch['data_samples'])),
            'function modes': len(torch.overrides._get_current_function_mode_stack()),
            'random': torch.get_rng_state().tolist(),
        }

    prepared = detector.prepare(picture)
    before = state()
    with contextlib.suppress(ZeroDivisionError), following(detector, picture) as runs:
        runs.prepared = prepared
        level = runs.levels[0]
        runs.at_level(level, scrambled(level.tensor))
        runs.at_input(scrambled(prepared.batch['inputs']))
        runs.similarity(scrambled(prepared.batch['inputs']))
        if ends == 'badly':
            raise ZeroDivisionError
    assert state() == before
