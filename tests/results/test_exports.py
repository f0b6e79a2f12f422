"""Results as the objects of other tools: the real ones where they are installed, else stand-ins."""

import importlib
import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mmlens import MmlensError
from mmlens.results.exports import peak_of, share_inside
from mmlens.results.misses import Miss, Misses


def kept(**values):
    return SimpleNamespace(**values)


STAND_INS = {
    'pandas': dict(DataFrame=dict),
    'supervision': dict(
        Detections=kept, Classifications=lambda class_id, confidence: kept(class_id=class_id, confidence=confidence)
    ),
    'fiftyone': dict.fromkeys(['Detection', 'Detections', 'Heatmap', 'Classification', 'Classifications'], kept),
}


@pytest.fixture
def tools(monkeypatch):
    """Stand-ins for the packages that are not installed here."""
    for name, parts in STAND_INS.items():
        try:
            importlib.import_module(name)
        except ImportError:
            module = ModuleType(name)
            module.__dict__.update(parts)
            monkeypatch.setitem(sys.modules, name, module)


def columns(frame):
    return {name: list(frame[name]) for name in frame}


# ---------------------------------------------------------------- tables


def test_boxes_as_a_table(boxes, tools):
    boxes[0].raw[:] = 0
    boxes[0].raw[3, 2] = 3.0  # within the box 1, 2, 7, 6
    boxes[0].raw[7, 11] = 1.0
    boxes[1].raw[:] = 0
    table = columns(boxes.to_dataframe())
    assert table['class'] == ['cup', 'Gläser 杯'] and table['label'] == [0, 1] and table['score'] == [0.75, 0.375]
    assert [table[name] for name in ('x1', 'y1', 'x2', 'y2')] == [[1, 4], [2, 5], [7, 10], [6, 9]]
    assert table['blank'] == ['', 'no gradient'] and table['target'] == ['score'] * 2
    assert table['method'] == ['gradcam'] * 2 and table['against'] == ['', ''] and table['index'] == [0, 3]
    np.testing.assert_array_equal(table['peak_x'], [2, np.nan])
    np.testing.assert_array_equal(table['peak_y'], [3, np.nan])
    np.testing.assert_array_equal(table['inside'], [0.75, np.nan])
    assert 'overlap' not in table


def test_given_boxes_know_their_candidates(boxes, tools):
    boxes[0].overlap, boxes[0].rank = 0.5, 2
    table = columns(boxes.to_dataframe())
    assert table['overlap'][0] == 0.5 and table['rank'][0] == 2


def test_classes_as_a_table(classes, tools):
    table = columns(classes.to_dataframe())
    assert table['class'] == ['Gläser 杯', 'cup'] and table['category'] == [1, 0] and table['rank'] == [1, 0]
    assert table['score'] == [0.86, 0.86] and table['logit'] == [1.7, 1.7] and table['blank'] == ['', 'all zero']
    y, x = np.unravel_index(classes[0].normalised.argmax(), (8, 12))
    assert (table['peak_x'][0], table['peak_y'][0]) == (x, y)


def test_feature_maps_as_a_table(features, tools):
    table = columns(features.to_dataframe())
    assert table['layer'] == ['neck', 'neck', 'neck', 'backbone'] and table['level'] == [0, 1, 1, 0]
    assert table['channel'] == [5, 7, 2, -1] and table['channels'] == [16] * 4
    assert table['height'] == [4] * 4 and table['width'] == [6] * 4
    assert table['highest'][2] == features[1].maps[1].max() and table['lowest'][2] == features[1].maps[1].min()
    assert table['mean'][3] == pytest.approx(features[2].maps.mean())


def test_misses_as_a_table(tools):
    box = np.array([10, 20, 40, 50], np.float32)
    found = Miss(box, 2, 'car', 'found', numbers=dict(score=0.9, overlap=0.8))
    outvoted = Miss(
        box + 1, 1, 'van', 'outvoted', numbers=dict(score=0.1, overlap=0.7, rival_score=0.6), rival_name='car'
    )
    cut = Miss(box, 0, 'bus', 'filtered', 'crop', numbers=dict(cut=60))
    misses = Misses([found, outvoted, cut])
    table = columns(misses.to_dataframe())
    assert table['class'] == ['car', 'van', 'bus'] and table['x1'] == [10, 11, 10]
    assert table['mechanism'] == ['found', 'outvoted', 'filtered'] and table['kind'] == ['', '', 'crop']
    np.testing.assert_array_equal(table['score'], [0.9, 0.1, np.nan])
    assert table['rival'] == ['', 'car', ''] and table['sentence'] == [each.sentence for each in misses]
    assert (
        repr(misses) == '<Misses of 3 objects: 1 found, 1 filtered, 1 outvoted>'
        and repr(Misses()) == '<Misses of 0 objects>'
    )
    assert misses == [found, outvoted, cut]  # it is a list


