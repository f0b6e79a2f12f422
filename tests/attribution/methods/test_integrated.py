"""Integrated gradients: completeness, figures by hand, and against a slow integral; where the steps are put."""

import numpy as np
import pytest
import torch

from mmlens import explain_boxes
from mmlens.attribution.methods import PassJob, get_method, integrated
from mmlens.attribution.methods.integrated import SPREAD, integrated_gradients
from mmlens.attribution.passes.altering import blurred, one_colour
from mmlens.attribution.passes.runs import Runs
from mmlens.errors import MethodError

SIZE = (12, 16)
RANDOM = torch.Generator().manual_seed(1)
INPUTS = torch.rand(1, 3, *SIZE, generator=RANDOM)
WEIGHTS = torch.randn(2, 3, *SIZE, generator=RANDOM)
STARTS = {'blur': blurred(INPUTS[0]), 'grey': one_colour(INPUTS[0])}


class Formula(Runs):
    """Targets that are a function of one weighted sum each."""

    identity = 'formula'

    def __init__(self, function, size=3):
        self.function, self.size, self.passes, self.graphs = function, size, 0, 0

    @property
    def reference(self):
        return self._values(INPUTS)[0]

    def _values(self, altered):
        return self.function(torch.einsum('bchw,nchw->bn', altered, WEIGHTS))

    def batch_size(self, level=None, items=None):
        return self.size

    def at_input(self, altered):
        assert len(altered) <= self.size
        self.passes += len(altered)
        return self._values(altered)

    def with_graph(self, altered):
        self.graphs += len(altered)
        with torch.enable_grad():
            return self.at_input(altered)


def job_of(function, size=3, progress=None, **options):
    complete = get_method('integratedgradients').complete(options)
    return PassJob([], Formula(function, size), INPUTS, [], True, complete, progress)


def spread(maps):
    """Maps (N, H, W) as they are drawn."""
    return blurred(maps, SPREAD)


def maps_of(job):
    return torch.stack([values for (values,) in integrated_gradients(job)]).numpy()


@pytest.mark.parametrize('baseline', ['blur', 'grey'])
@pytest.mark.parametrize('steps', [1, 5])
def test_of_a_linear_target_each_pixel_adds_its_own_part(baseline, steps):
    job = job_of(lambda sums: 3 * sums, baseline=baseline, steps=steps)
    expected = spread((3 * WEIGHTS * (INPUTS - STARTS[baseline])).sum(1))
    np.testing.assert_allclose(maps_of(job), expected, rtol=1e-4, atol=1e-5)
    assert job.notes == [] and job.runs.passes == job.done == job.total == steps + min(steps, 8) + 1


def slow(function, baseline, count):
    """The integral in so many even steps, in double precision, target by target."""
    start, end, found = STARTS[baseline].double(), INPUTS[0].double(), []
    for weights in WEIGHTS.double():
        total = torch.zeros_like(end)
        for step in range(count):
            place = (start + (step + 0.5) / count * (end - start)).requires_grad_()
            (gradient,) = torch.autograd.grad(function((place * weights).sum()), place)
            total += gradient / count
        found.append(((end - start) * total).sum(0))
    return spread(torch.stack(found)).numpy()


@pytest.mark.parametrize('baseline', ['blur', 'grey'])
@pytest.mark.parametrize('size', [1, 4])
def test_the_slow_integral_and_completeness(baseline, size):
    def function(sums):
        return torch.tanh(sums) + 0.1 * sums**2

    job = job_of(function, size, baseline=baseline, steps=40)
    found = maps_of(job)
    np.testing.assert_allclose(found, slow(function, baseline, 2000), rtol=0.01, atol=0.01 * np.abs(found).max())
    values = [job.runs._values(place)[0] for place in (INPUTS, STARTS[baseline][None])]
    np.testing.assert_allclose(found.sum((1, 2)), values[0] - values[1], rtol=0.01)
    assert job.notes == []


def test_steps_are_the_shortest_where_the_target_changes_most():
    """All of the change is a step of the sigmoid near the input, far steeper than even steps could follow."""

    def function(sums):
        first, last = (torch.einsum('chw,nchw->n', place, WEIGHTS) for place in (STARTS['grey'], INPUTS[0]))
        return torch.sigmoid(100 * ((sums - first) / (last - first) - 0.93))

    job = job_of(function, baseline='grey', steps=80)
    assert maps_of(job).sum((1, 2)) == pytest.approx([1, 1], rel=0.01) and job.notes == []


def place_of(sums):
    """How far along the way from grey to the input weighted sums lie, for both targets."""
    first, last = (torch.einsum('chw,nchw->n', place, WEIGHTS) for place in (STARTS['grey'], INPUTS[0]))
    return (sums - first) / (last - first)


def ramp(places, step):
    """From 0 to 1 within the middle third of one of the eight first steps, 24 times as steep as the whole way."""
    return ((places - step / 8 - 1 / 24) * 24).clamp(0, 1)


@pytest.mark.parametrize('size', [1, 3, 16])
@pytest.mark.parametrize('held', [0, 10**9])
def test_by_hand_two_steps_are_divided_and_no_other(size, held, monkeypatch):
    """The one target changes in the first step alone, the other in the last: each adds up to 24 / 8 = 3 instead of 1.

    Their thirds add up to 0, 24 / 24 = 1 and 0. That is 8 gradients and 9 ends, then 4 of each.
    """
    monkeypatch.setattr(integrated, '_HELD', held)
    job = job_of(lambda sums: torch.stack([ramp(place_of(sums)[..., n], 7 * n) for n in (0, 1)], -1), size)
    job.options['baseline'] = 'grey'
    assert maps_of(job).sum((1, 2)) == pytest.approx([1, 1], rel=1e-3) and job.notes == []
    assert job.runs.graphs == 12 and job.runs.passes == job.done == job.total == 25


