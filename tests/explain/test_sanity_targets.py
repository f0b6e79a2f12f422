"""The same candidates while weights change."""

from __future__ import annotations

import pytest
import torch

from mmlens.attribution.class_scores import ClassScores, watching
from mmlens.attribution.redraw import Part, draw_anew, weights_kept
from mmlens.attribution.restore import evaluating
from mmlens.attribution.tap import Tap
from mmlens.explain.sanity_targets import CandidateTargets


def asked_twice(detector, picture, part, change):
    """The logits of two candidates before and after a change of a part's weights, and the targets."""
    targets = CandidateTargets(detector, picture, 'score', lambda found: [0, 1])
    child = getattr(detector.model, part)
    layers = {'neck': detector.model.neck}
    values = []
    whole = Part(part, list(child.parameters()))
    with evaluating(detector.model), weights_kept([whole]):
        for step in range(2):
            with Tap(detector.model, layers) as tap:
                values.append(torch.stack(targets.scalars(tap)).detach())
            if step == 0 and change:
                draw_anew(whole, torch.Generator().manual_seed(0))
        seen = ClassScores(detector.num_classes)
        with torch.no_grad(), watching(seen):
            targets.run(1)
    # Both heads squash one tensor with an axis for each index of a candidate and one for the classes.
    axes = targets._followed[0][0].places.shape[1] + 1
    (whole_head,) = (each.logits for each in seen.seen if each.logits.ndim == axes)
    rows = [candidate.rows(whole_head)[label] for candidate, label in targets._followed]
    return values, torch.stack(rows), targets


@pytest.mark.parametrize('name', ['yolox', 'faster_rcnn'])
def test_without_a_change_the_logits_are_the_same(request, name, picture):
    (before, after), again, targets = asked_twice(request.getfixturevalue(name), picture, 'neck', change=False)
    torch.testing.assert_close(before, after)
    torch.testing.assert_close(before, again, rtol=1e-4, atol=1e-4)
    assert targets.lost == [False, False] and targets.without == 0


@pytest.mark.parametrize(('name', 'part'), [('yolox', 'bbox_head'), ('faster_rcnn', 'rpn_head')])
def test_candidates_stay_where_they_were_whatever_the_weights(request, name, part, picture):
    (before, after), again, targets = asked_twice(request.getfixturevalue(name), picture, part, change=True)
    assert targets.lost == [False, False] and not torch.equal(before, after)
    torch.testing.assert_close(after, again, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_followed_is_lost(yolox, picture):
    targets = CandidateTargets(yolox, picture, 'score', lambda found: [0])
    with evaluating(yolox.model), Tap(yolox.model, {'neck': yolox.model.neck}) as tap:
        (logit,) = targets.scalars(tap)
        (candidate, label), nothing = targets._followed[0], ClassScores(3)
        assert logit.requires_grad and targets._logit(candidate, label, nothing) is None