def test_nothing_is_an_empty_table_with_its_columns(boxes, classes, features, tools):
    boxes.boxes, classes.classes, features.maps = [], [], []
    for result in (boxes, classes, features, Misses()):
        table = columns(result.to_dataframe())
        assert len(table) > 5 and not any(table.values())


def test_the_share_of_a_map_inside_a_box_counts_pixels_whose_centres_are_inside():
    values = np.ones((4, 4), np.float32)
    assert share_inside(values, np.array([0, 0, 4, 4])) == 1.0
    assert share_inside(values, np.array([0.4, 0.6, 2.4, 4.0])) == 6 / 16  # x 0 and 1 (centres 0.5, 1.5); y 1 to 3
    assert share_inside(values, np.array([-5, -5, 1, 1])) == 1 / 16
    assert np.isnan(share_inside(values * 0, np.array([0, 0, 4, 4])))
    assert peak_of(values * np.arange(4)[None]) == (3, 0)


# ---------------------------------------------------------------- supervision


def test_boxes_as_detections_of_supervision(boxes, make, tools):
    found = boxes.to_supervision()
    np.testing.assert_array_equal(found.xyxy, [[1, 2, 7, 6], [4, 5, 10, 9]])
    np.testing.assert_array_equal(found.confidence, np.float32([0.75, 0.375]))
    np.testing.assert_array_equal(found.class_id, [0, 1])
    assert found.mask is None
    assert list(found.data['class_name']) == ['cup', 'Gläser 杯'] and list(found.data['target']) == ['score'] * 2
    assert list(found.data['blank']) == ['', 'no gradient']
    np.testing.assert_array_equal(found.data['map'], [box.normalised for box in boxes])
    mask = np.zeros((8, 12), bool)
    mask[2:4, 5] = True
    boxes.boxes = [make.box_map(0, mask=mask), make.box_map(1, mask=~mask)]
    np.testing.assert_array_equal(boxes.to_supervision().mask, [mask, ~mask])
    boxes.boxes = [make.box_map(0, mask=mask), make.box_map(1)]
    assert boxes.to_supervision().mask is None


def test_no_box_is_no_detection_of_supervision(boxes, tools):
    boxes.boxes = []
    found = boxes.to_supervision()
    assert found.xyxy.shape == (0, 4) and found.data['map'].shape == (0, 8, 12)


def test_supervision_can_choose_among_them(boxes):
    supervision = pytest.importorskip('supervision')
    found = boxes.to_supervision()
    assert isinstance(found, supervision.Detections)
    (kept_one,) = found[found.confidence > 0.5].data['map']
    np.testing.assert_array_equal(kept_one, boxes[0].normalised)


def test_classes_as_classifications_of_supervision(classes, tools):
    found = classes.to_supervision()
    assert list(found.class_id) == [1, 0] and list(found.confidence) == list(np.float32([0.86, 0.86]))


def test_what_was_predicted_beside_feature_maps(features, predicted, tools):
    found = features.to_supervision()
    np.testing.assert_array_equal(found.xyxy, predicted.boxes)
    np.testing.assert_array_equal(found.mask, predicted.masks)
    assert 'map' not in found.data
    features.predicted = None
    for export in (features.to_supervision, features.to_fiftyone, features.to_coco):
        with pytest.raises(MmlensError, match='predicts no boxes: use `to_dataframe'):
            export()


# ---------------------------------------------------------------- FiftyOne


def test_boxes_as_detections_of_fiftyone(boxes, make, tools):
    mask = np.zeros((8, 12), bool)
    mask[2:4, 5] = True
    boxes.boxes = [make.box_map(0, mask=mask), make.box_map(3, 'no gradient', mask=mask)]
    first, second = boxes.to_fiftyone().detections
    assert first.label == 'cup' and first.confidence == 0.75
    assert first.bounding_box == pytest.approx([1 / 12, 2 / 8, 6 / 12, 4 / 8])
    np.testing.assert_array_equal(first.evidence.map, boxes[0].normalised)
    assert list(first.evidence.range) == [0, 1]
    np.testing.assert_array_equal(first.mask, mask[2:6, 1:7])  # FiftyOne's masks lie in the box
    assert first.target == 'score' and second.blank == 'no gradient' and second.method == 'gradcam'


