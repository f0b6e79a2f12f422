from __future__ import annotations

import numpy as np

from mmlens.rendering.colours import INK, PALETTE
from mmlens.rendering.key import key_height, key_strip


def test_each_colour_has_a_chip_and_a_name() -> None:
    entries = [(f'class {n}', colour) for n, colour in enumerate(PALETTE[:3])]
    strip = key_strip(entries, 320)
    assert strip.shape == (key_height(entries, 320), 320, 3)
    for _, colour in entries:
        assert (strip == colour).all(axis=2).sum() >= 100
    assert (strip[3:13, 1:11] == PALETTE[0]).all() and (strip[2, :12] == INK).all()


def test_a_key_has_as_many_lines_as_it_needs() -> None:
    entries = [(f'class number {n}', PALETTE[0]) for n in range(6)]
    heights = [key_height(entries, width) for width in (1200, 300, 150)]
    assert heights[0] < heights[1] < heights[2]
    strip = key_strip(entries, 150, margin=16)
    assert (strip[:, :16] == 255).all() and (strip[:, -16:] == 255).all()


def test_a_name_wider_than_the_key_is_shortened() -> None:
    strip = key_strip([('a class with a name as long as a sentence', PALETTE[0])], 100)
    assert strip.shape[1] == 100 and (strip[:, -4:] == 255).all()
    assert np.array_equal(key_strip([], 100), np.full_like(strip, 255))
