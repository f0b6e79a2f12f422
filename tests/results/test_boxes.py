"""What the front door returns, and how it is saved."""

import os

import numpy as np
import pytest

from mmlens import BoxExplanation, BoxMap, FeatureMap, FeatureMaps
from mmlens.errors import OutputError
from mmlens.results.boxes import Detections


def box_map(index=0, blank=None):
    raw = np.random.default_rng(index).random((8, 12)).astype(np.float32)
    name = ['cup', 'Gläser 杯'][index % 2]
    box = np.array([1, 2, 7, 6], np.float32) + index
    return BoxMap(index, box, index % 2, name, 0.75 - index / 8, raw, raw / raw.max(), blank)


@pytest.fixture
def explanation():
    picture = np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)
    boxes = [box_map(0), box_map(3, 'no gradient')]
    return BoxExplanation(picture, boxes, ('neck', 'backbone.stage4'), 'gradcam', 'score', ['a note'], {'torch': '2'})


def test_an_explanation_is_a_sequence_of_boxes(explanation):
    assert len(explanation) == 2
    assert [box.index for box in explanation] == [0, 3]
    assert explanation[1].blank == 'no gradient' and explanation[-1] is explanation[1]


def test_saving_and_loading_gives_the_same(explanation, tmp_path):
    path = explanation.save(tmp_path / 'maps.npz')
    assert path == tmp_path / 'maps.npz' and os.listdir(tmp_path) == ['maps.npz']
    with np.load(path) as saved:  # plain arrays: allow_pickle stays off
        loaded = {name: saved[name] for name in saved.files}
    expected = explanation.arrays()
    assert set(loaded) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(loaded[name], value)
        assert loaded[name].dtype == value.dtype and loaded[name].dtype != object


def test_what_is_saved(explanation):
    arrays = explanation.arrays()
    assert arrays['raw'].shape == arrays['normalised'].shape == (2, 8, 12)
    np.testing.assert_array_equal(arrays['raw'][1], explanation[1].raw)
    np.testing.assert_array_equal(arrays['boxes'], [[1, 2, 7, 6], [4, 5, 10, 9]])
    assert arrays['labels'].tolist() == [0, 1] and arrays['indices'].tolist() == [0, 3]
    np.testing.assert_allclose(arrays['scores'], [0.75, 0.375])
    assert arrays['classes'].tolist() == ['cup', 'Gläser 杯']
    assert arrays['blank'].tolist() == ['', 'no gradient']
    assert arrays['layers'].tolist() == ['neck', 'backbone.stage4']
    assert (str(arrays['method']), str(arrays['target'])) == ('gradcam', 'score')
    assert arrays['versions'].tolist() == ['torch==2']
    assert arrays['notes'].tolist() == explanation.notes and not arrays['unfinished']


def test_no_box_is_saved_as_no_box(explanation, tmp_path):
    explanation.boxes = []
    explanation.versions = {}
    with np.load(explanation.save(tmp_path / 'none.npz')) as saved:
        shapes = {name: saved[name].shape for name in saved.files}
    assert shapes['raw'] == shapes['normalised'] == (0, 8, 12)
    assert shapes['boxes'] == (0, 4)
    assert shapes['labels'] == shapes['scores'] == shapes['classes'] == shapes['versions'] == (0,)


def test_a_name_without_ending_is_kept(explanation, tmp_path):
    explanation.save(str(tmp_path / 'maps'))
    assert os.listdir(tmp_path) == ['maps']
    with np.load(tmp_path / 'maps') as saved:
        assert len(saved['scores']) == 2


def test_a_failure_leaves_nothing_and_keeps_the_old_file(explanation, tmp_path):
    path = explanation.save(tmp_path / 'maps.npz')
    before = path.read_bytes()
    explanation[0].raw = np.zeros((3, 3), np.float32)  # of another size than the picture
    with pytest.raises(ValueError):
        explanation.save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ['maps.npz']


def test_a_place_that_cannot_be_written_to(explanation, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match='Cannot write'):
        explanation.save(tmp_path / 'file' / 'maps.npz')


@pytest.mark.parametrize('layout', ['overlay', 'panels'])
def test_drawing_returns_a_new_picture(layout, explanation):
    explanation.picture = np.full((80, 120, 3), 90, np.uint8)
    for box in explanation:
        box.raw = np.kron(box.raw, np.ones((10, 10), np.float32))
        box.normalised = box.raw / box.raw.max()
        box.box = box.box * 10
    before = explanation.picture.copy()
    drawn = explanation.draw(layout)
    assert drawn.dtype == np.uint8 and drawn.ndim == 3 and drawn.shape[2] == 3
    assert drawn.shape[0] >= 80 and drawn.shape[1] >= 120
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 100
    np.testing.assert_array_equal(explanation.picture, before)


def feature_map(layer='neck', level=0, levels=3):
    maps = np.random.default_rng(level).random((1, 8, 12)).astype(np.float32)
    return FeatureMap(layer, level, levels, (16, 4, 6), np.array([5]), maps)


def test_a_level_is_named_after_its_layer():
    assert feature_map(level=2).name == 'neck[2]'
    assert feature_map(levels=1).name == 'neck'


def test_feature_maps_are_a_sequence_and_are_drawn():
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32), [])
    picture = np.full((8, 12, 3), 90, np.uint8)
    found = FeatureMaps(picture, [feature_map(), feature_map(level=1)], nothing, 'select_max')
    assert len(found) == 2 and [one.name for one in found] == ['neck[0]', 'neck[1]'] and found[1].level == 1
    drawn = found.draw()
    assert drawn.dtype == np.uint8 and drawn.shape[2] == 3 and drawn.size > picture.size
