"""What drawings say of what lies where."""

from __future__ import annotations

from typing import Callable, List

import cv2
import numpy as np
import pytest

from mmlens.rendering.blend import blend_map
from mmlens.rendering.box_maps import drawing_of_boxes
from mmlens.rendering.class_maps import drawing_of_classes
from mmlens.rendering.drawing import Drawing, Place
from mmlens.rendering.feature_maps import drawing_of_features
from mmlens.rendering.marks import Mark, drawing_of_marks
from mmlens.rendering.samples import drawing_of_steps
from mmlens.rendering.sheets import resize
from mmlens.results.classes import ClassExplanation, ClassMap
from mmlens.results.samples import Branch, SampleSteps, Step, View


def crop(drawing: Drawing, place: Place) -> np.ndarray:
    x1, y1, x2, y2 = place.rect
    assert 0 <= x1 < x2 <= drawing.image.shape[1] and 0 <= y1 < y2 <= drawing.image.shape[0]
    return drawing.image[y1:y2, x1:x2]


def items(drawing: Drawing, kind: str) -> List:
    return [place.item for place in drawing.of_kind(kind)]


def test_a_place_moves_with_what_it_is_part_of() -> None:
    place = Place('panel', (1, 2, 31, 42), 3)
    assert place.size == (30, 40) and place.moved(10, 100) == Place('panel', (11, 102, 41, 142), 3)


def test_an_image_is_the_same_as_png(picture: np.ndarray) -> None:
    png = np.frombuffer(Drawing(picture).png(), np.uint8)
    assert (cv2.imdecode(png, cv2.IMREAD_COLOR) == picture).all()


def test_the_picture_is_found_on_a_canvas_that_grew(picture: np.ndarray) -> None:
    marks = [Mark(np.array([0, 0, 320, 240]), (9, 8, 7), 'dog'), Mark(np.array([40, 60, 90, 100]), (1, 2, 3))]
    drawing = drawing_of_marks(picture, marks)
    assert drawing.image.shape[0] > 240 and drawing.main.size == (320, 240)
    assert (crop(drawing, drawing.main)[110:230, 100:310] == picture[110:230, 100:310]).all()
    (label,) = drawing.of_kind('label')
    assert label.item == 0 and (crop(drawing, label) == (9, 8, 7)).all(axis=2).mean() > 0.4


def test_places_of_box_maps(picture: np.ndarray, box_map: Callable, explanation: Callable) -> None:
    one = box_map((40, 60, 160, 160), (240, 320))
    two = box_map((200, 100, 300, 200), (240, 320), label=1, blank='no gradient')
    found = explanation(picture, one, two)
    overlay = drawing_of_boxes(found)
    assert overlay.main.kind == 'overlay' and overlay.main.size == (320, 240)
    assert items(overlay, 'label') == [0, 1] and not overlay.of_kind('title')
    sheet = drawing_of_boxes(found, 'panels')
    assert sheet.main.kind == 'picture' and items(sheet, 'panel') == [0, 1] and items(sheet, 'title') == [None, 0, 1]
    assert items(sheet, 'note') == [0, 1]
    inside = np.s_[66:154, 46:154]
    assert (crop(sheet, sheet.main)[inside] == picture[inside]).all()
    panel = crop(sheet, sheet.of_kind('panel')[0])
    assert (panel[inside] == blend_map(picture, one.normalised, 'plasma', 0.5)[inside]).all()


@pytest.mark.parametrize('layout', ['overlay', 'panels'])
def test_places_where_nothing_was_found(layout: str, picture: np.ndarray, explanation: Callable) -> None:
    drawing = drawing_of_boxes(explanation(picture), layout)
    assert [place.kind for place in drawing.places] == ['overlay', 'note']
    assert (crop(drawing, drawing.main) == picture).all() and (crop(drawing, drawing.places[1]) < 80).any()


def classes(number: int, guided: bool = False, blank: str = '') -> ClassExplanation:
    heat = np.random.default_rng(0).random((240, 320)).astype(np.float32)
    fine = np.random.default_rng(1).normal(size=(240, 320, 3)).astype(np.float32) if guided else None
    found = [ClassMap(n, f'class {n}', 0.5, 1.0, n, heat, heat, blank or None, fine) for n in range(number)]
    picture = np.full((240, 320, 3), 100, np.uint8)
    return ClassExplanation(picture, found, np.ones((240, 320), bool), np.eye(3), (200, 100), ('norm',), 'gradcam')


def test_places_of_class_maps() -> None:
    overlay = drawing_of_classes(classes(1))
    assert overlay.places[0] == Place('overlay', (0, 0, 320, 240), 0) and items(overlay, 'note') == [0]
    assert drawing_of_classes(classes(1), on='input').main.size == (100, 200)
    noted = drawing_of_classes(classes(1, blank='no gradient'))
    assert [(place.kind, place.item) for place in noted.places] == [('overlay', 0), ('note', 0)]
    sheet = drawing_of_classes(classes(3))
    assert items(sheet, 'panel') == [0, 1, 2] and (crop(sheet, sheet.main) == 100).all()
    assert items(drawing_of_classes(classes(2, guided=True)), 'panel') == [0, 0, 1, 1]


def test_places_of_feature_maps(picture: np.ndarray, level: Callable, feature_maps: Callable) -> None:
    heat = np.random.default_rng(0).normal(size=(3, 240, 320))
    drawing = drawing_of_features(feature_maps(picture, level(heat[:1]), level(heat, (17, 3, 90))))
    assert items(drawing, 'panel') == [0, 1] and items(drawing, 'tile') == [1, 1, 1]
    left = crop(drawing, drawing.main)  # enlarged to the height of the panel beside it
    assert left.shape[0] / left.shape[1] == pytest.approx(240 / 320, abs=0.01)
    assert left.mean() == pytest.approx(picture.mean(), abs=0.5)
    outer = drawing.of_kind('panel')[1].rect
    for tile in drawing.of_kind('tile'):
        assert (
            outer[0] <= tile.rect[0] < tile.rect[2] <= outer[2] and outer[1] < tile.rect[1] < tile.rect[3] <= outer[3]
        )
        assert not (crop(drawing, tile) == 255).all(axis=2).any()


def test_places_of_steps(picture: np.ndarray) -> None:
    small = np.full((100, 150, 3), 7, np.uint8)
    inner = Branch('b.jpg', (Step('Load', (), (View(small + 1, small.shape, 'uint8'),)),))
    seg_map = np.zeros((100, 150), np.int64)
    steps = (
        Step('Load', (), (View(picture, picture.shape, 'uint8'),)),
        Step('Mosaic', (), (View(small, small.shape, 'uint8', seg_map=seg_map),), branches=(inner,)),
    )
    sample = SampleSteps(4, 'a.jpg', ('cat',), steps, (), None)
    drawing = drawing_of_steps(sample, 'pipeline')
    assert items(drawing, 'picture') == ['1', '2', '2a.1']
    assert [place.kind for place in drawing.of_kind('heading', 'key')] == ['heading', 'heading', 'key']
    shown = [crop(drawing, place) for place in drawing.of_kind('picture')]
    assert (shown[0] == picture).all() and (shown[2] == resize(small + 1, shown[2].shape[1::-1])).all()
    assert items(drawing_of_steps(sample), 'picture') == ['original', 'transformed']
