"""Choices of post-processing: recorded once, made again whatever the scores are then."""

import operator

import pytest
import torch
from torch import nn

from mmlens.attribution.passes.selection import Diverged, Selection

FIRST = torch.tensor([[0.9, 0.1, 0.5], [0.2, 0.8, 0.3]])
THEN = torch.tensor([[10.0, 20.0, 30.0], [60.0, 50.0, 40.0]])


def followed(function, first=FIRST, then=THEN, depth=lambda: 0):
    """What a function returns for ``then`` with the choices that it made for ``first``."""
    selection = Selection(depth)
    with selection.record():
        recorded = function(first)
    plain = function(first)
    assert all(torch.equal(a, b) for a, b in zip(_tensors(recorded), _tensors(plain)))
    with selection.follow():
        return function(then)


def _tensors(value):
    return [value] if isinstance(value, torch.Tensor) else list(value)


COMPARISONS = ['gt', 'ge', 'lt', 'le', 'eq', 'ne']


@pytest.mark.parametrize('name', COMPARISONS)
@pytest.mark.parametrize('owner', [operator, torch, torch.Tensor], ids=['operator', 'function', 'method'])
def test_masks(name, owner):
    compare = getattr(owner, name)
    expected = THEN[compare(FIRST, 0.5)]
    assert torch.equal(followed(lambda x: x[compare(x, 0.5)]), expected)


def test_a_comparison_read_from_right_to_left():
    assert followed(lambda x: x[0.4 < x]).tolist() == [10, 30, 50]  # noqa: SIM300


@pytest.mark.parametrize(
    ('choose', 'values', 'indices'),
    [
        (lambda x: x.topk(2), [[10, 30], [50, 40]], [[0, 2], [1, 2]]),
        (lambda x: torch.topk(x, k=1, dim=0), [[10, 50, 30]], [[0, 1, 0]]),
        (lambda x: x.topk(1, 0, largest=False), [[60, 20, 40]], [[1, 0, 1]]),
        (lambda x: x.sort(), [[20, 30, 10], [60, 40, 50]], [[1, 2, 0], [0, 2, 1]]),
        (lambda x: torch.sort(x, descending=True), [[10, 30, 20], [50, 40, 60]], [[0, 2, 1], [1, 2, 0]]),
        (lambda x: torch.sort(x, 0, True), [[10, 50, 30], [60, 20, 40]], [[0, 1, 0], [1, 0, 1]]),
        (lambda x: x.sort(stable=True, dim=0), [[60, 20, 40], [10, 50, 30]], [[1, 0, 1], [0, 1, 0]]),
        (lambda x: x.max(1), [10, 50], [0, 1]),
        (lambda x: torch.max(x, dim=0), [10, 50, 30], [0, 1, 0]),
        (lambda x: x.max(-1, keepdim=True), [[10], [50]], [[0], [1]]),
        (lambda x: torch.min(x, 1, True), [[20], [60]], [[1], [0]]),
        (lambda x: x.kthvalue(2), [30, 40], [2, 2]),
        (lambda x: x.kthvalue(1, 0), [60, 20, 40], [1, 0, 1]),
    ],
)
def test_values_are_those_of_now_at_the_places_of_then(choose, values, indices):
    found = followed(choose)
    assert found.values.tolist() == values and found.indices.tolist() == indices
    assert type(found) is type(choose(FIRST))


@pytest.mark.parametrize(
    ('choose', 'expected'),
    [
        (lambda x: x.argmax(), 0),
        (lambda x: torch.argmax(x, 1), [0, 1]),
        (lambda x: x.argmin(0), [1, 0, 1]),
        (lambda x: x.argsort(descending=True), [[0, 2, 1], [1, 2, 0]]),
        (lambda x: (x * (x > 0.4)).nonzero(), [[0, 0], [0, 2], [1, 1]]),
        (lambda x: torch.nonzero(input=x.gt(0.4)), [[0, 0], [0, 2], [1, 1]]),
        (lambda x: torch.stack((x - 0.5).clamp_min(0).nonzero(as_tuple=True)), [[0, 1], [0, 1]]),
        (lambda x: torch.stack(torch.where(x > 0.4)), [[0, 0, 1], [0, 2, 1]]),
    ],
)
def test_indices(choose, expected):
    then = THEN.flip(1)
    assert followed(choose, then=then).tolist() == expected
    plain = choose(then)
    assert plain.tolist() != expected


