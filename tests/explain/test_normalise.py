"""Raw maps -> normalised maps."""

import numpy as np
import pytest

from mmlens.explain.normalise import normalise, normalise_in_box


def test_normalise_scales_to_a_maximum_of_one():
    found = normalise(np.array([[0, 2], [4, 1]], np.float32))
    np.testing.assert_array_equal(found, np.array([[0, 0.5], [1, 0.25]], np.float32))
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    'raw', [np.zeros((2, 3)), np.zeros((0, 0)), np.zeros((0, 4), np.float32)], ids=['zeros', 'empty', 'no row']
)
def test_a_blank_map_stays_blank(raw):
    found = normalise(raw)
    assert found.shape == raw.shape
    assert not found.any()


def test_normalise_of_a_constant_and_of_tiny_numbers():
    np.testing.assert_array_equal(normalise(np.full((2, 2), 7, np.float32)), np.ones((2, 2), np.float32))
    tiny = normalise(np.array([[0, 1e-42]], np.float32))
    assert tiny.max() == 1
    assert np.isfinite(tiny).all()


RAW = np.arange(16, dtype=np.float32).reshape(4, 4)


def test_within_a_box_the_map_runs_from_zero_to_one():
    found = normalise_in_box(RAW, [1, 1, 3, 3])
    # Inside: 5 6 / 9 10.
    expected = np.zeros((4, 4), np.float32)
    expected[1:3, 1:3] = [[0, 0.2], [0.8, 1]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_pixel_is_inside_if_its_centre_is():
    found = normalise_in_box(RAW, [0.6, 1.4, 2.4, 3.4])
    assert {tuple(at) for at in np.argwhere(found > 0)} == {(2, 1)}  # (1, 1) is the minimum
    assert found[2, 1] == 1


def test_a_pixel_that_a_tiny_box_touches_is_inside():
    found = normalise_in_box(RAW, [1.9, 1.9, 2.1, 2.1])
    assert {tuple(at) for at in np.argwhere(found > 0)} == {(1, 2), (2, 1), (2, 2)}  # (1, 1) is the minimum
    assert found[2, 2] == 1


@pytest.mark.parametrize(
    ('box', 'inside'),
    [
        ([-5, -5, 2, 2], (slice(0, 2), slice(0, 2))),
        ([2, 3, 50, 50], (slice(3, 4), slice(2, 4))),
        ([-np.inf, 0, np.inf, 1], (slice(0, 1), slice(0, 4))),
    ],
)
def test_a_box_is_clipped_to_the_map(box, inside):
    found = normalise_in_box(RAW, box)
    mask = np.zeros((4, 4), bool)
    mask[inside] = True
    assert found[mask].max() == 1
    assert found[mask].min() == 0
    assert not found[~mask].any()


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize(
    'box', [[4, 4, 9, 9], [-9, -9, -1, -1], [2, 2, 2, 2], [3, 3, 1, 1], [0, 9, 4, 12], [np.nan] * 4]
)
def test_a_box_without_an_inside_gives_a_blank_map(box):
    assert not normalise_in_box(RAW, np.array(box, np.float32)).any()


def test_constants_within_a_box():
    ones = np.ones((4, 4), np.float32)
    found = normalise_in_box(ones, [0, 0, 2, 2])
    assert found.sum() == 4
    assert not normalise_in_box(0 * ones, [0, 0, 2, 2]).any()
    single = normalise_in_box(RAW, [2, 2, 3, 3])
    assert single[2, 2] == 1
    assert single.sum() == 1


def test_the_input_is_not_changed():
    raw = RAW.copy()
    normalise(raw)
    normalise_in_box(raw, [0, 0, 2, 2])
    np.testing.assert_array_equal(raw, RAW)