def test_the_worst_steps_are_divided_first():
    """An early step is off by 0.2, and a late one by 2: the only one that may be divided is the late one."""

    def function(sums):
        return 0.1 * ramp(place_of(sums), 1) + ramp(place_of(sums), 6)

    job = job_of(function, baseline='grey', steps=10)
    assert maps_of(job).sum((1, 2)) == pytest.approx([1.3, 1.3], rel=1e-3)
    (note,) = job.notes
    assert '(the worst: 1.30 instead of 1.10)' in note and job.runs.graphs == 10
    job = job_of(function, baseline='grey', steps=12)
    assert maps_of(job).sum((1, 2)) == pytest.approx([1.1, 1.1], rel=1e-3) and job.notes == []
    assert job.runs.graphs == 12 and job.runs.passes == 12 + 9 + 4


def test_what_is_off_counts_as_a_share_of_each_targets_own_change():
    """The first target is off by 0.2 of 10.1, the other by 0.02 of 0.11: the latter is divided."""

    def function(sums):
        places = place_of(sums)
        one, other = places[..., 0], places[..., 1]
        return torch.stack([10 * one + 0.1 * ramp(one, 1), 0.1 * other + 0.01 * ramp(other, 6)], -1)

    job = job_of(function, baseline='grey', steps=10)
    assert maps_of(job).sum((1, 2)) == pytest.approx([10.3, 0.11], rel=1e-3)


def test_steps_that_cancel_are_divided_too():
    """Two steps are off by 2 and by -2, which adds up to nothing."""

    def function(sums):
        return 10 * place_of(sums) + ramp(place_of(sums), 1) - ramp(place_of(sums), 6)

    job = job_of(function, baseline='grey')
    assert maps_of(job).sum((1, 2)) == pytest.approx([10, 10], rel=1e-3)
    assert job.runs.graphs == 12 and job.notes == []


@pytest.mark.parametrize(('end', 'total'), [(19, 6), (22, 6), (23, 4), (24, 4), (25, 2)])
def test_an_end_while_steps_are_divided_leaves_them_whole(end, total):
    """After 9 ends and 8 steps come 4 ends of thirds, and the outer thirds of the one and then of the other step."""
    job = job_of(
        lambda sums: ramp(place_of(sums), 1) + ramp(place_of(sums), 6),
        size=1,
        progress=lambda done, total: done < end,
        baseline='grey',
    )
    assert maps_of(job).sum((1, 2)) == pytest.approx([total, total], rel=1e-3)
    assert job.done == end and job.interrupted and job.notes == []


def test_what_does_not_add_up_is_told():
    job = job_of(lambda sums: torch.where(sums > 0.5 * job_mean(), sums * 0 + 5, sums * 0), steps=4)
    assert not maps_of(job).any()
    (note,) = job.notes
    assert note.startswith('The values of 2 of 2 maps do not add up to the change of the target within 1 % (the worst:')
    assert note.endswith('take more `steps`.')


def job_mean():
    """Between the sums at the two ends of the way, for both targets."""
    return torch.einsum('chw,nchw->n', STARTS['blur'] + INPUTS[0], WEIGHTS)


@pytest.mark.parametrize('end', [1, 9, 10, 16])
def test_an_early_end_gives_the_part_of_the_way_so_far(end):
    job = job_of(lambda sums: 2 * sums, size=1, steps=8, progress=lambda done, total: done < end)
    found = maps_of(job)
    assert job.interrupted and job.done == end and job.notes == []
    expected = spread((2 * WEIGHTS * (INPUTS - STARTS['blur'])).sum(1)) * (end > 9)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_steps_are_divided_where_they_are_off_and_no_more_than_asked_for():
    plain, steep = (job_of(function, steps=40) for function in (torch.tanh, lambda sums: torch.tanh(9 * sums)))
    for job in (plain, steep):
        maps_of(job)
        assert job.done == job.total == job.runs.passes
        assert job.runs.graphs <= 40 and job.done <= 9 + 40 + 32
    assert 17 <= plain.done < steep.done


def test_an_end_while_a_step_is_divided_leaves_it_out():
    job = job_of(torch.tanh, size=1, baseline='grey', steps=40, progress=lambda done, total: done < 11)
    assert job.interrupted is False and np.isfinite(maps_of(job)).all()
    assert job.interrupted and job.done <= 12


@pytest.mark.parametrize('options', [dict(steps=0), dict(baseline='black')])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(MethodError, match='^`steps` must be at least 1 and `baseline` one of blur, grey, not '):
        integrated_gradients(job_of(lambda sums: sums, **options))


@pytest.mark.parametrize('target', ['score', 'both'])
def test_on_a_detector_what_the_pixels_add_is_the_change_of_each_box(yolox, picture, target):
    found = explain_boxes(
        yolox,
        picture,
        method='integratedgradients',
        target=target,
        score_thr=0.3,
        topk=2,
        method_options=dict(steps=24),
    )
    assert len(found) == 2 and found.passes <= 21 and found.notes == [] and found.layers == ()
    assert all(box.normalised.max() == 1 and not box.blank for box in found)
