"""The class logits of the same candidates in batches of copies."""

import pytest
import torch

from mmlens.attribution.class_scores import ClassScores, watching
from mmlens.attribution.graph import live_graph
from mmlens.explain.candidates import Candidates


@pytest.fixture
def logits():
    torch.manual_seed(0)
    return torch.randn(1, 5, 3)


def batch_at_once(batch):
    return batch.sigmoid()


def picture_after_picture(batch):
    return torch.stack([one.sigmoid() for one in batch])


@pytest.mark.parametrize('head', [batch_at_once, picture_after_picture])
def test_candidates_are_found_in_each_copy_and_read_where_they_were_altered(head, logits):
    kept = ClassScores(3)
    with live_graph(kept):
        scores = head(logits.clone().requires_grad_())[0]
    found = [kept.candidate(scores[row, label], label) for row, label in ((3, 1), (0, 2))]
    candidates = Candidates([*found, None], kept.seen, 3)
    with watching(candidates.renew()):
        head(logits.repeat(4, 1, 1))
    assert candidates.settle(4)
    altered = torch.randn(4, 5, 3)
    with watching(candidates.renew()):
        head(altered)
    for copy in range(4):
        first, second, nothing = candidates.logits(copy)
        torch.testing.assert_close(first, altered[copy, 3])
        torch.testing.assert_close(second, altered[copy, 0])
        assert nothing is None


def test_a_pass_in_which_they_are_not_is_told(logits):
    kept = ClassScores(3)
    with live_graph(kept):
        scores = batch_at_once(logits.clone().requires_grad_())[0]
    candidates = Candidates([kept.candidate(scores[3, 1], 1)], kept.seen, 3)
    with watching(candidates.renew()):
        batch_at_once(logits.repeat(2, 1, 1) + 1)
    assert not candidates.settle(2)
