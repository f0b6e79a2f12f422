from __future__ import annotations

import numpy as np
import pytest

from mmlens.metrics import EvidenceHit
from mmlens.results.boxes import BoxExplanation, BoxMap
from projects.shapes import miss_pointing
from projects.shapes.mark_pointing import HELD_OUT_SEED
from projects.shapes.miss_pointing import AGAINST, CHANGES, FOR, GAUSSIAN, HIDDEN, PAINTED, Missed, altered, hits
from projects.shapes.scenes import draw_scene


@pytest.mark.parametrize('change', CHANGES)
def test_only_the_marks_are_changed(change):
    scene = draw_scene(HELD_OUT_SEED, 0)
    picture, where = altered(0, scene, change)
    differs = (picture != scene.picture).any(-1)
    assert differs.any() and not differs[~where.any(0)].any()
    marked = scene.mark_masks.any((1, 2))
    assert (where.any((1, 2)) == marked).all() and (where | ~scene.mark_masks).all()
    for mask, mark, own in zip(scene.masks[marked], scene.mark_masks[marked], where[marked]):
        if change != CHANGES[0]:
            assert len(np.unique(picture[own & mark], axis=0)) == 1
        if change == PAINTED:
            assert (own == mark).all()
            np.testing.assert_allclose(picture[mark][0], scene.picture[mask & ~mark].mean(0), atol=0.5)
        if change == HIDDEN:
            rows, columns = np.nonzero(mark)
            assert own.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


def test_both_maps_are_compared_with_what_was_changed():
    mark = np.zeros((40, 60), bool)
    mark[12:16, 10:15] = True
    speaks_for, against = np.zeros((2, 40, 60), np.float32)
    speaks_for[13, 18], against[13, 12], against[30, 30] = 1, 3, 1
    box = np.array([10, 10, 30, 30], np.float32)
    own = BoxMap(-1, box, 0, '', 0.1, speaks_for, speaks_for, counter=against)
    picture = np.zeros((40, 60, 3), np.uint8)
    found = hits(BoxExplanation(picture, [own], ('neck',), 'evidencecam', 'score'), mark)
    assert found[AGAINST].exact == 1 and found[AGAINST].share == 0.75
    assert found[FOR].distance == pytest.approx(4 / 20) and not found[FOR].near
    assert found[GAUSSIAN].distance == pytest.approx(np.hypot(19.5 - 14, 19.5 - 15) / 20, abs=0.06)


def test_the_table_tells_how_many_were_lost_and_how():
    on, beside = EvidenceHit(0.0, 0.8), EvidenceHit(0.3, 0.1)
    ones = [
        Missed(n, 0, CHANGES[0], 'outvoted' if n else 'background', dict.fromkeys(miss_pointing.MAPS, hit))
        for n, hit in enumerate((on, on, on, beside))
    ]
    table = miss_pointing.table_of(ones, 'title')
    rows = list(zip(*(list(column.cells) for column in table.columns)))
    assert rows[0][:4] == (CHANGES[0], '4', '3 outvoted, 1 background', AGAINST) and rows[0][4].startswith('0.75 (')
    assert len(rows) == len(miss_pointing.MAPS)
