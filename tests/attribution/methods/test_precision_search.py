"""Precision search: against a slow search of one target, on scores known by construction; ended, and taken up again."""

import numpy as np
import pytest
import torch

from mmlens.attribution.methods import PassJob, get_method
from mmlens.attribution.methods.precision_search import precision_search
from mmlens.attribution.methods.regions import cut
from mmlens.attribution.passes.altering import blurred
from mmlens.attribution.passes.runs import Runs
from mmlens.errors import MethodError, OutputError

SIZE = (40, 60)
REGIONS, PASSES = 24, 80


def quarters():
    """Squares of two colours, with a little noise."""
    random = torch.Generator().manual_seed(0)
    picture = torch.zeros(1, 3, *SIZE)
    for row in range(4):
        for column in range(6):
            picture[0, (row + column) % 3, 10 * row : 10 * row + 10, 10 * column : 10 * column + 10] = 1.0
    return picture + 0.1 * torch.rand(picture.shape, generator=random)


class SquareRuns(Runs):
    """Objects that are squares of pixels: each is found by how like the whole input these are."""

    identity = 'squares'

    def __init__(self, inputs, places, size=3):
        self.inputs, self.size, self.passes, self.asked = inputs, size, 0, []
        self.masks = torch.zeros(len(places), *SIZE)
        for mask, (row, column) in zip(self.masks, places):
            mask[10 * row : 10 * row + 10, 10 * column : 10 * column + 10] = 1

    @property
    def reference(self):
        return self._logits(self.inputs)[0]

    def _logits(self, altered):
        unlike = ((altered - self.inputs) ** 2).sum(1)
        return 3 - torch.einsum('bhw,nhw->bn', unlike, self.masks) / 5

    def batch_size(self, level=None, items=None):
        return self.size

    def with_graph(self, altered):
        self._note(altered)
        with torch.enable_grad():
            return self._logits(altered)

    def similarity(self, altered):
        self._note(altered)
        return self._logits(altered).sigmoid()

    def _note(self, altered):
        assert len(altered) <= self.size
        self.passes += len(altered)
        self.asked.append(altered.detach())


def job_of(places=((1, 2), (3, 5)), size=3, progress=None, inputs=None, **options):
    inputs = quarters() if inputs is None else inputs
    complete = get_method('precisionsearch').complete({'passes': PASSES, 'regions': REGIONS, **options})
    return PassJob([], SquareRuns(inputs, places, size), inputs, [], True, complete, progress)


def maps_of(job):
    return torch.stack([values for (values,) in precision_search(job)]).numpy()


def slow(inputs, place):
    """One target, one pass at a time, as the docstring tells it: the regions' order."""
    runs, regions, rounds = SquareRuns(inputs, [place]), cut(inputs[0], REGIONS), PASSES // 8
    labels, hidden = regions.labels, {'alone': blurred(inputs[0]), 'without': inputs[0].mean((1, 2), keepdim=True)}

    def shown(order, how):
        picture = inputs[0].clone()
        for region in range(regions.count):
            if (region in order) != (how == 'alone'):
                picture = torch.where(labels == region, hidden[how], picture)
        return picture

    def score(order, how):
        return float(runs.similarity(shown(order, how)[None])) / float(runs.similarity(inputs))

    def gains(order, how):
        goal = inputs[0] if how == 'alone' else hidden['without'].expand_as(inputs[0])
        picture = (0.8 * shown(order, how) + 0.2 * goal)[None].requires_grad_()
        (gradient,) = torch.autograd.grad(runs.with_graph(picture).sum(), picture)
        change = (gradient[0] * (inputs[0] - hidden[how])).sum(0).double()
        per_region = np.array([float(change[labels == region].sum()) for region in range(regions.count)])
        free = [region for region in range(regions.count) if region not in order]
        return per_region / max(abs(per_region[free]).sum(), 1e-12)

    order, found, left, mean = [], 0.0, 1.0, None
    for number in range(1, rounds + 1):
        share, ways = 0.64 * (number / rounds) ** 2, []
        alone = gains(order, 'alone')
        mean = alone if mean is None else (mean + alone) / 2
        if left > 0.03:
            without = gains(order, 'without')
            ways = [max(1 - found, 0.05) * alone + left * without, alone, without]
        else:
            ways = [alone, mean]
        best = None
        for way in ways:
            more, density = [], way / regions.areas
            for region in sorted(set(range(regions.count)) - set(order), key=lambda region: -density[region]):
                if regions.areas[[*order, *more]].sum() >= share - 1e-12 or more and density[region] <= 0:
                    break
                more.append(region)
            now = score([*order, *more], 'alone'), score([*order, *more], 'without') if left > 0.03 else left
            if best is None or now[0] - now[1] > best[1] - best[2] + 1e-9:
                best = more, *now
        more, found, left = best
        order = order + more
    return order, labels.numpy()


