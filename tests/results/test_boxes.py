"""What the front door for detectors returns: its arrays, its line and its drawing."""

import numpy as np
import pytest


def test_an_explanation_is_a_sequence_of_boxes(boxes):
    assert len(boxes) == 2
    assert [box.index for box in boxes] == [0, 3]
    assert boxes[1].blank == 'no gradient' and boxes[-1] is boxes[1]


def test_what_is_saved(boxes):
    arrays = boxes.arrays()
    assert arrays['raw'].shape == arrays['normalised'].shape == (2, 8, 12)
    np.testing.assert_array_equal(arrays['raw'][1], boxes[1].raw)
    np.testing.assert_array_equal(arrays['boxes'], [[1, 2, 7, 6], [4, 5, 10, 9]])
    assert arrays['labels'].tolist() == [0, 1] and arrays['indices'].tolist() == [0, 3]
    np.testing.assert_allclose(arrays['scores'], [0.75, 0.375])
    assert arrays['classes'].tolist() == ['cup', 'Gläser 杯']
    assert arrays['blank'].tolist() == ['', 'no gradient']
    assert arrays['layers'].tolist() == ['neck', 'backbone.stage4']
    assert (str(arrays['method']), str(arrays['target'])) == ('gradcam', 'score')
    assert arrays['versions'].tolist() == ['torch==2']
    assert arrays['notes'].tolist() == boxes.notes and not arrays['unfinished']


def test_the_arrays_of_earlier_files_keep_their_types(boxes):
    types = {name: array.dtype for name, array in boxes.arrays().items()}
    float32, int64 = ('raw', 'normalised', 'boxes', 'scores'), ('labels', 'indices')
    assert all(types[name] == np.float32 for name in float32) and all(types[name] == np.int64 for name in int64)
    assert all(
        types[name].kind == 'U' for name in ('classes', 'blank', 'layers', 'method', 'target', 'notes', 'versions')
    )
    assert types['unfinished'] == np.bool_ and types['picture'] == np.uint8


def test_masks_are_saved_for_the_boxes_that_have_one(boxes, make):
    assert 'masks' not in boxes.arrays()
    mask = np.zeros((8, 12), bool)
    mask[2:4, 5] = True
    boxes.boxes = [make.box_map(0), make.box_map(1, mask=mask), make.box_map(2, mask=~mask)]
    arrays = boxes.arrays()
    assert arrays['has_masks'].tolist() == [False, True, True]
    assert arrays['masks'].dtype == bool
    np.testing.assert_array_equal(arrays['masks'], [mask, ~mask])


def test_no_box_is_saved_as_no_box(boxes, tmp_path):
    boxes.boxes = []
    boxes.versions = {}
    with np.load(boxes.save(tmp_path / 'none.npz')) as saved:
        shapes = {name: saved[name].shape for name in saved.files}
    assert shapes['raw'] == shapes['normalised'] == (0, 8, 12)
    assert shapes['boxes'] == (0, 4)
    assert shapes['labels'] == shapes['scores'] == shapes['classes'] == shapes['versions'] == (0,)


def test_a_box_and_an_explanation_are_printed_in_a_line(boxes):
    assert repr(boxes[0]) == '<BoxMap 0: cup 0.75 at (1.0, 2.0, 7.0, 6.0)>'
    assert repr(boxes[1]) == '<BoxMap 3: Gläser 杯 0.38 at (4.0, 5.0, 10.0, 9.0), blank: no gradient>'
    line = '<BoxExplanation of 2 boxes in 12 x 8 pixels (cup 0.75, Gläser 杯 0.38): gradcam at neck, backbone.stage4>'
    assert repr(boxes) == line
    boxes.boxes, boxes.layers, boxes.unfinished = boxes.boxes[:1], tuple('abcdefg'), True
    assert (
        repr(boxes)
        == '<BoxExplanation of 1 box in 12 x 8 pixels (cup 0.75): gradcam at a, b, c and 4 more, unfinished>'
    )
    boxes.layers = ()
    assert repr(boxes) == '<BoxExplanation of 1 box in 12 x 8 pixels (cup 0.75): gradcam, unfinished>'


@pytest.mark.parametrize('layout', ['overlay', 'panels'])
def test_drawing_returns_a_new_picture(layout, boxes):
    boxes.picture = np.full((80, 120, 3), 90, np.uint8)
    for box in boxes:
        box.raw = np.kron(box.raw, np.ones((10, 10), np.float32))
        box.normalised = box.raw / box.raw.max()
        box.box = box.box * 10
    before = boxes.picture.copy()
    drawn = boxes.draw(layout)
    assert drawn.dtype == np.uint8 and drawn.ndim == 3 and drawn.shape[2] == 3
    assert drawn.shape[0] >= 80 and drawn.shape[1] >= 120
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 100
    np.testing.assert_array_equal(boxes.picture, before)
    np.testing.assert_array_equal(boxes.drawing(layout).image, drawn)


def test_fusion_and_both_directions_are_saved_and_missing_in_earlier_files(boxes, make, tmp_path):
    boxes.fusion, boxes[0].against, boxes[0].counter = 'product', 'Gläser 杯', make.random(7)
    arrays = boxes.arrays()
    assert str(arrays['fusion']) == 'product' and arrays['against'].tolist() == ['Gläser 杯', '']
    assert arrays['has_counters'].tolist() == [True, False] and arrays['counters'].dtype == np.float32
    assert type(boxes).load(boxes.save(tmp_path / 'new.npz')) == boxes
    earlier = {k: v for k, v in arrays.items() if k not in ('fusion', 'against', 'counters', 'has_counters')}
    np.savez(tmp_path / 'old.npz', kind=np.array(boxes.kind), format=np.array(1), **earlier)
    old = type(boxes).load(tmp_path / 'old.npz')
    assert (old.fusion, old[0].against, old[0].counter) == ('', '', None)


def test_given_boxes_are_saved_with_their_candidates(boxes, make, tmp_path):
    assert not {'candidates', 'overlaps', 'candidate_ranks'} & set(boxes.arrays())
    given, nothing = make.box_map(1), make.box_map(2, 'nothing lies there')
    given.candidate, given.overlap, given.rank = np.array([1, 2, 3, 4], np.float32), 0.75, 12
    nothing.overlap = 0.0
    boxes.boxes = [make.box_map(0), given, nothing]
    arrays = boxes.arrays()
    assert arrays['has_candidates'].tolist() == [False, True, False] and arrays['candidates'].tolist() == [[1, 2, 3, 4]]
    assert arrays['has_overlaps'].tolist() == [False, True, True] and arrays['overlaps'].tolist() == [0.75, 0]
    opened = type(boxes).load(boxes.save(tmp_path / 'given.npz'))
    assert opened == boxes and [box.rank for box in opened] == [None, 12, None]
