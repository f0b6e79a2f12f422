from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console

from projects.shapes import counterfactuals
from projects.shapes.counterfactuals import (
    Naming,
    cards,
    measure,
    namings,
    print_swaps,
    print_watermarks,
    renamed,
    swaps,
)
from projects.shapes.evidence import CLASSES, draw_scene

FLAG, LAMP, RING, CROSS = (CLASSES.index(name) for name in ('hut_flag', 'hut_lamp', 'card_ring', 'card_cross'))


class Oracle:
    """Finds every object, and names cards by their watermark, all others by their evidence."""

    def __init__(self, follows_watermark):
        self.follows_watermark = follows_watermark
        self.scene = None

    def prepare(self, picture):
        return picture

    def predictions(self, picture):
        scene = self.scene
        labels = scene.labels.copy()
        if self.follows_watermark:
            is_card = np.isin(labels, (RING, CROSS))
            labels[is_card] = np.where(scene.stamped, CROSS, RING)[is_card]
        scores = torch.full((len(labels),), 0.8)
        return SimpleNamespace(boxes=torch.tensor(scene.boxes), labels=torch.tensor(labels), scores=scores)


@pytest.fixture()
def drawn(monkeypatch):
    """Small scenes, which the oracle is told of as they are drawn."""

    def measured(follows_watermark):
        oracle = Oracle(follows_watermark)

        def draw(*arguments):
            oracle.scene = draw_scene(*arguments, long_side=96)
            return oracle.scene

        monkeypatch.setattr(counterfactuals, 'draw_scene', draw)
        return measure(oracle, 7, range(5))

    return measured


def test_a_detector_that_sees_the_evidence_is_right_before_and_after(drawn):
    found = drawn(follows_watermark=False)
    assert {len(objects) for objects in found.values()} == {len(found[False, 'never'])}
    for kind in ('context', 'two_part', 'shortcut'):
        number, *figures = swaps(found, kind)
        assert number > 2 and figures == [1, 1, 1]
    assert renamed(found, RING, 'never', 'always') == renamed(found, CROSS, 'always', 'never') == 0


def test_a_detector_that_follows_the_watermark_is_found_out(drawn):
    found = drawn(follows_watermark=True)
    assert swaps(found, 'two_part')[1:] == (1, 1, 1)
    number, before, after, both = swaps(found, 'shortcut')
    # Without a watermark, all are named as the class that has none: each card is right once.
    assert before + after == pytest.approx(1) and both == 0
    assert renamed(found, RING, 'never', 'always') == renamed(found, CROSS, 'always', 'never') == 1
    assert len(cards(found, RING, 'never')) == len(cards(found, CROSS, 'always')) == number


def test_an_object_has_the_name_of_the_best_detection_that_overlaps_it():
    class Detector:
        prepare = staticmethod(lambda picture: picture)

        @staticmethod
        def predictions(picture):
            boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 4], [0, 0, 10, 10]]
            labels = torch.tensor([FLAG, LAMP, LAMP, RING])
            return SimpleNamespace(boxes=torch.tensor(boxes), labels=labels, scores=torch.tensor([0.3, 0.4, 0.9, 0.95]))

    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    scene = SimpleNamespace(picture=None, boxes=boxes, labels=np.array([FLAG, LAMP]))
    first, second = namings(Detector(), scene)
    np.testing.assert_allclose(first.scores, [0.3, 0.4], rtol=1e-6)
    assert first.kind == 'context' and first.named == LAMP and not first.is_right
    assert second.named is None and not second.is_right


def test_the_tables_by_hand(capsys):
    def naming(label, *scores):
        return Naming('shortcut', label, np.array(scores))

    found = {
        (False, 'never'): [naming(RING, 0.9, 0.1), Naming('context', FLAG, np.array([0.7, 0.2]))],
        (False, 'always'): [naming(RING, 0.3, 0.7), Naming('context', FLAG, np.array([0.7, 0.2]))],
        (True, 'never'): [naming(CROSS, 0.8, 0.2), Naming('context', LAMP, np.array([0.1, 0.6]))],
        (True, 'always'): [naming(CROSS, 0.2, 0.8), Naming('context', LAMP, np.array([0.1, 0.6]))],
    }
    assert swaps(found, 'context') == (1, 1, 1, 1)
    assert swaps(found, 'shortcut') == (1, 1, 0, 0)
    found_plates = {version: [*o, Naming('two_part', 2, np.array([0.5, 0, 0]))] for version, o in found.items()}
    print_swaps(found_plates, Console(width=110))
    print_watermarks(found, Console(width=110))
    printed = capsys.readouterr().out
    rows = {tuple(line.replace('│', ' ').split()) for line in printed.splitlines()}
    assert ('context', '1', '1.000', '1.000', '1.000') in rows
    assert ('card_ring', 'no', '1', '1.000', '0.000', '0.900', '0.100') in rows
    assert ('card_ring', 'yes', '1', '0.000', '1.000', '0.300', '0.700') in rows
    assert ('card_cross', 'no', '1', '1.000', '0.000', '0.800', '0.200') in rows
    assert 'from 100.0% of card_ring, removing it from 100.0% of card_cross.' in printed
