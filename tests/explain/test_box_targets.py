"""What is asked of a detector: which detections, worked out by hand, and what their numbers are."""

from __future__ import annotations

import copy
import sys

import numpy as np
import pytest
import torch

from mmlens import explain_boxes
from mmlens.attribution import deformable, graph, self_attention, windows
from mmlens.attribution.attribute import attribute
from mmlens.attribution.fusion import LevelMap, add_levels
from mmlens.attribution.methods import get_method
from mmlens.attribution.tap import Tap
from mmlens.errors import MethodError, MmlensError, PictureError
from mmlens.explain.box_targets import BoxTargets, select_detections
from mmlens.explain.normalise import normalise
from mmlens.models.predictions import Predictions


def predictions(scores, labels, boxes=None):
    boxes = torch.arange(4.0 * len(scores)).reshape(-1, 4) if boxes is None else torch.tensor(boxes)
    return Predictions(boxes, torch.tensor(scores), torch.tensor(labels))


FOUND = predictions([0.9, 0.8, 0.6, 0.5, 0.1], [0, 1, 0, 2, 1])


@pytest.mark.parametrize(
    ('options', 'ranks'),
    [
        (dict(), [0, 1, 2, 3]),
        (dict(score_thr=0.0), [0, 1, 2, 3, 4]),
        (dict(score_thr=0.6), [0, 1, 2]),  # a score that is just enough
        (dict(classes=[0]), [0, 2]),
        (dict(classes=[1, 2]), [1, 3]),
        (dict(classes=[]), []),
        (dict(topk=2), [0, 1]),
        (dict(topk=99), [0, 1, 2, 3]),
        (dict(instances=[3, 1, 1]), [1, 3]),  # in falling score, each once
        (dict(instances=[0, 1, 2], classes=[0]), [0, 2]),  # instances are counted before classes are chosen
        (dict(instances=[1, 2, 3], topk=1), [1]),
        (dict(score_thr=1.0), []),
        (dict(score_thr=1.0, instances=[7]), []),  # of nothing, nothing is chosen
    ],
)
def test_selections_by_hand(options, ranks):
    chosen = {**dict(score_thr=0.3, classes=None, instances=None, topk=-1), **options}
    assert select_detections(FOUND, **chosen) == ranks


@pytest.mark.parametrize('instance', [4, -1])
def test_an_instance_that_is_not_there_is_refused(instance):
    with pytest.raises(PictureError) as raised:
        select_detections(FOUND, 0.3, None, [0, instance], -1)
    assert str(raised.value) == f'There is no instance {instance}: 4 detections score at least 0.3, 0 to 3.'


def targets_of(detector, picture, target='score', ranks=(0, 2)):
    return BoxTargets(detector, picture, target, lambda found: list(ranks))


def test_scalars_are_the_logits_of_the_selected_scores(yolox, picture):
    targets = targets_of(yolox, picture)
    with Tap(yolox.model, {'neck': yolox.model.neck}) as tap:
        scalars = targets.scalars(tap)
        assert all(scalar.requires_grad for scalar in scalars)
    with torch.no_grad():
        scores = yolox.predict(yolox.prepare(picture)).scores[[0, 2]].double()
    torch.testing.assert_close(
        torch.stack(scalars).double().detach(), torch.log(scores / (1 - scores)), rtol=1e-4, atol=1e-4
    )
    assert list(targets.ranks) == [0, 2]


def test_the_edges_of_a_box_and_both(yolox, picture):
    values = {}
    for target in ('score', 'box', 'both'):
        targets = targets_of(yolox, picture, target, ranks=[1])
        with Tap(yolox.model, {'neck': yolox.model.neck}) as tap:
            (values[target],) = (float(scalar) for scalar in targets.scalars(tap))
    # (x2 - x1) / w + (y2 - y1) / h, whose w and h are held constant
    assert values['box'] == pytest.approx(2, rel=1e-5)
    assert values['both'] == pytest.approx(values['score'] + values['box'], rel=1e-5)


