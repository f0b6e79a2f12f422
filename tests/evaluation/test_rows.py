"""Rows as users write them, and the baselines."""

import numpy as np
import pytest

from mmlens.errors import MmlensError
from mmlens.evaluation import Row, baselines, class_baselines, read_row
from mmlens.evaluation.rows import check_names, method_of
from mmlens.metrics import gaussian_map, sobel_map


def test_a_row_is_read_part_by_part():
    row = read_row('fine: layercam/backbone.stage1+neck/product')
    assert (row.name, row.baseline, row.draw) == ('fine', False, None)
    assert row.settings == dict(method='layercam', layers=['backbone.stage1', 'neck'], fusion='product')
    assert read_row('why: gradcam///cat+dog').settings == dict(method='gradcam', against=['cat', 'dog'])
    assert read_row('why: gradcam///auto').settings['against'] == 'auto'
    assert read_row('plain:').settings == {} == read_row('default').settings
    assert read_row('gradcam', layers=('neck',), fusion=None).settings == dict(method='gradcam', layers=['neck'])


def test_options_of_a_method_stand_wherever_there_is_an_equals_sign():
    row = read_row('few: drise/num_masks=200+seed=1')
    assert row.settings == dict(method='drise', method_options=dict(num_masks=200, seed=1)) and hash(row.options)
    row = read_row('a: ablationcam/neck/sum/ablated=mean+ratio_channels_to_ablate=0.5')
    assert row.settings == dict(
        method='ablationcam',
        layers=['neck'],
        fusion='sum',
        method_options=dict(ablated='mean', ratio_channels_to_ablate=0.5),
    )
    same = read_row('b: drise/seed=1+num_masks=200')
    assert same.options == read_row('few: drise/num_masks=200+seed=1').options
    assert read_row('drise', method_options=dict(seed=2)).settings == dict(method='drise', method_options=dict(seed=2))


@pytest.mark.parametrize('text', ['a: drise/seed=', 'a: drise/=1'])
def test_what_is_no_option_is_refused(text):
    with pytest.raises(MmlensError, match='is no option of a method: write KEY=VALUE'):
        read_row(text)


@pytest.mark.parametrize('text', [': gradcam', 'a: b/c/d/e/f'])
def test_what_is_no_row_is_refused(text):
    with pytest.raises(MmlensError, match='is no row: write a method, or NAME: METHOD/LAYERS/FUSION/AGAINST'):
        read_row(text)


def test_rows_must_be_told_apart():
    with pytest.raises(MmlensError, match="Two rows are called 'gaussian'"):
        check_names([Row('gaussian'), Row('a'), Row('gaussian')])


def test_baselines_of_arrays(yolox, picture):
    rows = {row.name: row for row in baselines(yolox)}
    assert all(row.baseline for row in rows.values())
    boxes = np.array([[10.0, 10, 40, 50], [60, 5, 90, 30]])
    drawn = {name: row.draw(picture, boxes, 'a.jpg') for name, row in rows.items() if row.draw}
    assert list(drawn) == ['random', 'edges', 'gaussian']
    for name, maps in drawn.items():
        assert len(maps) == 2 and all(each.shape == (90, 128) for each in maps)
        assert (maps[0] is maps[1]) == (name != 'gaussian')  # one map for all boxes: one set of passes
    assert np.array_equal(drawn['edges'][0], sobel_map(picture))
    assert np.array_equal(drawn['gaussian'][1], gaussian_map((90, 128), boxes[1]))
    assert np.array_equal(drawn['random'][0], rows['random'].draw(picture, boxes, 'a.jpg')[0])
    assert not np.array_equal(drawn['random'][0], rows['random'].draw(picture, boxes, 'b.jpg')[0])


def test_baselines_of_classes_are_the_same_maps_and_plain_gradcam(yolox):
    rows = class_baselines()
    assert [row.name for row in rows] == ['random', 'edges', 'gaussian', 'plain gradcam']
    assert all(row.baseline for row in rows) and rows[-1].settings == dict(method='gradcam')
    assert method_of(read_row('default'), yolox) == 'evidencecam' and method_of(rows[-1], yolox) == 'gradcam'


def test_baselines_of_networks_look_at_the_neck(yolox):
    settings = {row.name: row.settings for row in baselines(yolox) if row.draw is None}
    assert settings == {
        'neck gradcam': dict(method='gradcam', layers=['neck'], fusion='sum'),
        'ultralytics': dict(method='layercam', layers=['neck'], fusion='max'),
    }