def order_in(values, labels):
    """Regions by falling value in a map; each has one value."""
    tops = [values[labels == region] for region in range(labels.max() + 1)]
    assert all(top.min() == top.max() for top in tops)
    ranked = [float(top[0]) for top in tops]
    assert len(set(ranked)) == len(ranked)  # no ties
    return [int(region) for region in np.argsort(-np.array(ranked))]


@pytest.mark.parametrize('place', [(1, 2), (3, 5), (0, 0)])
@pytest.mark.parametrize('size', [1, 3])
def test_the_slow_search_picks_the_same_regions_in_the_same_order(place, size):
    inputs = quarters()
    expected, labels = slow(inputs, place)
    (values,) = maps_of(job_of([place], size))
    assert values.dtype == np.float32 and values.shape == SIZE and values.min() >= 0 and values.max() <= 1
    assert order_in(values, labels)[: len(expected)] == expected


def test_the_square_that_makes_an_object_comes_first():
    first, second = maps_of(job_of())
    for values, (row, column) in ((first, (1, 2)), (second, (3, 5))):
        inside = np.zeros(SIZE, bool)
        inside[10 * row : 10 * row + 10, 10 * column : 10 * column + 10] = True
        assert inside[np.unravel_index(values.argmax(), SIZE)]
        assert values[inside].mean() > 0.75 > 0.25 > values[~inside].mean()


def test_boxes_share_batches_and_do_not_disturb_each_other():
    together = job_of(size=4)
    maps = maps_of(together)
    alone = [maps_of(job_of([place], size=4))[0] for place in ((1, 2), (3, 5))]
    np.testing.assert_array_equal(maps, np.stack(alone))
    assert max(len(asked) for asked in together.runs.asked) == 4


def test_the_budget_holds_and_progress_counts_what_need_not_be_run():
    told = []
    job = job_of(progress=lambda done, total: told.append((done, total)) or True)
    maps_of(job)
    assert job.done == job.total == 2 * PASSES and not job.interrupted
    assert job.runs.passes <= 2 * PASSES + 2  # and two of the sharp and the blurred input
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {total for _, total in told} == {2 * PASSES} and told[-1][0] <= 2 * PASSES


@pytest.mark.parametrize('end', [0, 2, 30, 101])
def test_an_early_end_gives_the_regions_found_so_far(end):
    whole = maps_of(job_of())
    job = job_of(progress=lambda done, total: done < end)
    maps = maps_of(job)
    assert job.interrupted and job.done < job.total
    if end < 10:
        assert not maps.any()
        return
    labels = cut(quarters()[0], REGIONS).labels.numpy()
    for some, every in zip(maps, whole):
        picked = order_in(some, labels)[: max(1, end // 40)]
        assert picked == order_in(every, labels)[: len(picked)]


@pytest.mark.parametrize('ends', [[0], [25], [16, 60, 101]])
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, ends):
    file, uninterrupted = tmp_path / 'search.npz', job_of()
    whole = maps_of(uninterrupted)
    for end in ends:
        job = job_of(resume=str(file), progress=lambda done, total, end=end: done < end)
        maps_of(job)
        assert job.interrupted
    job = job_of(resume=str(file))
    assert np.array_equal(maps_of(job), whole) and job.done == job.total
    assert ends == [0] or job.runs.passes < uninterrupted.runs.passes
    again = job_of(resume=str(file))
    assert np.array_equal(maps_of(again), whole) and again.runs.passes == 2


@pytest.mark.parametrize('change', [dict(passes=88), dict(regions=30), dict(size=2), dict(inputs=quarters() * 0.99)])
def test_a_file_of_something_else_is_refused(tmp_path, change):
    file = str(tmp_path / 'search.npz')
    maps_of(job_of(resume=file))
    with pytest.raises(MethodError, match='was started with another picture, other boxes or other options'):
        precision_search(job_of(resume=file, **change))


def test_a_file_that_cannot_be_written_is_told_before_the_first_pass(tmp_path):
    job = job_of(resume=str(tmp_path))
    with pytest.raises(OutputError, match='name another file with `resume`'):
        precision_search(job)
    assert job.runs.passes == 0


def test_an_object_that_nothing_makes_has_a_blank_map():
    class Always(SquareRuns):
        def similarity(self, altered):
            return torch.full((len(altered), 1), 0.7)

        def with_graph(self, altered):
            return super().with_graph(altered).detach().requires_grad_()  # no graph reaches the input

    job = job_of()
    job.runs = Always(job.inputs, [(1, 2)])
    assert not maps_of(job).any()


@pytest.mark.parametrize('options', [dict(passes=7), dict(regions=1), dict(passes=0)])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(MethodError, match='^`passes` must be at least 8 and `regions` at least 2, not [0-9]+ and '):
        precision_search(job_of(**options))