def test_what_cannot_be_asked_is_refused(yolox, picture):
    with pytest.raises(MmlensError, match="Unknown target 'edges'"):
        targets_of(yolox, picture, 'edges')
    targets_of(yolox, picture).check(get_method('drise'))
    with pytest.raises(MethodError, match='knows scores and overlaps only'):
        targets_of(yolox, picture, 'box').check(get_method('drise'))
    with pytest.raises(MethodError, match="^Method 'FullGrad' needs more than"):
        targets_of(yolox, picture).check(get_method('fullgrad'))


def test_the_default_layer_is_that_of_the_network(yolox, picture):
    assert tuple(targets_of(yolox, picture).default_layers()) == ('neck',)


def test_what_is_known_is_put_in_the_order_of_the_passes(yolox, picture):
    """The pass with gradients found a, b; the passes found b, c, a."""
    a, b, c = [0.0, 0, 10, 10], [20.0, 0, 30, 10], [40.0, 0, 50, 10]
    targets = targets_of(yolox, picture)
    targets._asked = predictions([0.9, 0.8], [0, 1], [a, b])
    targets.found, targets.ranks = predictions([0.85, 0.8, 0.79], [1, 2, 0], [b, c, a]), [0, 1, 2]
    assert targets.as_in_runs([['of a'], ['of b']], 1) == [['of b'], [None], ['of a']]
    targets.ranks = [2]
    assert targets.as_in_runs([['of a'], ['of b']], 1) == [['of a']]


# ---------------------------------------------------------------- contrast


def contrasts(detector, picture, against, ranks=(0, 1, 2)):
    """What is asked of some detections, and the values."""
    targets = BoxTargets(detector, picture, 'score', lambda found: list(ranks), against)
    with Tap(detector.model, {'neck': detector.model.neck}) as tap:
        return targets, [float(scalar.detach()) for scalar in targets.scalars(tap)]


def kept_outputs(detector, picture, layers):
    """What layers of a head return, float64, in the order of the layers; and what the detector finds."""
    kept = {}
    handles = [
        layer.register_forward_hook(lambda module, args, output, n=n: kept.update({n: output.double()}))
        for n, layer in enumerate(layers)
    ]
    try:
        with torch.no_grad():
            found = detector.predict(detector.prepare(picture))
    finally:
        for handle in handles:
            handle.remove()
    return [kept[n] for n in range(len(layers))], found


def logits_by_hand(detector, picture, ranks=(0, 1, 2)):
    """The class logits of each detection's candidate: the one whose score, computed by hand, is the detection's."""
    model = detector.model
    if hasattr(model, 'bbox_head'):
        head = model.bbox_head
        levels, found = kept_outputs(detector, picture, [*head.multi_level_conv_cls, *head.multi_level_conv_obj])
        rows, objectness = (torch.cat([level[0].flatten(1).T for level in levels[n : n + 3]]) for n in (0, 3))
        scores = rows.sigmoid() * objectness.sigmoid()
    else:
        (rows,), found = kept_outputs(detector, picture, [model.roi_head.bbox_head.fc_cls])
        scores = rows.softmax(1)
    labels = [int(found.labels[rank]) for rank in ranks]
    nearest = [(scores[:, label] - float(found.scores[rank])).abs().argmin() for rank, label in zip(ranks, labels)]
    return [rows[n] for n in nearest], labels