def test_a_mask_of_a_box_without_area_has_a_pixel(boxes, make, tools):
    boxes.boxes = [make.box_map(0, mask=np.ones((8, 12), bool))]
    for box in ([3, 3, 3, 3], [12, 8, 12, 8], [-2, -2, -1, -1]):
        boxes[0].box = np.array(box, np.float32)
        assert boxes.to_fiftyone().detections[0].mask.shape == (1, 1)


def test_classes_as_classifications_of_fiftyone(classes, tools):
    first, _ = classes.to_fiftyone().classifications
    assert first.label == 'Gläser 杯' and first.confidence == 0.86 and first.method == 'layercam'
    np.testing.assert_array_equal(first.evidence.map, classes[0].normalised)


# ---------------------------------------------------------------- COCO


def test_boxes_as_coco_results(boxes):
    from pycocotools import mask

    first, second = boxes.to_coco(image_id=7, threshold=0.25)
    assert (first['image_id'], first['category_id'], first['score']) == (7, 0, 0.75)
    assert first['bbox'] == [1, 2, 6, 4] and second['bbox'] == [4, 5, 6, 4]
    for entry, box in zip((first, second), boxes):
        np.testing.assert_array_equal(mask.decode(entry['segmentation']), box.normalised >= 0.25)
    assert json.loads(json.dumps([first, second])) == [first, second]


def test_a_value_at_the_threshold_counts_and_a_blank_map_is_empty(boxes):
    from pycocotools import mask

    boxes[0].normalised[:] = 0
    boxes[0].normalised[1, 1] = np.float32(0.3)
    boxes[1].normalised[:] = 0
    areas = [mask.area(entry['segmentation']) for entry in boxes.to_coco(threshold=0.3)]
    assert areas == [1, 0]


def test_coco_loads_them(boxes, tmp_path):
    from pycocotools.coco import COCO

    truth = COCO()
    truth.dataset = dict(images=[dict(id=7, height=8, width=12)], categories=[dict(id=0), dict(id=1)], annotations=[])
    truth.createIndex()
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(boxes.to_coco(image_id=7)))
    found = truth.loadRes(str(path))
    assert len(found.anns) == 2
    np.testing.assert_array_equal(found.annToMask(found.anns[1]), boxes[0].normalised >= 0.5)


def test_category_ids_by_name_index_or_list(boxes):
    for ids in ({'cup': 11, 'Gläser 杯': 90}, {0: 11, 1: 90}, [11, 90]):
        assert [entry['category_id'] for entry in boxes.to_coco(category_ids=ids)] == [11, 90]
    for ids in ({'cup': 11}, [11]):
        with pytest.raises(MmlensError, match="has no id for class 1, 'Gläser 杯': give one for each class"):
            boxes.to_coco(category_ids=ids)


def test_predicted_masks_and_boxes_without_masks(features, predicted):
    from pycocotools import mask

    entries = features.to_coco()
    np.testing.assert_array_equal(mask.decode(entries[1]['segmentation']), predicted.masks[1])
    predicted.masks = None
    assert all('segmentation' not in entry for entry in features.to_coco())


# ---------------------------------------------------------------- packages that are not there


@pytest.mark.parametrize(
    ('package', 'function'),
    [
        ('pandas', 'to_dataframe'),
        ('supervision', 'to_supervision'),
        ('fiftyone', 'to_fiftyone'),
        ('pycocotools', 'to_coco'),
    ],
)
def test_a_package_that_is_missing_or_broken_is_told_in_a_sentence(package, function, boxes, monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.split('.')[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / package).mkdir()
    (tmp_path / package / '__init__.py').write_text('raise ImportError("libfoo.so is missing")')
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        MmlensError, match=rf'`{function}\(\)` needs {package}, .* \(libfoo.so is missing.*\): run `pip'
    ):
        getattr(boxes, function)()
    monkeypatch.setattr(sys, 'path', [str(tmp_path / 'nowhere')])
    importlib.invalidate_caches()
    message = rf'`{function}\(\)` needs {package}, which is not installed: run `pip install {package}`\.$'
    with pytest.raises(MmlensError, match=message):
        getattr(boxes, function)()
