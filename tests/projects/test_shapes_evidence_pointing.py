from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from mmlens.results.boxes import BoxExplanation, BoxMap
from projects.shapes import evidence_pointing
from projects.shapes.evidence import CLASSES, EvidenceScene
from projects.shapes.evidence_pointing import evidence_table, object_of, shown, watermark_table

FLAG, LAMP, PLATE, RING, CROSS = (
    CLASSES.index(name) for name in ('hut_flag', 'hut_lamp', 'plate_dot_bar', 'card_ring', 'card_cross')
)
SIZE = (40, 90)


def area(x1, y1, x2, y2):
    mask = np.zeros(SIZE, bool)
    mask[y1:y2, x1:x2] = True
    return mask


@pytest.fixture()
def scene():
    """A hut with its sign to the right, a plate with two marks, and a card with a watermark: 20 x 20 pixels each."""
    boxes = np.array([[0, 10, 20, 30], [35, 10, 55, 30], [65, 10, 85, 30]], np.float32)
    parts = np.zeros((3, 2, *SIZE), bool)
    parts[0, 0] = area(24, 14, 30, 20)
    parts[1] = area(37, 12, 41, 16), area(48, 20, 52, 24)
    parts[2, 0] = area(67, 12, 71, 16)
    stamps = np.stack([area(0, 0, 0, 0), area(0, 0, 0, 0), area(80, 25, 84, 29)])
    return EvidenceScene(
        picture=np.zeros((*SIZE, 3), np.uint8),
        boxes=boxes,
        labels=np.array([FLAG, PLATE, RING]),
        masks=np.stack([area(*box) for box in boxes.astype(int)]),
        mark_masks=parts.any(1),
        part_masks=parts,
        stamp_masks=stamps,
        stamped=np.array([False, False, True]),
    )


def explanation(scene, *found):
    """From a box, a label and the values of some pixels each."""
    maps = []
    for index, (box, label, values) in enumerate(found):
        raw = np.zeros(SIZE, np.float32)
        for (x, y), value in values.items():
            raw[y, x] = value
        maps.append(BoxMap(index, np.array(box, np.float32), label, CLASSES[label], 0.9 - index / 10, raw, raw))
    return BoxExplanation(scene.picture, maps, ('neck',), 'gradcam', 'score')


@pytest.mark.parametrize(
    ('box', 'label', 'number'),
    [
        ((0, 10, 20, 30), FLAG, 0),
        ((0, 10, 20, 30), LAMP, 0),  # a class that shares the body
        ((0, 10, 20, 30), RING, None),
        ((0, 10, 20, 19), FLAG, None),  # IoU 0.45
        ((65, 10, 85, 30), CROSS, 2),
    ],
)
def test_object_of_a_detection(scene, box, label, number):
    (found,) = explanation(scene, (box, label, {}))
    assert object_of(found, scene) == number


def test_nothing_lies_on_an_object_of_an_empty_scene(scene):
    (found,) = explanation(scene, ((0, 10, 20, 30), FLAG, {}))
    for name in ('boxes', 'labels'):
        setattr(scene, name, getattr(scene, name)[:0])
    assert object_of(found, scene) is None


def test_context_is_shown_by_a_map_beside_the_box(scene):
    (hut,) = shown(explanation(scene, (scene.boxes[0], FLAG, {(25, 15): 3, (10, 20): 1})), scene, 4)
    assert (hut.kind, hut.label, hut.named, hut.picture) == ('context', FLAG, FLAG, 4)
    assert hut.evidence.exact == 1 and hut.evidence.share == pytest.approx(0.75)
    assert (hut.lit, hut.parts, hut.stamp) == (1, 1, None)


@pytest.mark.parametrize(
    ('values', 'lit', 'exact', 'share'),
    [
        ({(38, 13): 1, (49, 21): 1}, 2, 1, 1),
        ({(38, 13): 1, (49, 21): 0.5, (45, 18): 0.5}, 2, 1, 0.75),
        ({(38, 13): 1, (49, 21): 0.4}, 1, 1, 1),
        ({(45, 18): 1}, 0, 0, 0),
        ({}, 0, 0, 0),
    ],
)
def test_two_parts_are_both_lit_if_the_map_reaches_half_of_its_maximum_on_each(scene, values, lit, exact, share):
    (plate,) = shown(explanation(scene, (scene.boxes[1], PLATE, values)), scene, 0)
    assert (plate.kind, plate.lit, plate.parts) == ('two_part', lit, 2)
    assert plate.evidence.exact == exact and plate.evidence.share == pytest.approx(share)


def test_of_several_detections_of_an_object_the_best_counts_whatever_its_class(scene):
    found = explanation(scene, (scene.boxes[2], CROSS, {(81, 26): 3, (68, 13): 1}), (scene.boxes[2], RING, {}))
    (card,) = shown(found, scene, 0)
    assert (card.kind, card.label, card.named, card.stamped) == ('shortcut', RING, CROSS, True)
    assert card.evidence.exact == 0 and card.evidence.share == pytest.approx(0.25)
    assert card.stamp.exact == 1 and card.stamp.share == pytest.approx(0.75)


def test_tables_hold_right_detections_and_every_case_of_cards(scene, capsys):
    boxes = [
        (scene.boxes[0], FLAG, {(25, 15): 3, (10, 20): 1}),
        (scene.boxes[1], LAMP, {}),
        (scene.boxes[2], CROSS, {(81, 26): 3, (68, 13): 1}),
    ]
    found = list(shown(explanation(scene, *boxes), scene, 0))
    console = Console(width=130)
    console.print(evidence_table(found))
    console.print(watermark_table(found))
    rows = {tuple(line.replace('│', ' ').split()) for line in capsys.readouterr().out.splitlines()}
    one = ('1.00', '(1.00', 'to', '1.00)')
    assert ('context', '1', '0', *one, *one, '0.75', '(0.75', 'to', '0.75)', *one) in rows
    assert not any(row[:1] == ('two_part',) for row in rows)  # no right detection
    assert ('card_cross', 'card_ring', 'yes', '1', '0.00', '0.25', '1.00', '0.75') in rows


def test_the_command_explains_the_pictures_that_it_is_given(monkeypatch, capsys):
    drawn, draw_scene = [], evidence_pointing.draw_scene
    monkeypatch.setattr(
        evidence_pointing, 'draw_scene', lambda seed, index: drawn.append(index) or draw_scene(seed, index)
    )
    evidence_pointing.main(
        ['evidence_yolov5', '--method', 'gradcam', '--layers', 'neck', '--first', '3', '--count', '2']
    )
    assert drawn == [3, 4]
    assert 'context' in capsys.readouterr().out