@pytest.mark.parametrize(
    'function',
    [
        lambda x: torch.max(x, x.flip(1)),
        lambda x: x.max(x.flip(1)),
        lambda x: torch.min(x, x.flip(1)),
        lambda x: x.max(),
        lambda x: x.amax(1),
        lambda x: x.clamp(0.2, 20),
        lambda x: x.relu(),
        lambda x: torch.where(torch.ones_like(x, dtype=torch.bool), x, -x),
    ],
)
def test_what_is_no_choice_is_computed_anew(function):
    assert torch.equal(followed(function), function(THEN))


def test_masks_that_are_put_together_in_place():
    def keep(x):
        mask = x > 0.15
        mask &= x < 0.85
        mask[0, 2] = False
        return x[mask]

    assert followed(keep).tolist() == [60, 50, 40]
    # Twice: what was recorded is not what the function writes to.
    selection = Selection(lambda: 0)
    with selection.record():
        keep(FIRST)
    for _ in range(2):
        with selection.follow():
            assert keep(THEN).tolist() == [60, 50, 40]


def test_a_comparison_with_what_is_no_number():
    assert torch.equal(followed(lambda x: x if x != None else -x), THEN)  # noqa: E711


def test_loops_and_branches_take_the_recorded_way():
    def best(x):
        scores, labels = x.max(1)
        if (scores > 0.85).any():
            scores = scores * 2
        return torch.stack([score for score, good in zip(scores, scores > 1.7) if good]), labels

    scores, labels = followed(best)
    assert scores.tolist() == [20] and labels.tolist() == [0, 1]
    assert best(THEN)[0].tolist() == [60, 120]


def test_nothing_changes_places_through_a_whole_post_processing():
    def found(scores, boxes):
        """(score, box, candidate) of what a detector keeps, slowly."""
        best, labels = scores.max(1)
        kept = (best > 0.2).nonzero().squeeze(1)
        order = best[kept].argsort(descending=True)
        kept = kept[order][:3]
        return best[kept], labels[kept], boxes[kept], kept

    random = torch.Generator().manual_seed(0)
    scores, then = torch.rand(20, 4, generator=random), torch.rand(20, 4, generator=random)
    boxes, moved = torch.rand(20, 4, generator=random), torch.rand(20, 4, generator=random)
    selection = Selection(lambda: 0)
    with selection.record():
        _, labels, _, kept = found(scores, boxes)
    with selection.follow():
        now = found(then, moved)
    assert now[3].tolist() == kept.tolist() and now[1].tolist() == labels.tolist()
    assert now[0].tolist() == [then[k, c].item() for k, c in zip(kept, labels)]  # its own class, not the best of now
    assert torch.equal(now[2], moved[kept])
    assert found(then, moved)[3].tolist() != kept.tolist()


def test_choices_inside_modules_are_not_frozen():
    class Gate(nn.Module):
        def forward(self, x):
            nonlocal depth
            depth += 1
            try:
                return x * (x > 0.4) + x.topk(1).values
            finally:
                depth -= 1

    depth, gate = 0, Gate()
    expected = gate(THEN)[FIRST > 0.4]
    found = followed(lambda x: gate(x)[x > 0.4], depth=lambda: depth)
    assert torch.equal(found, expected)


# ---------------------------------------------------------------- ways to part


@pytest.mark.parametrize(
    ('first', 'then', 'why'),
    [
        (lambda x: x > 0, lambda x: x < 0, 'gt'),
        (lambda x: x > 0, lambda x: (x > 0, x.topk(1)), 'nothing was recorded'),
        (lambda x: (x > 0, x.topk(1)), lambda x: x > 0, 'fewer'),
        (lambda x: x > 0, lambda x: x[:1] > 0, 'recorded'),
        (lambda x: x.topk(2), lambda x: x.sort(), 'topk'),
    ],
)
def test_other_choices_diverge(first, then, why):
    selection = Selection(lambda: 0)
    with selection.record():
        first(FIRST)
    with pytest.raises(Diverged, match=why), selection.follow():
        then(THEN)
    # What was recorded is still there.
    with selection.follow():
        first(THEN)


def test_what_a_pass_raises_is_not_hidden_by_choices_not_made():
    selection = Selection(lambda: 0)
    with selection.record():
        assert (FIRST > 0).any()
    with pytest.raises(ZeroDivisionError), selection.follow():
        raise ZeroDivisionError
    assert not torch.overrides._get_current_function_mode_stack()