@pytest.mark.parametrize('name', ['yolox', 'faster_rcnn'])
def test_contrasts_are_differences_of_the_candidates_own_logits(name, request, picture):
    detector = request.getfixturevalue(name)
    rows, labels = logits_by_hand(detector, picture)

    others = [[k for k in range(3) if k != label] for label in labels]
    second = [max(few, key=lambda k: float(row[k])) for row, few in zip(rows, others)]
    targets, values = contrasts(detector, picture, 'auto')
    assert targets.others == [[k] for k in second]
    assert [targets.name_against(n) for n in range(3)] == [detector.class_name(k) for k in second]
    expected = [float(row[label] - row[k]) for row, label, k in zip(rows, labels, second)]
    assert values == pytest.approx(expected, rel=1e-3, abs=1e-4)

    # All classes by name: each box against the two others, by how likely they are.
    targets, values = contrasts(detector, picture, [detector.class_name(k) for k in range(3)])
    assert targets.others == others
    expected = []
    for row, label, few in zip(rows, labels, others):
        p = row.softmax(0)
        expected.append(float(sum(p[k] * (row[label] - row[k]) for k in few) / sum(p[k] for k in few)))
    assert values == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert targets.name_against(0) == ' or '.join(detector.class_name(k) for k in others[0])

    # The background: a logit of its own after a softmax, and what a sigmoid stands against anyway.
    targets, values = contrasts(detector, picture, 'background')
    expected = [float(row[k] - (row[3] if name == 'faster_rcnn' else 0)) for row, k in zip(rows, labels)]
    assert values == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert [targets.name_against(n) for n in range(3)] == ['background'] * 3


def test_a_box_of_the_only_class_it_would_be_contrasted_with_is_blank_and_says_so(yolox, picture):
    own = contrasts(yolox, picture, 'auto')[0]
    label = int(own.found.labels[0])
    targets, values = contrasts(yolox, picture, [label])
    assert values[0] == 0 and targets.name_against(0) == ''
    assert targets.why_not_asked(0) == 'it is of the only class that it would be contrasted with'
    for method, layers in (('evidencecam', None), ('ablationcam', ['neck.out_convs[2]'])):
        found = explain_boxes(yolox, picture, score_thr=0, instances=[0], against=label, method=method, layers=layers)
        assert found[0].blank == targets.why_not_asked(0) and not found[0].normalised.any()
        assert found[0].against == '' and found.draw('panels').any()


def test_the_counter_is_the_map_of_the_negative(yolox, picture):
    options = dict(score_thr=0, topk=2, method='gradcam')
    for against in ('auto', None):
        found = explain_boxes(yolox, picture, against=against, signed=True, **options)
        targets = BoxTargets(yolox, picture, 'score', lambda found: [0, 1], against)
        with Tap(yolox.model, {'neck': yolox.model.neck}) as tap:
            scalars = targets.scalars(tap)
            size = targets.prepared.input_size
            levels = tap.levels(size)
            raw = [attribute(-each, levels, get_method('gradcam'), size, keep_graph=True).raw for each in scalars]
        expected = [normalise(targets.prepared.geometry.map_to_picture(each.numpy())) for each in raw]
        np.testing.assert_allclose([box.counter for box in found], expected, rtol=1e-4, atol=1e-5)
    plain = explain_boxes(yolox, picture, **options)
    assert [box.counter for box in plain] == [None, None] and plain.fusion == 'sum'
    assert explain_boxes(yolox, picture, score_thr=0, topk=1).fusion == 'product'


