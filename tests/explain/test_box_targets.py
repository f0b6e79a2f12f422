"""What is asked of a detector: which detections, worked out by hand, and what their numbers are."""

from __future__ import annotations

import pytest
import torch

from mmlens.attribution.methods import get_method
from mmlens.attribution.tap import Tap
from mmlens.errors import MethodError, MmlensError, PictureError
from mmlens.explain.box_targets import BoxTargets, select_detections
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