def test_a_new_record_replaces_the_old():
    selection = Selection(lambda: 0)
    for values, expected in ((FIRST, [10, 50]), (-FIRST, [20, 60])):
        with selection.record():
            values.max(1)
        with selection.follow():
            assert THEN.max(1).values.tolist() == expected


# ---------------------------------------------------------------- choices that no torch function makes


def test_a_choice_of_ones_own():
    calls = []

    def suppress(x):
        calls.append(1)
        return (x[:, 0] > 0.5).nonzero().squeeze(1)  # within a choice nothing is recorded

    selection = Selection(lambda: 0)
    with selection.record():
        assert selection.watches
        assert selection.choose('nms', FIRST, lambda: suppress(FIRST)).tolist() == [0]
    with selection.follow():
        assert selection.choose('nms', THEN, lambda: suppress(THEN)).tolist() == [0]
    assert len(calls) == 1
    with pytest.raises(Diverged, match='soft_nms'), selection.follow():
        selection.choose('soft_nms', THEN, list)
    with pytest.raises(Diverged, match='nms of'), selection.follow():
        selection.choose('nms', THEN[:1], list)


def test_a_choice_that_raises_does_not_end_the_watching():
    selection = Selection(lambda: 0)
    with selection.record():
        with pytest.raises(ZeroDivisionError):
            selection.choose('nms', FIRST, lambda: 1 / 0)
        assert selection.watches


def test_what_is_paused_is_computed_anew():
    selection = Selection(lambda: 0)

    def both(x):
        with selection.paused():
            assert not selection.watches
            anew = x[x > 0.45].argmax()  # of as many as there are now
        return anew, x.argmax()

    with selection.record():
        both(FIRST)
    with selection.follow():
        anew, followed = both(THEN)
    assert (anew.item(), followed.item()) == (3, 0)


def test_within_modules_nothing_is_watched():
    assert not Selection(lambda: 1).watches


# ---------------------------------------------------------------- choices of one picture, for several


def by_batch(scores):
    """The two best of each picture, found for all pictures at once."""
    return scores.topk(2, 1)


def picture_by_picture(scores):
    return [of_one[of_one > 0.3].sort(descending=True).values for of_one in scores]


def one_after_the_other(scores):
    values, places = scores.topk(2, 1)
    return [(of_one[at] * 2).max(0).values for of_one, at in zip(scores, places)]


def level_by_level(scores):
    return [[of_one[:cut][of_one[:cut] > 0.3] for of_one in scores] for cut in (2, 3)]


def all_in_one_heap(scores):
    return scores.flatten().topk(2)


def across_pictures(scores):
    return scores.max(0)


ONE, ANY = FIRST[:1], torch.tensor([[1.0, 2.0, 3.0], [6.0, 5.0, 4.0], [7.0, 9.0, 8.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ('choose', 'spreads'),
    [
        (by_batch, True),
        (picture_by_picture, True),
        (one_after_the_other, True),
        (level_by_level, False),
        (all_in_one_heap, False),
        (across_pictures, False),
    ],
)
def test_choices_of_one_picture_are_spread_only_where_several_show_the_same(choose, spreads):
    one, two = Selection(lambda: 0), Selection(lambda: 0)
    with one.record():
        choose(ONE)
    with two.record():
        choose(torch.cat([ONE, ONE]))
    assert one.spreads(two, 2) == spreads
    if not spreads:
        return
    with one.follow(len(ANY)):
        together = choose(ANY)
    for number, scores in enumerate(ANY):
        with one.follow():
            (alone,) = zip(*by_batch(scores[None])) if choose is by_batch else choose(scores[None])
        of_one = [part[number] for part in together] if choose is by_batch else together[number]
        assert all(torch.equal(a, b) for a, b in zip(_tensors(of_one), _tensors(alone)))


def test_choices_that_were_spread_too_little_or_too_far_diverge():
    selection = Selection(lambda: 0)
    with selection.record():
        picture_by_picture(ONE)
    for pictures in (ANY[:2], ANY):
        with pytest.raises(Diverged), selection.follow(3):
            picture_by_picture(pictures)
    with selection.follow(3):
        assert [len(values) for values in picture_by_picture(ANY[:3])] == [2, 2, 2]


def test_what_copies_choose_by_themselves_is_not_spread():
    one, two = Selection(lambda: 0), Selection(lambda: 0)
    with one.record():
        by_batch(ONE)
    with two.record():
        by_batch(torch.tensor([[0.9, 0.1, 0.5], [0.1, 0.9, 0.5]]))
    assert not one.spreads(two, 2)
