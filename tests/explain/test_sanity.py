"""Maps of networks whose weights are drawn anew, against those of the trained ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmlens import check_sanity, load_classifier
from mmlens.errors import MmlensError
from mmlens.explain.sanity import correlation_after


def state_of(network):
    return {name: value.clone() for name, value in network.model.state_dict().items()}


def is_as_it_was(network, before):
    after = network.model.state_dict()
    flags = all(p.requires_grad and p.grad is None for p in network.model.parameters())
    return flags and after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


def test_a_detector(yolox, picture):
    before, told = state_of(yolox), []
    check = check_sanity(
        yolox, picture, methods=['GradCAM', 'eigencam'], topk=2, draws=1, progress=lambda *step: told.append(step)
    )
    assert is_as_it_was(yolox, before)
    assert check.methods == ('gradcam', 'eigencam') and len(check.boxes) == 2 and check.pictures == (0, 0)
    assert check.parts[:2] == ('bbox_head', 'neck') and check.parts[-1] == 'backbone, stride 2'
    assert check.correlations.shape == (2, 1, len(check.parts), 2) and np.abs(check.correlations).max() <= 1
    # EigenCAM at the neck does not know the head.
    np.testing.assert_allclose(check.correlations[1, 0, 0], 1, atol=1e-6)
    assert (check.correlations[0, 0, 0] < 0.99).all() and (check.correlations[1, 0, 1] < 0.99).all()
    assert told == [(step, len(check.parts)) for step in range(1, len(check.parts) + 1)]


def test_the_same_seed_gives_the_same_figures_whatever_other_pictures_come_along(yolox, picture):
    options = dict(methods=['gradcam'], topk=1, draws=1, seed=3)
    alone = check_sanity(yolox, picture, **options)
    both = check_sanity(yolox, [picture[:, ::-1].copy(), picture], **options)
    assert both.pictures == (0, 1)
    np.testing.assert_allclose(both.correlations[..., 1], alone.correlations[..., 0], atol=1e-6)


def test_proposals_are_followed(faster_rcnn, picture):
    check = check_sanity(faster_rcnn, picture, methods=['gradcam'], topk=1, draws=1, score_thr=0)
    assert check.parts[:3] == ('roi_head', 'rpn_head', 'neck') and not np.isnan(check.correlations).any()
    assert check.notes == faster_rcnn.notes


def test_a_classifier(config_of, picture):
    classifier = load_classifier(config_of('classifier'), device='cpu')
    before = state_of(classifier)
    check = check_sanity(classifier, picture, draws=2)
    assert is_as_it_was(classifier, before)
    assert check.methods == ('gradcam',) and len(check.boxes) == 1
    assert check.correlations.shape == (1, 2, len(check.parts), 1)


@pytest.mark.parametrize('error', [KeyboardInterrupt, ZeroDivisionError])
def test_a_network_is_given_back_as_it_was_after_an_error(yolox, picture, error):
    before = state_of(yolox)

    def stop(done, total):
        raise error

    with pytest.raises(error):
        check_sanity(yolox, picture, methods=['gradcam'], topk=1, progress=stop)
    assert is_as_it_was(yolox, before)


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (dict(methods=['drise']), "^Method 'drise' runs the network many times or by another engine: "),
        (dict(methods=['nocam']), "^Unknown method 'nocam'"),
        (dict(score_thr=1.0), '^There is no box to check: none of the wanted kind scores enough; lower `score_thr`.$'),
        (dict(draws=0), '^`draws` must be at least 1, not 0.$'),
        (dict(layers=['nolayer']), 'nolayer'),
    ],
)
def test_what_is_wrong_is_one_sentence(yolox, picture, options, sentence):
    before = state_of(yolox)
    with pytest.raises(MmlensError, match=sentence):
        check_sanity(yolox, picture, **options)
    assert is_as_it_was(yolox, before)
    with pytest.raises(MmlensError, match='^There is no picture'):
        check_sanity(yolox, [])


def test_networks_of_other_families_are_refused(config_of, picture):
    with pytest.raises(MmlensError, match='box maps need a detector'):
        check_sanity(config_of('fcn'), picture, device='cpu')


def test_a_blank_map_is_like_no_other_and_a_blank_original_says_nothing():
    ramp, flat, box = np.arange(16.0).reshape(4, 4), np.zeros((4, 4)), np.array([0, 0, 4, 4])
    assert correlation_after(ramp, ramp, box) == 1 and correlation_after(ramp, flat, box) == 0
    assert np.isnan(correlation_after(flat, ramp, box))
