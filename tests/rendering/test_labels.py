from __future__ import annotations

from typing import List, Sequence, Tuple

import numpy as np
import pytest

from mmlens.rendering.labels import FAINT, Placement, coarser, place_tags

Layout = Tuple[Tuple[int, int], List[Sequence[float]], List[Tuple[int, int]]]


def share_pixels(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def random_layout(seed: int) -> Layout:
    """Boxes of all sizes, some outside of the picture in part, some piled up."""
    rng = np.random.default_rng(seed)
    size = tuple(int(length) for length in rng.integers(40, 900, 2))
    count = int(rng.integers(1, 25))
    centres = rng.uniform(0.2, 0.8, (count, 2)) * size
    halves = rng.uniform(0.01, 0.6, (count, 2)) * size
    boxes = np.concatenate([centres - halves, centres + halves], axis=1).tolist()
    return size, boxes, [(int(width), 16) for width in rng.integers(30, 160, count)]


FULL = (0, 0, 320, 240)
ADVERSARIAL: List[Layout] = [
    ((320, 240), [FULL], [(80, 16)]),
    ((320, 240), [FULL] * 12, [(80, 16)] * 12),
    ((320, 240), [(-50, -50, 400, 300)], [(80, 16)]),
    ((64, 48), [(11, 18, 26, 45), (10, 11, 48, 35)], [(60, 14), (90, 14)]),
    ((64, 48), [(0, 0, 64, 48)] * 3, [(90, 14)] * 3),
    ((20, 400), [(2, 2, 18, 398)], [(70, 16)]),
    ((400, 10), [(100, 2, 200, 8)], [(70, 16)]),
    ((640, 480), [(300 + n, 200 + n, 340 + n, 240 + n) for n in range(30)], [(90, 18)] * 30),
    ((300, 600), [(10, 10, 290, 590)] * 30, [(100, 18)] * 30),
    ((320, 240), [(100, 100, 100, 100)], [(50, 16)]),
    ((320, 240), [(400, 300, 500, 400)], [(50, 16)]),
    ((320, 240), [], []),
]


@pytest.mark.parametrize('layout', ADVERSARIAL + [random_layout(seed) for seed in range(60)])
def test_tags_keep_off_their_box_and_each_other_and_lie_on_the_canvas(layout: Layout) -> None:
    size, boxes, tags = layout
    placement = place_tags(size, np.array(boxes).reshape(-1, 4), tags, gap=2)
    x, y = placement.picture
    width, height = placement.canvas

    assert placement.tags.shape == (len(boxes), 4)
    assert 0 <= x <= width - size[0]
    assert 0 <= y <= height - size[1]
    for n, (rect, box, tag) in enumerate(zip(placement.tags.tolist(), boxes, tags)):
        assert (rect[2] - rect[0], rect[3] - rect[1]) == tag
        assert rect[0] >= 0 and rect[1] >= 0 and rect[2] <= width and rect[3] <= height
        # The part of the box that is in the picture.
        box = np.clip(box, 0, [*size, *size]) + [x, y, x, y]
        assert not share_pixels(rect, box)
        assert not any(share_pixels(rect, other) for other in placement.tags[:n].tolist())


def in_picture(placement: Placement, size: Tuple[int, int]) -> bool:
    return placement.canvas == size and placement.picture == (0, 0)


def test_the_usual_place_is_above_the_upper_left_corner() -> None:
    placement = place_tags((320, 240), np.array([[100, 100, 200, 200]]), [(60, 16)], gap=3)
    assert in_picture(placement, (320, 240))
    assert placement.tags.tolist() == [[97, 81, 157, 97]]


def test_a_box_at_the_top_has_its_tag_below() -> None:
    placement = place_tags((320, 240), np.array([[100, 0, 200, 100]]), [(60, 16)])
    assert in_picture(placement, (320, 240))
    assert placement.tags.tolist() == [[100, 100, 160, 116]]


def test_a_tag_at_the_right_edge_is_moved_in() -> None:
    placement = place_tags((320, 240), np.array([[300, 100, 320, 200]]), [(60, 16)])
    assert placement.tags.tolist() == [[260, 84, 320, 100]]


def test_a_box_as_large_as_the_picture_gets_a_strip_of_one_row() -> None:
    placement = place_tags((320, 240), np.array([FULL]), [(60, 16)])
    assert placement.canvas == (320, 240 + 18)
    assert placement.picture == (0, 18)
    assert placement.tags.tolist() == [[0, 0, 60, 16]]


def test_many_full_boxes_share_a_row() -> None:
    placement = place_tags((320, 240), np.array([FULL] * 4), [(60, 16)] * 4)
    assert placement.canvas == (320, 240 + 18)
    assert sorted(placement.tags[:, 0].tolist()) == [0, 62, 124, 186]


def test_a_tag_wider_than_the_picture_widens_the_canvas() -> None:
    placement = place_tags((40, 200), np.array([[5, 50, 30, 100]]), [(90, 16)])
    assert placement.canvas[0] == 90
    assert placement.picture[0] == 0


def test_a_tag_rather_lies_on_background_than_on_another_box() -> None:
    # Above, left and right of the first box is the second; only below is background.
    boxes = np.array([[100, 100, 200, 200], [20, 20, 300, 198]])
    placement = place_tags((320, 240), boxes, [(60, 16), (60, 16)])
    assert placement.tags[0].tolist() == [100, 200, 160, 216]


def test_a_tag_slides_along_its_box_to_pass_another() -> None:
    # The lower edge of the first box is half covered by the second; the tag goes beside that one.
    boxes = np.array([[20, 0, 220, 100], [0, 60, 90, 240]])
    placement = place_tags((320, 240), boxes, [(120, 16), (50, 16)])
    assert placement.tags[0].tolist() == [100, 100, 220, 116]
    assert not share_pixels(placement.tags[0].tolist(), boxes[1].tolist())


def test_a_tag_keeps_off_the_visible_part_of_its_own_map() -> None:
    heat = np.zeros((240, 320), np.float32)
    heat[60:200, 90:210] = 1.5 * FAINT  # stands out above the box
    box = np.array([[100, 100, 200, 200]])
    placement = place_tags((320, 240), box, [(60, 16)], maps=[heat])
    x1, y1, x2, y2 = placement.tags[0]
    assert heat[y1:y2, x1:x2].max() < FAINT
    everywhere = place_tags((320, 240), box, [(60, 16)], maps=[np.full((240, 320), 0.5)])
    assert everywhere.tags.tolist() == [[100, 242, 160, 258]]  # below the picture: the nearer side
    assert everywhere.canvas == (320, 258)
    faint = place_tags((320, 240), box, [(60, 16)], maps=[np.full((240, 320), FAINT / 2)])
    assert faint.tags.tolist() == [[100, 84, 160, 100]]


def test_a_tag_rather_covers_the_cold_part_of_another_map() -> None:
    hot = np.zeros((240, 320), np.float32)
    hot[:120] = 1
    boxes = np.array([FULL, [120, 100, 200, 140]])
    placement = place_tags((320, 240), boxes, [(60, 16)] * 2, maps=[hot, None])
    assert placement.tags[1, 1] - placement.picture[1] >= 120


@pytest.mark.parametrize(('size', 'to'), [((300, 512), (300, 512)), ((1025, 2), (342, 1)), ((3000, 4000), (375, 500))])
def test_maps_of_large_pictures_are_as_coarse_as_labels_can_do_with(size: Tuple[int, int], to: Tuple[int, int]) -> None:
    assert coarser(np.ones(size, np.float32)).shape == to


def test_a_tag_keeps_off_a_map_that_is_coarser_than_the_picture() -> None:
    heat = np.zeros((24, 32), np.float32)
    heat[6:20, 9:21] = 1.5 * FAINT
    for x1 in (100, 97):  # tags whose edges lie between cells, too
        placement = place_tags((320, 240), np.array([[x1, 100, 200, 200]]), [(60, 16)], maps=[heat])
        left, top, right, bottom = placement.tags[0]
        assert heat[top // 10 : -(-bottom // 10), left // 10 : -(-right // 10)].max() < FAINT


@pytest.mark.parametrize('size', [(300, 200), (720, 1280), (1900, 2600), (3, 1500)])
def test_a_part_is_coarser_as_the_whole_is(size: Tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        ends = [sorted(rng.integers(0, side + 1, 2).tolist()) for side in size]
        whole = np.zeros(size, np.float32)
        rows, columns = (slice(*each) for each in ends)
        whole[rows, columns] = rng.random(whole[rows, columns].shape)
        part = coarser(whole[rows, columns], (rows.start, columns.start), size)
        assert (part == coarser(whole)).all() and part.shape == coarser(whole).shape
