"""Annotation files of COCO's kind, and the config's own test set."""

import copy
import json

import cv2
import numpy as np
import pytest

from mmlens.errors import MmlensError, ModelError, PictureError
from mmlens.evaluation import CocoFile, marks_of
from mmlens.evaluation import test_set as cases_of_config


@pytest.fixture
def folder(tmp_path):
    """Two pictures, three objects (one a crowd), and a class that no detector knows."""
    (tmp_path / 'images').mkdir()
    for name in ('a.png', 'b.png'):
        cv2.imwrite(str(tmp_path / 'images' / name), np.full((20, 30, 3), 90, np.uint8))
    mark = {'size': [20, 30], 'counts': [0, 2, 598]}
    square = [[2, 3, 12, 3, 12, 8, 2, 8]]
    objects = [
        dict(id=1, image_id=7, category_id=30, bbox=[2, 3, 10, 5], area=50, iscrowd=0, segmentation=square, mark=mark),
        dict(id=2, image_id=7, category_id=20, bbox=[0, 0, 4, 4], area=16, iscrowd=0),
        dict(id=3, image_id=7, category_id=20, bbox=[0, 0, 30, 20], area=600, iscrowd=1),
    ]
    content = dict(
        images=[dict(id=i, file_name=n, height=20, width=30) for i, n in ((7, 'a.png'), (8, 'b.png'))],
        annotations=objects,
        categories=[dict(id=20, name='unicorn'), dict(id=30, name='bee')],
    )
    (tmp_path / 'boxes.json').write_text(json.dumps(content))
    return tmp_path


def test_objects_are_read_with_masks_and_marks(folder):
    cases = CocoFile(folder / 'boxes.json', folder / 'images').cases(['ant', 'bee'])
    assert [case.name for case in cases] == ['a.png', 'b.png']
    path, truth = cases[0].read()
    assert path == folder / 'images' / 'a.png'
    assert truth.boxes.tolist() == [[2, 3, 12, 8], [0, 0, 4, 4]] and truth.labels.tolist() == [1, -1]
    assert truth.mask(0).sum() == 50 and truth.mask(1) is None
    assert truth.mark(0).sum() == 2 and truth.mark(0)[:2, 0].all() and truth.mark(1) is None
    _, nothing = cases[1].read()
    assert nothing.boxes.shape == (0, 4) and len(nothing.labels) == 0


def test_without_names_categories_count_in_their_order(folder):
    _, truth = CocoFile(folder / 'boxes.json', folder / 'images').cases([])[0].read()
    assert truth.labels.tolist() == [1, 0]


def test_files_of_other_pictures_and_classes_are_refused(folder):
    (folder / 'images' / 'b.png').unlink()
    with pytest.raises(PictureError, match=r'1 of its 2 pictures are not there, such as b.png'):
        CocoFile(folder / 'boxes.json', folder / 'images')
    cv2.imwrite(str(folder / 'images' / 'b.png'), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(MmlensError, match=r'knows none of the classes of .*boxes.json \(unicorn, bee\): it knows ant'):
        CocoFile(folder / 'boxes.json', folder / 'images').cases(['ant'])


def test_classes_that_a_detector_does_not_know(folder):
    file = CocoFile(folder / 'boxes.json', folder / 'images')
    assert file.unknown(['bee']) == ['unicorn'] and file.unknown(['bee', 'unicorn']) == file.unknown([]) == []


@pytest.mark.parametrize('text', ['no json', '[]', '{"images": []}', None])
def test_what_is_no_annotation_file_is_refused(folder, text):
    path = folder / 'other.json'
    if text is not None:
        path.write_text(text)
    with pytest.raises(MmlensError, match=r'other.json is no annotation file of COCO: '):
        CocoFile(path, folder)


@pytest.mark.parametrize(
    ('key', 'entry', 'sentence'),
    [
        ('annotations', dict(image_id=7, category_id=30), "an entry has no 'bbox'"),
        ('annotations', dict(image_id=7, category_id=30, bbox=[1, 2, 3]), 'not of four finite numbers'),
        ('annotations', dict(image_id=7, category_id=30, bbox=[1, 2, 3, float('nan')]), 'not of four finite numbers'),
        ('annotations', dict(image_id=7, category_id=30, bbox=None), 'is no annotation file of COCO'),
        ('images', dict(id=9), "an entry has no 'file_name'"),
        ('categories', dict(id=9), "an entry has no 'name'"),
    ],
)
def test_entries_that_are_none_are_told_before_anything_runs(folder, key, entry, sentence):
    content = json.loads((folder / 'boxes.json').read_text())
    content[key].append(entry)
    (folder / 'boxes.json').write_text(json.dumps(content))
    with pytest.raises(MmlensError, match=sentence):
        CocoFile(folder / 'boxes.json', folder / 'images')


def test_pictures_without_their_size_have_objects_without_polygons(folder):
    content = json.loads((folder / 'boxes.json').read_text())
    content['images'] = [dict(id=7, file_name='a.png')]
    (folder / 'boxes.json').write_text(json.dumps(content))
    _, truth = CocoFile(folder / 'boxes.json', folder / 'images').cases(['bee'])[0].read()
    assert truth.boxes.tolist() == [[2, 3, 12, 8], [0, 0, 4, 4]]
    assert truth.mask(0) is None and truth.mark(0).sum() == 2


def test_the_configs_own_test_set(folder, yolox_config):
    content = json.loads((folder / 'boxes.json').read_text())
    content['categories'][0]['name'] = 'ant'
    (folder / 'boxes.json').write_text(json.dumps(content))
    dataset = dict(
        type='CocoDataset', data_root=str(folder), ann_file='boxes.json', data_prefix=dict(img='images/'),
        metainfo=dict(classes=('ant', 'bee')), test_mode=True, pipeline=[],
    )  # fmt: skip
    config = copy.deepcopy(yolox_config)
    config.test_dataloader = dict(dataset=dataset)
    cases = cases_of_config(config)
    assert [case.name for case in cases] == ['7: a.png', '8: b.png']
    path, truth = cases[0].read()
    assert str(path).endswith('a.png') and truth.labels.tolist() == [1, 0]
    assert truth.boxes.tolist() == [[2, 3, 12, 8], [0, 0, 4, 4]] and truth.mask(0).sum() == 50
    # mmdet's dataset drops the marks: they are read from its file.
    assert truth.mark(0).sum() == 2 and truth.mark(0)[:2, 0].all() and truth.mark(1) is None
    config.pop('test_dataloader')
    with pytest.raises(ModelError, match='test_dataloader'):
        cases_of_config(config)


class Plain:
    def __init__(self, ann_file):
        self.ann_file = ann_file


class Around:
    def __init__(self, *inner):
        self.datasets = inner


def test_marks_are_found_below_wrappers_and_other_files_have_none(folder):
    mark = {'size': [20, 30], 'counts': [0, 2, 598]}
    found = {('7', (2, 3, 12, 8)): mark}
    own = Plain(str(folder / 'boxes.json'))
    assert marks_of(own) == found == marks_of(Around(Around(own), Plain('absent.json')))
    (folder / 'other.txt').write_text('no "mark" in json')
    for other in (Plain(str(folder / 'other.txt')), Plain(''), Plain(None), object()):
        assert marks_of(other) == {}
