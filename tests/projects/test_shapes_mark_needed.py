from __future__ import annotations

import numpy as np

import mmlens
from mmlens.metrics import EvidenceHit
from projects.shapes import mark_needed
from projects.shapes.mark_needed import GAUSSIAN, Hung, hung, moved, painted_over, table_of
from projects.shapes.scenes import CLASSES, draw_scene
from projects.shapes.train import HERE


def test_what_is_painted_over_takes_the_colour_around_it():
    picture = np.full((30, 40, 3), 90, np.uint8)
    where = np.zeros((30, 40), bool)
    where[10:15, 20:26] = True
    picture[where] = 255
    np.testing.assert_allclose(painted_over(picture, where), 90, atol=3)
    picture[0, 0] = 7
    left = painted_over(picture, where)
    assert (left[0, 0] == 7).all() and (picture[where] == 255).all()


def test_a_mask_is_moved_and_cut_at_the_border():
    mask = np.zeros((20, 30), bool)
    mask[4:9, 10:17] = True
    there = moved(mask, (12, 5))
    assert np.argwhere(there).min(0).tolist() == [10, 2] and np.argwhere(there).max(0).tolist() == [14, 8]
    corner = moved(mask, (0, 29))
    assert corner.sum() == 3 * 4 and corner[:3, 26:].all()


def test_a_ring_hangs_on_its_mark_and_not_on_any_place():
    name = 'shapes_rtmdet'
    detector = mmlens.load_detector(HERE / 'configs' / f'{name}.py', HERE / 'checkpoints' / f'{name}.pth')
    index = next(n for n in range(20) if CLASSES.index('crate_ring') in draw_scene(1, n).labels)
    found = list(hung(detector, index, ['evidencecam', 'gradcam']))
    assert found and all(list(one.hits) == ['evidencecam', 'gradcam', GAUSSIAN] for one in found)
    ring = min(found, key=lambda one: one.without_mark)
    assert ring.needs_mark and ring.without_any > 0.5
    assert ring.hits['evidencecam'].near and ring.without_peak['evidencecam'] < 0.5


def test_boxes_that_need_their_mark_are_counted_apart():
    def one(picture, without_mark, distance):
        hits = {'evidencecam': EvidenceHit(distance, 0.5), GAUSSIAN: EvidenceHit(0.0, 0.1)}
        return Hung(picture, without_mark, 0.9, {'evidencecam': 0.3, GAUSSIAN: 1.0}, hits)

    found = [one(0, 0.1, 0.0), one(1, 0.2, 0.05), one(1, 0.8, 0.4)]
    table = table_of(found, 'title')
    rows = list(zip(*(column._cells for column in table.columns)))
    assert [row[:2] for row in rows] == [
        ('2 that need their mark', 'evidencecam'),
        ('', GAUSSIAN),
        ('1 that do not need their mark', 'evidencecam'),
        ('', GAUSSIAN),
    ]
    assert rows[0][2].startswith('0.500 (') and rows[0][3].startswith('1.000 (') and rows[0][4:] == ('0', '', '', '')
    assert rows[2][3].startswith('0.000 (') and rows[2][4:] == ('1', '0.80', '0.30', '0.90')


def test_the_command_prints_the_table(monkeypatch, capsys):
    one = Hung(0, 0.1, 0.9, {'gradcam': 0.3}, {'gradcam': EvidenceHit(0.0, 0.5)})
    asked = []
    monkeypatch.setattr(mmlens, 'load_detector', lambda *files: 'detector', raising=False)
    monkeypatch.setattr(mark_needed, 'hung', lambda *arguments: asked.append(arguments) or [one])
    mark_needed.main(['shapes_yolov5', '--methods', 'gradcam', '--first', '3', '--count', '2', '--against', 'auto'])
    assert asked == [('detector', index, ['gradcam'], 'auto') for index in (3, 4)]
    assert '2 that need their mark' in capsys.readouterr().out
