"""D-RISE, against loops over the published estimate; its masks; its file."""

import numpy as np
import pytest
import torch

from mmlens.attribution.methods import get_method
from mmlens.attribution.methods.drise import drise, number_of_masks, random_mask
from mmlens.errors import MethodError, OutputError

SIZE = (8, 12)


def slow(made, count, grid=16, keep=0.5, seed=0):
    """``sum_k w_k M_k / sum_k M_k - mean_k w_k``, one mask and one pixel at a time."""
    masks = [random_mask(number, SIZE, grid, keep, seed) for number in range(count)]
    weights = [made.of_input(made.inputs[0] * torch.from_numpy(mask)).tolist() for mask in masks]
    found = np.zeros((3, *SIZE))
    for target in range(3):
        for row in range(SIZE[0]):
            for column in range(SIZE[1]):
                kept = sum(mask[row, column] for mask in masks)
                weighed = sum(weight[target] * mask[row, column] for weight, mask in zip(weights, masks))
                found[target, row, column] = weighed / kept - sum(weight[target] for weight in weights) / count
    return found


def run(made, **options):
    job = made.job('drise', **{'num_masks': 20, 'grid': 4, 'exact': True, **options})
    return torch.stack([saliency for (saliency,) in drise(job)]).numpy(), job


@pytest.mark.parametrize('options', [{}, {'keep': 0.3, 'seed': 7}, {'grid': 2}])
def test_the_published_estimate(made, options):
    found, job = run(made, **options)
    assert job.done == job.total == job.runs.passes == 20
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow(made, 20, **{'grid': 4, **options}), rtol=1e-4, atol=1e-6)


def test_what_matters_stands_out(made):
    """The target is one pixel: the map is largest there."""
    made.of_input = lambda one: one[0, 5, 9].reshape(1)
    found, _ = run(made, num_masks=400, grid=6)
    assert np.unravel_index(found[0].argmax(), SIZE) == (5, 9)


# ---------------------------------------------------------------- fitted


def test_the_fit_is_what_the_average_would_come_to(made):
    """The target is a sum of pixels: 60 masks fitted are nearer to 6000 averaged than 600 averaged are."""
    made.of_input = lambda one: (one[0, 5, 8:] + 0.5 * one[0, 1, :4]).sum().reshape(1) / 10
    exact, _ = run(made, num_masks=6000)
    fitted, job = run(made, num_masks=60, exact=False)
    averaged, _ = run(made, num_masks=600, seed=1)
    assert job.runs.passes == 60 and fitted.dtype == np.float32 and fitted.shape == (1, *SIZE)
    off = [np.abs(each - exact).mean() for each in (fitted, averaged)]
    assert off[0] < off[1] < 0.2 * exact.max()


def test_fitted_and_exact_try_the_same_masks(made, tmp_path):
    file = str(tmp_path / 'masks.npz')
    run(made, size=4, exact=False, resume=file)
    exact, job = run(made, size=4, resume=file)
    assert job.runs.passes == 0 and np.array_equal(exact, run(made, size=4)[0])


def test_a_target_that_no_mask_changes_has_no_map(made):
    made.of_input = lambda one: torch.tensor([0.3])
    assert np.abs(run(made, exact=False)[0]).max() < 1e-9


@pytest.mark.parametrize('end', [0, 1, 7])
def test_a_fit_of_few_masks_ends_well(made, end):
    found, job = run(made, size=1, exact=False, progress=interrupted_at(end))
    assert job.interrupted and np.isfinite(found).all()


@pytest.mark.parametrize(('options', 'count'), [({}, 150), ({'exact': True}, 1000), ({'num_masks': 3}, 3)])
def test_as_many_masks_as_the_estimate_needs(options, count):
    assert number_of_masks(get_method('drise').complete(options)) == count


# ---------------------------------------------------------------- masks


