"""What all results share: saved, opened, compared and shown."""

import copy
import os
import pickle
import zipfile

import cv2
import numpy as np
import pytest

import mmlens
from mmlens import BoxExplanation, ClassExplanation, FeatureMaps, MmlensError, Predicted
from mmlens.errors import MmlensWarning, OutputError
from mmlens.results.explanation import Explanation

KINDS = ('boxes', 'classes', 'features')


@pytest.fixture(params=KINDS)
def result(request) -> Explanation:
    return request.getfixturevalue(request.param)


# ---------------------------------------------------------------- saved and opened


def test_what_is_saved_are_the_arrays(result, tmp_path):
    path = result.save(tmp_path / 'maps.npz')
    assert path == tmp_path / 'maps.npz' and os.listdir(tmp_path) == ['maps.npz']
    with np.load(path) as saved:  # plain arrays: allow_pickle stays off
        loaded = {name: saved[name] for name in saved.files}
    expected = result.arrays()
    assert set(loaded) == {*expected, 'kind', 'format'}
    for name, value in expected.items():
        np.testing.assert_array_equal(loaded[name], value)
        assert loaded[name].dtype == value.dtype and loaded[name].dtype != object


def test_what_is_opened_equals_what_was_saved(result, tmp_path):
    path = result.save(tmp_path / 'maps.npz')
    opened = type(result).load(path)
    assert opened == result and opened is not result
    assert mmlens.load(str(path)) == result and type(mmlens.load(path)) is type(result)
    assert repr(opened) == repr(result)
    np.testing.assert_array_equal(opened.draw(), result.draw())


def test_masks_gradients_and_figures_that_float32_cannot_hold_come_back(boxes, classes, tmp_path, make):
    mask = np.zeros((8, 12), bool)
    mask[2:4, 5] = True
    boxes.boxes = [make.box_map(0), make.box_map(1, mask=mask), make.box_map(2, mask=~mask)]
    boxes[0].score, boxes.passes, boxes.unfinished = 0.1, 7, True
    classes.classes = [make.class_map(0), make.class_map(1, guided=make.random(3, 8, 12, 3))]
    for number, result in enumerate((boxes, classes)):
        assert mmlens.load(result.save(tmp_path / f'{number}.npz')) == result


@pytest.mark.parametrize('predicted', [None, Predicted(), Predicted(boxes=np.zeros((0, 4), np.float32))], ids=repr)
def test_little_comes_back_as_little(predicted, boxes, classes, tmp_path, make):
    boxes.boxes, boxes.notes, boxes.versions, boxes.layers = [], [], {}, ()
    classes.classes = []
    features = FeatureMaps(make.picture(), [], predicted, 'select_max')
    for number, result in enumerate((boxes, classes, features)):
        assert mmlens.load(result.save(tmp_path / f'{number}.npz')) == result


def test_a_map_that_is_not_a_number_comes_back(features, tmp_path):
    features[0].maps[0, 0, 0] = np.nan
    assert mmlens.load(features.save(tmp_path / 'maps.npz')) == features


def test_a_name_without_ending_is_kept(boxes, tmp_path):
    boxes.save(str(tmp_path / 'maps'))
    assert os.listdir(tmp_path) == ['maps']
    with np.load(tmp_path / 'maps') as saved:
        assert len(saved['scores']) == 2
    assert BoxExplanation.load(tmp_path / 'maps') == boxes


def test_a_failure_leaves_nothing_and_keeps_the_old_file(boxes, tmp_path):
    path = boxes.save(tmp_path / 'maps.npz')
    before = path.read_bytes()
    boxes[0].raw = np.zeros((3, 3), np.float32)  # of another size than the picture
    with pytest.raises(ValueError):
        boxes.save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ['maps.npz']


def test_a_place_that_cannot_be_written_to(result, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match='Cannot write'):
        result.save(tmp_path / 'file' / 'maps.npz')


# ---------------------------------------------------------------- files that cannot be opened


def test_a_result_of_another_kind(boxes, classes, tmp_path):
    path = boxes.save(tmp_path / 'maps.npz')
    with pytest.raises(MmlensError, match=r'maps.npz holds box maps, not class maps: open it with `mmlens.load\(\)`'):
        ClassExplanation.load(path)
    with pytest.raises(MmlensError, match='holds class maps, not feature maps'):
        FeatureMaps.load(classes.save(path))


def test_no_file(tmp_path):
    with pytest.raises(MmlensError, match='There is no file .*gone.npz: check the path'):
        mmlens.load(tmp_path / 'gone.npz')
    with pytest.raises(MmlensError, match='Cannot read .*: Is a directory'):
        mmlens.load(tmp_path)


def strange_files():
    yield 'empty', lambda path: path.write_bytes(b'')
    yield 'text', lambda path: path.write_text('box maps\n')
    yield 'array', lambda path: np.save(path.open('wb'), np.zeros(3))
    yield 'pickle', lambda path: path.write_bytes(pickle.dumps({'kind': 'box maps'}))
    yield 'objects', lambda path: np.savez(path, kind=np.array(['box maps', None], object), format=1)
    yield 'others', lambda path: np.savez(path, boxes=np.zeros((2, 4)), scores=np.zeros(2))
    yield 'zip', lambda path: zipfile.ZipFile(path, 'w').close()


@pytest.mark.parametrize(('name', 'write'), strange_files())
def test_a_file_that_mmlens_did_not_save(name, write, tmp_path):
    path = tmp_path / 'maps.npz'
    write(path)
    with pytest.raises(MmlensError, match='maps.npz is not a result that mmlens saved'):
        mmlens.load(path)


