"""The region of a mask, from a picture."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mmlens.cli.commands import boxam
from mmlens.cli.region import region_of
from mmlens.errors import MmlensError

WANTED = np.zeros((4, 6), bool)
WANTED[1:3, 2:5] = True


def given(region, target='mask'):
    return SimpleNamespace(region=str(region), target=target)


@pytest.mark.parametrize('kind', ['grey', 'deep', 'colour', 'alpha'])
def test_what_is_not_black_counts(tmp_path, kind):
    grey = WANTED.astype(np.uint8) * 7
    opaque = np.full_like(grey, 255)
    made = {
        'grey': grey,
        'deep': grey.astype(np.uint16) * 1000,
        'colour': np.dstack([grey * 0, grey, grey * 0]),
        'alpha': np.dstack([grey, grey, grey, opaque]),
    }[kind]
    cv2.imwrite(str(tmp_path / 'r.png'), made)
    found = region_of(given(tmp_path / 'r.png'))
    assert found.dtype == bool and np.array_equal(found, WANTED)


def test_it_is_an_option_of_boxam():
    parser = boxam.build_parser()
    assert parser.parse_args(['a.png', 'c.py', '--target', 'mask', '--region', 'r.png']).region == 'r.png'
    assert region_of(parser.parse_args(['a.png', 'c.py'])) is None


def test_it_needs_a_mask_to_explain():
    with pytest.raises(MmlensError, match='^--region is where a mask is explained: it needs --target mask.$'):
        region_of(given('r.png', 'score'))


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (None, '^No picture .*r.png'),
        (b'', 'r.png cannot be read as a picture: give a PNG.$'),
        (b'no picture', 'r.png cannot be read as a picture: give a PNG.$'),
        (np.zeros((3, 3), np.uint8), 'r.png is black everywhere: leave the pixels that count white.$'),
    ],
)
def test_what_is_no_region_is_one_sentence(tmp_path, content, said):
    if isinstance(content, bytes):
        (tmp_path / 'r.png').write_bytes(content)
    elif content is not None:
        cv2.imwrite(str(tmp_path / 'r.png'), content)
    with pytest.raises(MmlensError, match=said):
        region_of(given(tmp_path / 'r.png'))
