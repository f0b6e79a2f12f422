from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from projects.shapes import dataset
from projects.shapes.scenes import CLASSES, MARK_CLASSES, draw_scene


@pytest.fixture(scope='module')
def split(tmp_path_factory):
    return dataset.write_split(tmp_path_factory.mktemp('shapes') / 'few', 11, range(5))


def test_annotations_are_the_scenes_in_coco_format(split):
    coco = COCO(str(split))
    assert [category['name'] for category in coco.loadCats(coco.getCatIds())] == list(CLASSES)
    assert coco.getImgIds() == list(range(5))
    for index in range(5):
        scene, info = draw_scene(11, index), coco.loadImgs(index)[0]
        assert (info['height'], info['width']) == scene.picture.shape[:2]
        objects = coco.loadAnns(coco.getAnnIds(index))
        assert [o['category_id'] for o in objects] == scene.labels.tolist()
        for number, found in enumerate(objects):
            x, y, width, height = found['bbox']
            np.testing.assert_array_equal([x, y, x + width, y + height], scene.boxes[number])
            np.testing.assert_array_equal(coco.annToMask(found).astype(bool), scene.masks[number])
            assert found['area'] == scene.masks[number].sum()
            assert ('mark' in found) == (found['category_id'] in MARK_CLASSES)
            if 'mark' in found:
                np.testing.assert_array_equal(coco_mask.decode(found['mark']).astype(bool), scene.mark_masks[number])


def test_pictures_are_the_scenes_up_to_jpeg(split):
    for index in range(5):
        stored = cv2.imread(str(split.with_suffix('') / f'{index:06d}.jpg'))
        drawn = draw_scene(11, index).picture
        assert stored.shape == drawn.shape
        assert np.abs(stored.astype(int) - drawn).mean() < 6


def test_a_split_that_is_there_is_not_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, 'SPLITS', {'train': (0, range(1)), 'held_out': (1, range(1))})
    dataset.make(tmp_path, ['train'])
    assert sorted(p.name for p in tmp_path.iterdir()) == ['train', 'train.json']
    written = (tmp_path / 'train.json').stat().st_mtime_ns
    dataset.make(tmp_path)
    assert (tmp_path / 'train.json').stat().st_mtime_ns == written
    assert (tmp_path / 'held_out.json').exists()


def test_the_splits_share_no_seed():
    seeds = [seed for seed, _ in dataset.SPLITS.values()] + [dataset.DEMO_SEED]
    assert len(set(seeds)) == len(seeds)


def test_demo_pictures_are_small_not_square_and_described():
    """They show alignment only if the input is padded, in both directions."""
    described = json.loads(dataset.DEMO.with_suffix('.json').read_text())
    assert [i['id'] for i in described['images']] == list(dataset.DEMO_INDEXES)
    assert {i['width'] > i['height'] for i in described['images']} == {True, False}
    for info in described['images']:
        path = dataset.DEMO / info['file_name']
        assert path.stat().st_size < 60_000
        assert cv2.imread(str(path)).shape == (info['height'], info['width'], 3)
        assert info['width'] != info['height']
    assert {o['category_id'] for o in described['annotations'] if 'mark' in o} == set(MARK_CLASSES)
