from __future__ import annotations

import numpy as np

from mmlens.rendering.history import animation_frames, draw_contact_sheet, lined_up
from mmlens.rendering.panels import HEADER
from mmlens.rendering.sheets import MARGIN


def flat(height, width, value):
    return np.full((height, width, 3), value, np.uint8)


def test_a_sheet_has_each_drawing_in_its_place():
    drawings = [flat(240, 320, value) for value in (10, 60, 110)]
    sheet = draw_contact_sheet(drawings, ['epoch 0', 'epoch 1', 'epoch 2'], columns=2)
    assert sheet.shape == (MARGIN + 2 * (HEADER + 240 + MARGIN), MARGIN + 2 * (320 + MARGIN), 3)
    for place, value in enumerate((10, 60, 110)):
        y, x = MARGIN + place // 2 * (HEADER + 240 + MARGIN) + HEADER, MARGIN + place % 2 * (320 + MARGIN)
        assert (sheet[y : y + 240, x : x + 320] == value).all()


def test_frames_have_one_size_and_small_drawings_are_whole():
    drawings = [flat(240, 320, 10), flat(260, 330, 60)]
    frames = list(animation_frames(lambda: drawings, ['epoch 0', 'epoch 1']))
    assert frames[0].shape == frames[1].shape == (2 * MARGIN + HEADER + 260, 2 * MARGIN + 330, 3)
    assert (frames[0] == 10).all(2).sum() >= 240 * 320
    (small,) = animation_frames(lambda: drawings[:1], ['epoch 0'], longest=160)
    assert (small == 10).all(2).sum() == 120 * 160


def test_strips_of_labels_do_not_move_the_picture():
    picture = np.random.RandomState(0).randint(0, 200, (60, 80, 3), np.uint8)
    changed = picture.copy()
    changed[20:40, 30:50] = 90  # another map
    strip = flat(12, 80, 230)
    drawings = [picture, np.concatenate([strip, changed]), np.concatenate([changed, strip, strip])]
    alike = list(lined_up(lambda: drawings))
    assert [each.shape for each in alike] == [(12 + 60 + 24, 80, 3)] * 3
    for each, inner in zip(alike, (picture, changed, changed)):
        assert (each[12:72] == inner).all()
    assert (alike[0][:12] == 255).all() and (alike[0][72:] == 255).all()
    assert (alike[1][:12] == 230).all() and (alike[2][72:] == 230).all()