def test_nothing_is_unpickled(boxes, tmp_path):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ('it was unpickled',)

    arrays = {'kind': np.array('box maps'), 'format': np.array(1), **boxes.arrays()}
    np.savez(tmp_path / 'maps.npz', **{**arrays, 'notes': np.array([Trap()], object)})
    with pytest.raises(MmlensError, match='is not a result that mmlens saved'):
        mmlens.load(tmp_path / 'maps.npz')


def test_a_file_that_ends_early(result, tmp_path):
    path = result.save(tmp_path / 'maps.npz')
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(MmlensError, match='is not a result that mmlens saved'):
        mmlens.load(path)


def test_a_flipped_byte(boxes, tmp_path):
    path = boxes.save(tmp_path / 'maps.npz')
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(MmlensError, match='is not a result that mmlens saved'):
        mmlens.load(path)


def rewritten(result, path, **changes):
    arrays = {'kind': np.array(result.kind), 'format': np.array(1), **result.arrays(), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize('missing', ['picture', 'raw', 'boxes', 'classes', 'layers', 'target', 'versions'])
def test_an_array_that_is_missing(missing, boxes, tmp_path):
    with pytest.raises(MmlensError, match='is damaged: arrays are missing or do not fit each other'):
        mmlens.load(rewritten(boxes, tmp_path / 'maps.npz', **{missing: None}))


def test_arrays_that_do_not_fit(boxes, features, tmp_path):
    mask = np.zeros((1, 8, 12), bool)
    cases = [
        (boxes, dict(raw=np.zeros((1, 8, 12), np.float32))),
        (boxes, dict(masks=mask, has_masks=np.array([True, True]))),
        (boxes, dict(masks=mask, has_masks=np.array([True]))),
        (features, dict(map_counts=np.array([1, 1, 1]))),
        (features, dict(levels=np.zeros((3, 3), np.int64))),
    ]
    for result, changes in cases:
        with pytest.raises(MmlensError, match='is damaged'):
            mmlens.load(rewritten(result, tmp_path / 'maps.npz', **changes))


def test_a_file_of_a_newer_version(boxes, tmp_path):
    for changes in (dict(format=np.array(2)), dict(kind=np.array('track maps'))):
        with pytest.raises(MmlensError, match='upgrade mmlens to open it'):
            mmlens.load(rewritten(boxes, tmp_path / 'maps.npz', **changes))


# ---------------------------------------------------------------- compared


def changes():
    """For each kind of result, ways to change one value."""
    yield 'boxes', lambda r: setattr(r, 'picture', r.picture + 1)
    yield 'boxes', lambda r: setattr(r, 'layers', ('neck',))
    yield 'boxes', lambda r: r.notes.append('another')
    yield 'boxes', lambda r: r.boxes.pop()
    yield 'boxes', lambda r: r[0].raw.__setitem__((0, 0), 9)
    yield 'boxes', lambda r: setattr(r[1], 'score', 0.5)
    yield 'boxes', lambda r: setattr(r[1], 'mask', np.zeros((8, 12), bool))
    yield 'boxes', lambda r: setattr(r, 'passes', 3)
    yield 'classes', lambda r: setattr(r, 'input_size', (8, 8))
    yield 'classes', lambda r: r.versions.update(torch='1')
    yield 'classes', lambda r: setattr(r[0], 'guided', np.zeros((8, 12, 3), np.float32))
    yield 'features', lambda r: setattr(r, 'predicted', None)
    yield 'features', lambda r: setattr(r.predicted, 'seg_map', r.predicted.seg_map + 1)
    yield 'features', lambda r: r.maps.reverse()
    yield 'features', lambda r: r.predicted.seg_names.update({2: 'sea'})


@pytest.mark.parametrize(('name', 'change'), changes())
def test_results_are_equal_until_a_value_differs(name, change, request):
    result = request.getfixturevalue(name)
    other = copy.deepcopy(result)
    assert other == result
    change(other)
    assert other != result


def test_results_of_different_kinds_differ(boxes, classes, features, make):
    assert boxes != classes and classes != features and boxes != 'boxes'
    assert make.box_map(1) == make.box_map(1) != make.class_map(1)
    assert make.feature_map() == make.feature_map() != make.feature_map(level=1)


# ---------------------------------------------------------------- shown


def test_a_notebook_shows_the_drawing(result):
    png = np.frombuffer(result._repr_png_(), np.uint8)
    np.testing.assert_array_equal(cv2.imdecode(png, cv2.IMREAD_COLOR), result.draw())


def test_a_result_is_printed_in_one_short_line(result):
    for each in (result, *result):
        assert len(repr(each)) < 150 and '\n' not in repr(each) and 'array' not in repr(each)


def test_of_many_items_a_line_names_the_first_few(boxes, make):
    boxes.boxes = [make.box_map(0)] * 5
    assert repr(boxes).startswith(
        '<BoxExplanation of 5 boxes in 12 x 8 pixels (cup 0.75, cup 0.75, cup 0.75 and 2 more): '
    )


def test_a_result_is_plotted_into_axes(result):
    import matplotlib

    matplotlib.use('agg')
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2)
    assert result.plot(right) is right and not left.images
    np.testing.assert_array_equal(right.images[0].get_array(), result.draw()[..., ::-1])
    alone = result.plot(**({'layout': 'panels'} if isinstance(result, BoxExplanation) else {}))
    assert alone.figure is not figure
    pyplot.close('all')


def test_showing_without_a_display_says_what_to_do_instead(result, monkeypatch):
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    with pytest.warns(MmlensWarning, match='There is no display here: use `plot') as caught:
        result.show()
    assert caught[0].filename == __file__