def test_a_mask_depends_on_its_number_and_the_seed_alone():
    first = random_mask(3, SIZE, 4, 0.5, 0)
    np.random.seed(1)
    torch.manual_seed(1)
    [random_mask(number, SIZE, 4, 0.5, 0) for number in range(3)]
    assert np.array_equal(random_mask(3, SIZE, 4, 0.5, 0), first)
    assert not np.array_equal(random_mask(4, SIZE, 4, 0.5, 0), first)
    assert not np.array_equal(random_mask(3, SIZE, 4, 0.5, 1), first)


def test_masks_take_no_random_numbers_from_others():
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    random_mask(0, SIZE, 4, 0.5, 0)
    assert torch.equal(torch.get_rng_state(), states[0]) and np.array_equal(np.random.get_state()[1], states[1])


@pytest.mark.parametrize('size', [(8, 12), (37, 53), (5, 5)])
@pytest.mark.parametrize('keep', [0.2, 0.7])
def test_masks_are_smooth_and_keep_their_share(size, keep):
    masks = np.stack([random_mask(number, size, 4, keep, 0) for number in range(300)])
    assert masks.shape == (300, *size) and masks.dtype == np.float32
    assert masks.min() >= 0 and masks.max() <= 1 + 1e-6
    assert masks.mean() == pytest.approx(keep, abs=0.03)
    assert abs(masks.mean(0) - keep).max() < 0.12  # everywhere alike: the grid is shifted


# ---------------------------------------------------------------- ended, and taken up again


def interrupted_at(number):
    return lambda done, total: done < number


@pytest.mark.parametrize('exact', [True, False])
@pytest.mark.parametrize('size', [1, 3, 4])
@pytest.mark.parametrize('ends', [[5], [1, 9, 13]])
def test_resumed_equals_uninterrupted_bit_for_bit(made, tmp_path, size, ends, exact):
    file = tmp_path / 'masks.npz'
    whole, _ = run(made, size=size, exact=exact)
    for end in ends:
        _, job = run(made, size=size, exact=exact, resume=str(file), progress=interrupted_at(end))
        assert job.interrupted
    resumed, job = run(made, size=size, exact=exact, resume=str(file))
    assert job.done == 20 and job.runs.passes < 20 and not job.interrupted
    assert np.array_equal(resumed, whole)
    again, job = run(made, size=size, exact=exact, resume=str(file))
    assert job.runs.passes == 0 and np.array_equal(again, whole)


@pytest.mark.parametrize('first', [8, 10])
def test_more_masks_go_on_where_fewer_ended(made, tmp_path, first):
    """A batch that was not full is run again: rounding may depend on which masks share one."""
    file = str(tmp_path / 'masks.npz')
    run(made, size=4, num_masks=first, resume=file)
    more, job = run(made, size=4, resume=file)
    assert job.runs.passes == 12
    assert np.array_equal(more, run(made, size=4)[0])


def test_fewer_masks_than_the_file_holds_are_enough(made, tmp_path):
    file = tmp_path / 'masks.npz'
    run(made, size=4, resume=str(file))
    kept = file.read_bytes()
    fewer, job = run(made, size=4, num_masks=8, resume=str(file))
    assert job.runs.passes == 0 and job.done == job.total == 8
    assert np.array_equal(fewer, run(made, size=4, num_masks=8)[0])
    assert file.read_bytes() == kept


def test_the_file_is_small(made, tmp_path):
    file = tmp_path / 'masks.npz'
    run(made, resume=str(file))
    with np.load(file) as kept:
        assert kept['weights'].shape == (20, 3)


@pytest.mark.parametrize('name', ['', 'file/masks.npz'])
def test_a_file_that_cannot_be_written_is_told_before_the_first_pass(made, tmp_path, name):
    (tmp_path / 'file').write_text('')
    job = made.job('drise', num_masks=20, grid=4, resume=str(tmp_path / name))
    with pytest.raises(OutputError) as error:
        drise(job)
    assert str(error.value) == f'Cannot write {tmp_path / name}: name another file with `resume`.'
    assert job.runs.passes == 0


