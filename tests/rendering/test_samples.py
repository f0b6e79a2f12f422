from __future__ import annotations

from dataclasses import replace
from typing import Callable, Sequence

import cv2
import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.rendering import draw_steps
from mmlens.rendering.colours import GREY, INK, PALETTE, PAPER
from mmlens.rendering.text import put_text, text_size
from mmlens.results.samples import Branch, SampleSteps, Step, View

NOTE, TITLE, HEADING, DETAIL, KEY = 12, 15, 18, 13, 13
CLASSES = ('cat', 'dog', 'owl')


def has_text(sheet: np.ndarray, text: str, size: int, bold: bool = False, colour: Sequence[int] = INK) -> bool:
    """Whether a text stands somewhere on white, pixel by pixel."""
    width, height = text_size(text, size, bold)
    word = np.full((height, width, 3), PAPER, np.uint8)
    put_text(word, text, (0, 0), size, tuple(colour), bold)
    if word.shape[0] > sheet.shape[0] or word.shape[1] > sheet.shape[1]:
        return False
    return find(sheet, word)


def find(sheet: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a picture lies somewhere on the sheet, pixel by pixel."""
    row, column = locate(sheet, picture)
    return np.array_equal(sheet[row : row + picture.shape[0], column : column + picture.shape[1]], picture)


def locate(sheet: np.ndarray, part: np.ndarray) -> Sequence[int]:
    """Row and column where a part of the sheet lies, or what is most like it."""
    difference = cv2.matchTemplate(sheet, part, cv2.TM_SQDIFF)
    return np.unravel_index(int(difference.argmin()), difference.shape)


def view_of(picture: np.ndarray, boxes: Sequence[Sequence[float]] = (), labels: Sequence[int] = (), **more) -> View:
    number = len(boxes)
    options = dict(ignored=np.zeros(number, bool))
    options.update(more)
    return View(
        picture,
        picture.shape,
        'uint8',
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.array(labels if len(labels) else [0] * number, np.int64),
        **options,
    )


@pytest.fixture
def sample(picture: np.ndarray) -> Callable[..., SampleSteps]:
    def make(*steps: Step, path: str = 'a/cat.jpg', notes: Sequence[str] = ()) -> SampleSteps:
        return SampleSteps(4, path, CLASSES, steps, tuple(notes), None)

    return make


@pytest.fixture
def three_steps(picture: np.ndarray, sample: Callable[..., SampleSteps]) -> SampleSteps:
    small = picture[:100, :150].copy()
    return sample(
        Step('Load', (), (view_of(picture),)),
        Step('Crop', ('RandomChoice',), (view_of(small),)),
        Step('Pack', (), (replace(view_of(small), shape=(3, 100, 150)),), changed=False),
    )


def test_each_mode_shows_its_pictures(three_steps: SampleSteps, picture: np.ndarray) -> None:
    small = picture[:100, :150]
    whole = {'original': (True, False), 'transformed': (False, True), 'concat': (True, True), 'pipeline': (True, True)}
    for mode, (original, transformed) in whole.items():
        sheet = draw_steps(three_steps, mode)
        assert find(sheet, picture) == original
        assert find(sheet, small) == (original or transformed)
        titles = ('1 Load', '2 Crop', '3 Pack') if mode == 'pipeline' else ()
        titles += ('original',) * (original and mode != 'pipeline') + ('transformed',) * (
            transformed and mode != 'pipeline'
        )
        for title in ('1 Load', '2 Crop', '3 Pack', 'original', 'transformed'):
            assert has_text(sheet, title, TITLE, bold=True) == (title in titles)


def test_every_step_tells_its_shape_and_where_it_stands(three_steps: SampleSteps) -> None:
    sheet = draw_steps(three_steps, 'pipeline')
    assert has_text(sheet, '240 × 320 × 3 uint8', NOTE)
    assert has_text(sheet, '100 × 150 × 3 uint8, in RandomChoice', NOTE)
    assert has_text(sheet, '3 × 100 × 150 uint8, unchanged', NOTE)


def test_an_unknown_mode(three_steps: SampleSteps) -> None:
    with pytest.raises(MmlensError, match="Unknown mode 'all': choose one of original, transformed, concat, pipeline."):
        draw_steps(three_steps, 'all')


def test_the_sample_is_left_as_it_is(three_steps: SampleSteps, picture: np.ndarray) -> None:
    before = [step.views[0].picture.copy() for step in three_steps.steps]
    draw_steps(three_steps, 'pipeline', bgr2rgb=True)
    assert all(np.array_equal(step.views[0].picture, kept) for step, kept in zip(three_steps.steps, before))


def test_the_heading_names_file_index_label_and_notes(sample: Callable[..., SampleSteps], picture: np.ndarray) -> None:
    step = Step('Load', (), (view_of(picture, classes=(2, 0)),))
    sheet = draw_steps(sample(step, notes=['one was rejected']), 'transformed')
    assert has_text(sheet, 'cat.jpg', HEADING, bold=True)
    assert has_text(sheet, 'sample 4 · label: owl, cat · one', DETAIL, colour=GREY)
    assert has_text(draw_steps(sample(step, path=''), 'transformed'), 'sample 4', HEADING, bold=True)


def test_boxes_are_drawn_where_they_lie_in_their_class_colour(
    sample: Callable[..., SampleSteps], picture: np.ndarray
) -> None:
    boxes = [[20, 30, 120, 90], [150, 100, 260, 200]]
    sheet = draw_steps(sample(Step('Load', (), (view_of(picture, boxes, [0, 2]),))), 'original')
    top, left = locate(sheet, picture[210:, :])[0] - 210, locate(sheet, picture[210:, :])[1]
    for (x1, y1, x2, y2), label in zip(boxes, (0, 2)):
        for x, y in ((x1, (y1 + y2) // 2), (x2, (y1 + y2) // 2), ((x1 + x2) // 2, y1), ((x1 + x2) // 2, y2)):
            assert sheet[top + y, left + x].tolist() == list(PALETTE[label])
    assert sheet[top + 60, left + 70].tolist() == picture[60, 70].tolist()


def test_few_boxes_have_names_and_many_have_numbers_and_a_key(
    sample: Callable[..., SampleSteps], picture: np.ndarray
) -> None:
    def sheet_of(number: int) -> np.ndarray:
        boxes = [[10 + 30 * n, 100, 30 + 30 * n, 120] for n in range(number)]
        labels = [n % 2 for n in range(number)]
        return draw_steps(sample(Step('Load', (), (view_of(picture, boxes, labels),))), 'original')

    assert not has_text(sheet_of(8), '0 cat', KEY)
    assert has_text(sheet_of(9), '0 cat', KEY) and has_text(sheet_of(9), '1 dog', KEY)
    assert not has_text(sheet_of(9), '2 owl', KEY)
    assert has_text(sheet_of(9), '240 × 320 × 3 uint8, 9 boxes: 5 cat, 4', NOTE)


def test_a_crowd_has_no_tags_and_its_most_frequent_classes_are_counted(
    sample: Callable[..., SampleSteps], picture: np.ndarray
) -> None:
    def sheet_of(number: int) -> np.ndarray:
        boxes = [[10 + 3 * n, 100, 12 + 3 * n, 103] for n in range(number)]
        labels = [min(n, 7) for n in range(number)]
        return draw_steps(sample(Step('Load', (), (view_of(picture, boxes, labels),))), 'original', edges=(400, 2000))

    few, many = sheet_of(80), sheet_of(81)
    # No more than the boxes themselves have the colour of class 7.
    assert (many == PALETTE[7]).all(axis=2).sum() < (few == PALETTE[7]).all(axis=2).sum()
    assert has_text(many, '240 × 320 × 3 uint8, 81 boxes: 74 7, 1 cat, 1 dog, 1', NOTE)


def test_boxes_that_training_ignores_are_grey(sample: Callable[..., SampleSteps], picture: np.ndarray) -> None:
    view = view_of(picture, [[20, 30, 120, 90]], [1], ignored=np.array([True]))
    sheet = draw_steps(sample(Step('Load', (), (view,))), 'original')
    assert (sheet == (150, 150, 150)).all(axis=2).any() and not (sheet == PALETTE[1]).all(axis=2).any()


def test_masks_are_outlined(sample: Callable[..., SampleSteps], picture: np.ndarray) -> None:
    mask = np.zeros((1, 240, 320), bool)
    mask[0, 50:70, 60:100] = True
    view = view_of(picture, [[20, 30, 120, 90]], [1], masks=mask)
    sheet = draw_steps(sample(Step('Load', (), (view,))), 'original')
    row, column = locate(sheet, picture[210:, :])
    coloured = (sheet[row - 210 : row + 30, column : column + 320] == PALETTE[1]).all(axis=2)
    inner = coloured[35:85, 25:115]
    rows, columns = np.nonzero(inner)
    assert abs(rows.min() + 35 - 50) <= 1 and abs(rows.max() + 35 - 69) <= 1
    assert abs(columns.min() + 25 - 60) <= 1 and abs(columns.max() + 25 - 99) <= 1
    assert not inner[20:30, 40:70].any()  # an outline, not a patch


def test_a_seg_map_is_laid_over_half_and_half(sample: Callable[..., SampleSteps], picture: np.ndarray) -> None:
    seg_map = np.full((240, 320), 255)
    seg_map[:, 160:] = 1
    sheet = draw_steps(sample(Step('Load', (), (view_of(picture, seg_map=seg_map),))), 'original')
    expected = picture.copy()
    expected[:, 160:] = np.rint(0.5 * picture[:, 160:] + 0.5 * np.array(PALETTE[1]))
    assert find(sheet, expected)
    assert has_text(sheet, '1 dog', KEY) and not has_text(sheet, '255', KEY)


def test_hidden_cells_are_dark(sample: Callable[..., SampleSteps], picture: np.ndarray) -> None:
    view = view_of(picture, hidden=np.array([[True, False], [False, False]]))
    sheet = draw_steps(sample(Step('Mask', (), (view,))), 'original')
    expected = picture.copy()
    expected[:120, :160] //= 4
    assert find(sheet, expected)


@pytest.mark.parametrize(
    ('size', 'edges', 'shown'),
    [((30, 40), None, (30, 40)), ((30, 40), (60, 500), (60, 80)), ((30, 40), (60, 70), (52, 70))]
    + [((900, 1200), (60, 400), (300, 400)), ((900, 1200), None, (900, 1200)), ((100, 120), (60, 400), (100, 120))],
)
def test_pictures_are_scaled_to_the_edges(
    sample: Callable[..., SampleSteps], size: Sequence[int], edges: object, shown: Sequence[int]
) -> None:
    step = Step('Load', (), (view_of(np.full((*size, 3), 7, np.uint8)),))
    sheet = draw_steps(sample(step), 'transformed', edges=edges)
    rows, columns = np.nonzero((sheet == 7).all(axis=2))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == tuple(shown)


def test_a_sheet_of_many_large_pictures_stays_within_bounds(sample: Callable[..., SampleSteps]) -> None:
    large = Step('Mosaic', (), (view_of(np.zeros((1280, 1280, 3), np.uint8)),))
    sheet = draw_steps(sample(*[large] * 24), 'pipeline')
    assert max(sheet.shape) < 3000
    # Small pictures beside large ones keep their own size.
    small = Step('Load', (), (view_of(np.full((50, 60, 3), 7, np.uint8)),))
    assert (draw_steps(sample(small, large), 'pipeline') == 7).all(axis=2).sum() == 50 * 60


def test_channels_are_swapped_in_pictures_but_not_in_drawings(
    sample: Callable[..., SampleSteps], picture: np.ndarray
) -> None:
    blue = np.zeros((200, 200, 3), np.uint8)
    blue[..., 0] = 250
    branch = Branch('b.jpg', (Step('Load', (), (view_of(blue),)),))
    step = Step('Mosaic', (), (view_of(blue, [[50, 50, 150, 150]], [1]),), branches=(branch,))
    sheet = draw_steps(sample(step), 'pipeline', bgr2rgb=True)
    assert not (sheet == (250, 0, 0)).all(axis=2).any()
    assert (sheet == (0, 0, 250)).all(axis=2).sum() > 200 * 200
    assert (sheet == PALETTE[1]).all(axis=2).any()


# ---------------------------------------------------------------- pictures that are mixed in


@pytest.fixture
def mixing(sample: Callable[..., SampleSteps], picture: np.ndarray) -> SampleSteps:
    loaded = picture[:, :200].copy()
    inner = Branch('x/c.jpg', (Step('Load', (), (view_of(loaded + 9),)),))
    other = Branch(
        'x/b.jpg',
        (
            Step('Load', (), (view_of(loaded + 1),)),
            Step('Annotate', (), (view_of(loaded + 1, [[5, 60, 100, 120]], [2]),)),
            Step('InnerMosaic', (), (view_of(loaded + 2),), branches=(inner,)),
        ),
    )
    third = Branch('', (Step('from the cache', (), (view_of(loaded + 3),)),))
    return sample(
        Step('Load', (), (view_of(loaded),)), Step('Mosaic', (), (view_of(loaded + 4),), branches=(other, third))
    )


def test_pictures_that_are_mixed_in_follow_below(mixing: SampleSteps) -> None:
    sheet = draw_steps(mixing, 'pipeline')
    for heading in ('Inside 2 Mosaic', 'Inside 2a.2 InnerMosaic'):
        assert has_text(sheet, heading, HEADING, bold=True)
    for title in ('1 Load', '2 Mosaic', '2a.1 Load', '2a.2 InnerMosaic', '2b.1 from the cache', '2a.2a.1 Load'):
        assert has_text(sheet, title, TITLE, bold=True)
    assert has_text(sheet, '240 × 200 × 3 uint8; c.jpg', NOTE)


def test_a_step_of_theirs_that_keeps_the_picture_is_joined_to_the_one_before(mixing: SampleSteps) -> None:
    sheet = draw_steps(mixing, 'pipeline')
    assert not has_text(sheet, '2a.2 Annotate', TITLE, bold=True)
    assert has_text(sheet, 'Annotate', NOTE)
    assert (sheet == PALETTE[2]).all(axis=2).any()  # its box is on the joined picture


def test_other_modes_leave_them_out(mixing: SampleSteps) -> None:
    assert not has_text(draw_steps(mixing, 'concat'), 'Inside 2 Mosaic', HEADING, bold=True)


def test_several_views_of_one_step(sample: Callable[..., SampleSteps], picture: np.ndarray) -> None:
    sheet = draw_steps(sample(Step('MultiView', (), (view_of(picture), view_of(picture + 5)))), 'pipeline')
    assert find(sheet, picture) and find(sheet, picture + 5)
    assert has_text(sheet, '240 × 320 × 3 uint8, 2 of 2', NOTE)


def test_a_name_too_long_for_its_header_stands_in_the_note(
    sample: Callable[..., SampleSteps], picture: np.ndarray
) -> None:
    name = 'RandomResizedCropAndInterpolationWithTwoPic'
    sheet = draw_steps(sample(Step(name, (), (view_of(picture[:50, :60]),))), 'pipeline')
    assert not has_text(sheet, f'1 {name}', TITLE, bold=True)
    assert has_text(sheet, name[:20], NOTE)
