"""The input cut into regions: of whole pictures, and what is added up over them."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from mmlens.attribution.methods.regions import Regions, cut


def quarters():
    """Four squares of four colours."""
    picture = torch.zeros(3, 40, 60)
    picture[0, :20, :30], picture[1, :20, 30:], picture[2, 20:, :30] = 200.0, 150.0, 250.0
    return picture


def test_regions_keep_to_the_edges_of_colours():
    regions = cut(quarters(), 24)
    colours = np.unique(quarters().permute(1, 2, 0).reshape(-1, 3).numpy(), axis=0, return_inverse=True)[1].reshape(-1)
    shared = np.bincount(regions.labels.numpy().ravel() * 4 + colours, minlength=4 * regions.count).reshape(-1, 4)
    assert 12 <= regions.count <= 36 and (shared.max(1) / shared.sum(1)).mean() > 0.95


@pytest.mark.parametrize('scale', [(1.0, 0.0), (1 / 255, -0.5), (0.0, 3.0)])
def test_numbers_have_no_gaps_and_areas_are_shares_of_the_picture(scale):
    regions = cut(quarters() * scale[0] + scale[1], 10)
    numbers, pixels = np.unique(regions.labels.numpy(), return_counts=True)
    assert numbers.tolist() == list(range(regions.count))
    np.testing.assert_allclose(regions.areas, pixels / 2400)
    assert regions.areas.sum() == pytest.approx(1) and 5 <= regions.count <= 15


def test_pixels_and_sums_by_hand():
    regions = Regions(torch.tensor([[0, 0, 1], [2, 1, 1]]), np.array([2, 3, 1]) / 6)
    chosen = np.array([True, False, True])
    assert regions.pixels(chosen).tolist() == [[True, True, False], [True, False, False]]
    assert regions.sums(torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])).tolist() == [3.0, 52.0, 8.0]


def test_without_scikit_image_a_sentence_says_what_to_install():
    code = (
        'import sys; sys.modules["skimage"] = None\n'
        'import torch; from mmlens.attribution.methods.regions import cut; from mmlens.compat import DependencyError\n'
        'try: cut(torch.zeros(3, 8, 8), 4)\n'
        'except DependencyError as error: print(error)'
    )
    said = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True, check=True)
    assert said.stdout == 'skimage is not installed; run `pip install scikit-image`.\n'