def test_an_early_end_gives_the_estimate_so_far(made):
    found, job = run(made, size=4, progress=interrupted_at(8))
    assert job.done == 8 and job.total == 20
    np.testing.assert_allclose(found, slow(made, 8, grid=4), rtol=1e-4, atol=1e-6)


def test_weights_are_kept_when_a_pass_is_stopped(made, tmp_path, monkeypatch):
    """Ctrl-C at any moment: what was written now and then is there."""
    from mmlens.attribution.methods import kept

    monkeypatch.setattr(kept, '_SAVE_EVERY', 0.0)
    file = str(tmp_path / 'masks.npz')
    of_input, calls = made.of_input, []

    def stopping(one):
        calls.append(1)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return of_input(one)

    made.of_input = stopping
    job = made.job('drise', size=3, num_masks=20, grid=4, resume=file)
    reference, job.runs.__dict__['tensors'] = job.runs.reference, []
    with pytest.raises(KeyboardInterrupt):
        drise(job)
    made.of_input = of_input
    assert torch.equal(reference, made.of_input(made.inputs[0]))
    resumed, job = run(made, size=3, resume=file)
    assert 0 < job.runs.passes < 20
    assert np.array_equal(resumed, run(made, size=3)[0])


def write_nothing(file):
    file.write_bytes(b'')


def write_text(file):
    file.write_text('no weights')


def write_array(file):
    with open(file, 'wb') as stream:
        np.save(stream, np.zeros(3))


def write_other_arrays(file):
    np.savez(file, weights=np.zeros(3))


def cut_short(file):
    file.write_bytes(file.read_bytes()[:-200])


@pytest.mark.parametrize('spoil', [write_nothing, write_text, write_array, write_other_arrays, cut_short])
def test_a_file_that_holds_no_weights_is_refused_in_a_sentence(made, tmp_path, spoil):
    file = tmp_path / 'masks.npz'
    run(made, resume=str(file))
    spoil(file)
    spoiled = file.read_bytes()
    with pytest.raises(MethodError) as error:
        run(made, resume=str(file))
    assert str(error.value) == f'{file} holds no progress of D-RISE: delete it, or name another file with `resume`.'
    assert file.read_bytes() == spoiled


@pytest.mark.parametrize('change', ['picture', 'boxes', 'seed', 'grid', 'keep', 'size'])
def test_a_file_of_something_else_is_refused_in_a_sentence(made, tmp_path, change):
    file = tmp_path / 'masks.npz'
    run(made, resume=str(file))
    options = {'seed': {'seed': 1}, 'grid': {'grid': 5}, 'keep': {'keep': 0.4}, 'size': {'size': 5}}.get(change, {})
    if change == 'picture':
        made.inputs = made.inputs * 0.99
    job = made.job('drise', **{'num_masks': 20, 'grid': 4, 'resume': str(file), **options})
    if change == 'boxes':
        job.runs.identity = 'other boxes'
    with pytest.raises(MethodError) as error:
        drise(job)
    assert str(error.value) == (
        f'{file} was started with another picture, other boxes or other options: delete it, or name another file with '
        '`resume`.'
    )


def test_a_folder_that_is_not_there_is_made(made, tmp_path):
    file = tmp_path / 'new' / 'masks.npz'
    run(made, resume=str(file), num_masks=1)
    assert [path.name for path in file.parent.iterdir()] == ['masks.npz']


def test_more_cells_than_pixels_are_refused(made):
    with pytest.raises(MethodError, match="^`grid` must be at most [0-9]+, the input's longer side, not 100000\\.$"):
        run(made, grid=100_000)


@pytest.mark.parametrize('options', [{'num_masks': 0}, {'grid': 0}, {'seed': -1}, {'keep': 0}, {'keep': 1.0}])
def test_options_that_make_no_sense_are_refused(made, options):
    with pytest.raises(
        MethodError, match='`num_masks` and `grid` must be at least 1, `seed` at least 0 and `keep` between 0 and 1'
    ):
        run(made, **options)
