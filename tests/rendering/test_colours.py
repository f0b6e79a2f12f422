from __future__ import annotations

import subprocess
import sys
from itertools import combinations

import cv2
import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.rendering.colours import INK, PALETTE, PAPER, colormap_table, label_colours, text_colour

# Machado, Oliveira and Fernandes (2009), severity 1; for linear RGB.
SIGHT = {
    'normal': np.eye(3),
    'deuteranopia': np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    'protanopia': np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


@pytest.mark.parametrize(('sight', 'least'), [('normal', 25), ('deuteranopia', 15), ('protanopia', 15)])
def test_palette_stays_distinct(sight: str, least: float) -> None:
    rgb = np.array(PALETTE, np.float64)[:, ::-1] / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ SIGHT[sight].T, 0, 1).astype(np.float32)
    lab = cv2.cvtColor(seen[None], cv2.COLOR_LRGB2Lab)[0]
    # A CIELAB distance of 2.3 is just noticeable.
    assert min(np.linalg.norm(a - b) for a, b in combinations(lab, 2)) >= least


def test_a_class_keeps_its_colour_from_picture_to_picture() -> None:
    assert label_colours([16, 1, 7, 1]) == [PALETTE[6], PALETTE[1], PALETTE[7], PALETTE[1]]
    assert label_colours([7, 16]) == [PALETTE[7], PALETTE[6]]
    assert label_colours([]) == []


def test_classes_of_one_picture_differ_while_there_are_colours() -> None:
    count = len(PALETTE)
    assert label_colours([2, 2 + count, 3 + count]) == [PALETTE[2], PALETTE[4], PALETTE[3]]
    assert len(set(label_colours([n * count for n in range(count)]))) == count
    assert len(label_colours(list(range(3 * count)))) == 3 * count


def test_text_contrasts_with_every_colour() -> None:
    assert text_colour((255, 255, 255)) == INK
    assert text_colour((0, 0, 0)) == PAPER
    for colour in PALETTE:
        levels = []
        for shade in (colour, text_colour(colour)):
            channels = np.array(shade[::-1]) / 255
            linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
            levels.append(float(linear @ [0.2126, 0.7152, 0.0722]))
        # WCAG's bound for large text and graphics is 3.
        assert (max(levels) + 0.05) / (min(levels) + 0.05) >= 3.4


def test_colormap_of_opencv_in_either_case() -> None:
    expected = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_JET)[:, 0]
    assert (colormap_table('jet') == expected).all()
    assert (colormap_table('JET') == expected).all()


def test_colormap_of_matplotlib() -> None:
    forth, back = colormap_table('viridis').astype(int), colormap_table('viridis_r').astype(int)
    assert back.shape == (256, 3)
    # OpenCV's viridis and matplotlib's are the same but for rounding.
    assert np.abs(back[::-1] - forth).max() <= 2
    assert (colormap_table('Greys') == colormap_table('greys')).all()


def test_unknown_colormap_names_the_nearest() -> None:
    with pytest.raises(MmlensError, match="colour map 'virdis'.*viridis"):
        colormap_table('virdis')
    with pytest.raises(MmlensError, match='turbo'):
        colormap_table('0000')


def test_rendering_loads_neither_torch_nor_matplotlib() -> None:
    code = (
        'import sys, mmlens.rendering as r\n'
        "r.label_colours([1]); r.side_by_side([__import__('numpy').zeros((9, 9, 3), 'uint8')], ['ä'])\n"
        "print([name for name in ('torch', 'matplotlib', 'mmengine') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


def test_the_colour_map_for_both_signs_is_white_in_the_middle() -> None:
    table = colormap_table('Blue-Red').astype(int)
    assert table.shape == (256, 3) and not colormap_table('blue-red').flags.writeable
    assert table[127:129].min() > 250
    assert (table[:100, 0] > table[:100, 2]).all() and (table[156:, 2] > table[156:, 0]).all()  # BGR
