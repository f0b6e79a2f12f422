from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from projects.shapes import dataset, evidence_dataset
from projects.shapes.evidence import CLASSES, KINDS, STAMPED, draw_scene


@pytest.mark.parametrize('stamps', ['shortcut', 'by chance'])
def test_annotations_are_the_scenes_in_coco_format(tmp_path, stamps):
    coco = COCO(str(evidence_dataset.write_split(tmp_path / 'few', 11, range(4), stamps)))
    assert [category['name'] for category in coco.loadCats(coco.getCatIds())] == list(CLASSES)
    for index in range(4):
        scene = draw_scene(11, index, stamps=stamps)
        stored = cv2.imread(str(tmp_path / 'few' / f'{index:06d}.jpg'))
        assert np.abs(stored.astype(int) - scene.picture).mean() < 6
        found = coco.loadAnns(coco.getAnnIds(index))
        assert [o['category_id'] for o in found] == scene.labels.tolist()
        for number, entry in enumerate(found):
            known = scene.evidence(number)
            assert set(known) == set(entry) & {'mark', 'first_mark', 'second_mark', 'stamp', 'stamped'}
            for name, truth in known.items():
                stored = entry[name] if name == 'stamped' else coco_mask.decode(entry[name]).astype(bool)
                np.testing.assert_array_equal(stored, truth)


def test_a_split_that_is_there_is_not_drawn_again(tmp_path, monkeypatch):
    splits = {'train': (0, range(2), 'shortcut'), 'held_out': (1, range(1), 'by chance')}
    monkeypatch.setattr(evidence_dataset, 'SPLITS', splits)
    evidence_dataset.make(tmp_path, ['train'])
    assert sorted(p.name for p in tmp_path.iterdir()) == ['train', 'train.json']
    written = (tmp_path / 'train.json').stat().st_mtime_ns
    evidence_dataset.main(['--out-dir', str(tmp_path)])
    assert (tmp_path / 'train.json').stat().st_mtime_ns == written
    assert (tmp_path / 'held_out.json').exists()


def test_only_in_training_pictures_the_watermark_is_a_shortcut():
    assert {name: stamps for name, (_, _, stamps) in evidence_dataset.SPLITS.items()} == {
        'train': 'shortcut',
        'held_out': 'by chance',
    }


def test_no_two_splits_share_a_seed():
    seeds = [split[0] for module in (dataset, evidence_dataset) for split in module.SPLITS.values()]
    seeds += [dataset.DEMO_SEED, evidence_dataset.DEMO_SEED]
    assert len(set(seeds)) == len(seeds)


def test_demo_pictures_are_small_and_show_every_kind_of_evidence():
    described = json.loads(evidence_dataset.DEMO.with_suffix('.json').read_text())
    assert [i['id'] for i in described['images']] == list(evidence_dataset.DEMO_INDEXES)
    for info in described['images']:
        path = evidence_dataset.DEMO / info['file_name']
        assert path.stat().st_size < 60_000
        assert cv2.imread(str(path)).shape == (info['height'], info['width'], 3)
    labels = {o['category_id'] for o in described['annotations']}
    assert all(labels & set(of_kind) for of_kind in KINDS.values())
    cards = [(o['category_id'] == STAMPED, o['stamped']) for o in described['annotations'] if 'stamp' in o]
    assert {(True, True), (False, True)} <= set(cards)