def test_ablation_takes_shares_of_the_class_against_the_other(yolox, picture):
    """Slow reference: the class logits of the candidate's own cell, of features without one channel each."""
    model, (targets, _) = yolox.model, contrasts(yolox, picture, 'auto', [0])
    candidate, others, label = targets._candidates[0], targets.others[0], int(targets.found.labels[0])
    rows, _ = logits_by_hand(yolox, picture, [0])
    head, inputs = model.bbox_head, targets.prepared.batch['inputs']
    with torch.no_grad():
        features = list(model.extract_feat(inputs))

    def logits(level, feature):
        return head.multi_level_conv_cls[level](head.multi_level_cls_convs[level](feature))[0]

    places = [
        (level, int(y), int(x))
        for level, feature in enumerate(features)
        for y, x in (logits(level, feature).movedim(0, -1) - rows[0].float()).abs().sum(-1).lt(1e-3).nonzero()
    ]
    ((level, y, x),) = places

    def share(feature):
        row = logits(level, feature)[:, y, x]
        return torch.sigmoid(row[label] - row[others[0]])

    feature = features[level].clone().requires_grad_()
    whole = share(feature)
    reach = torch.autograd.grad(whole, feature)[0][0].abs().sum(0) > 0
    weights = []
    with torch.no_grad():
        for channel in range(feature.shape[1]):
            without = feature.clone()
            without[:, channel] = 0
            weights.append((whole - share(without)) / whole)
        cells = ((torch.stack(weights)[:, None, None] * feature[0]).sum(0) * reach).relu()
        raw = add_levels([LevelMap('neck', cells)], targets.prepared.input_size)
    options = dict(score_thr=0, instances=[0], against='auto', method='ablationcam')
    found = explain_boxes(yolox, picture, **options)
    expected = targets.prepared.geometry.map_to_picture(raw.numpy())
    np.testing.assert_allclose(found[0].raw, expected, rtol=1e-3, atol=1e-3 * expected.max())
    assert found[0].against == targets.name_against(0) and found[0].counter is None
    assert candidate.softmax is False


def test_scorecam_measures_the_contrast(yolox, picture):
    options = dict(score_thr=0, instances=[0], method='scorecam', layers=['neck.out_convs[2]'])
    plain, found = explain_boxes(yolox, picture, **options), explain_boxes(yolox, picture, against='auto', **options)
    assert found[0].blank is None and found[0].against
    assert not np.allclose(plain[0].normalised, found[0].normalised, atol=1e-3)


def test_contrasts_that_cannot_be_had_are_refused(yolox, picture):
    with pytest.raises(MmlensError, match="^The model knows no class 'cow': it knows"):
        contrasts(yolox, picture, 'cow')
    with pytest.raises(MmlensError, match="^`against` contrasts the scores of classes: leave `target` at 'score'.$"):
        explain_boxes(yolox, picture, target='box', against='auto')
    with pytest.raises(MethodError, match='follows no candidate, .* leave out `against`.$'):
        explain_boxes(yolox, picture, method='drise', against='auto')
    with pytest.raises(MethodError, match="^Method 'eigencam' shows only what speaks for a target: leave out `signed`"):
        explain_boxes(yolox, picture, method='eigencam', signed=True)


@pytest.mark.parametrize('kind', ['detr', 'dino'])
def test_attention_by_other_ways_makes_the_same_maps(kind, picture, monkeypatch, request):
    detector = copy.deepcopy(request.getfixturevalue(kind))
    detector.model.double()  # in which nothing but the way differs
    monkeypatch.setattr(windows, 'WORTH_IT', 0)
    ran = set()
    for function in (deformable._bags, self_attention._in_parts):
        monkeypatch.setattr(*_noted(function, ran))

    def maps():
        return explain_boxes(detector, picture, method='gradcam', score_thr=0, topk=2)

    found = maps()
    assert ran == ({'_bags', '_in_parts'} if kind == 'dino' else {'_in_parts'})
    ran.clear()
    for function in (graph.attend, torch.nn.functional.multi_head_attention_forward):
        monkeypatch.delitem(graph._OTHERWISE, function)
    expected = maps()
    assert not ran and len(found) == len(expected) == 2
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours.box, theirs.box, rtol=1e-6)
        np.testing.assert_allclose(ours.raw, theirs.raw, rtol=1e-5, atol=1e-6 * theirs.raw.max())
        assert theirs.raw.max() > 0


def _noted(function, ran):
    """What to set, so that ``ran`` tells whether a function of a module was called."""

    def noted(*args):
        ran.add(function.__name__)
        return function(*args)

    return sys.modules[function.__module__], function.__name__, noted
