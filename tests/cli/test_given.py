"""Boxes on the command line, and annotated objects by the names of their pictures."""

import argparse
import json

import pytest

from mmlens.cli.given import Annotations, Given
from mmlens.errors import MmlensError, PictureError


def coco(**changed):
    content = dict(
        images=[dict(id=1, file_name='a.png'), dict(id=2, file_name='left/b.png'), dict(id=3, file_name='b.png')],
        categories=[dict(id=7, name='cow'), dict(id=5, name='ant'), dict(id=6, name='ghost')],
        annotations=[
            dict(image_id=1, category_id=7, bbox=[1, 2, 3, 4]),
            dict(image_id=1, category_id=5, bbox=[5, 5, 5, 5], iscrowd=1),
            dict(image_id=1, category_id=6, bbox=[5, 5, 1, 1]),
            dict(image_id=2, category_id=5, bbox=[0.5, 0, 10, 10]),
        ],
    )
    return json.dumps({**content, **changed})


NAMES = ['ant', 'bee', 'cow']  # in another order than the file's


@pytest.fixture
def annotations(tmp_path):
    path = tmp_path / 'coco.json'
    path.write_text(coco())
    return Annotations(path)


def test_objects_of_known_classes_by_name(annotations, capsys):
    assert annotations.objects('/pictures/a.png', NAMES) == [([1, 2, 4, 6], 'cow')]
    annotations.objects('/pictures/a.png', NAMES)
    assert capsys.readouterr().out == 'note: 1 object of ghost left out: unknown to the model.\n'


def test_a_picture_is_found_by_as_much_of_its_path_as_the_file_tells(annotations):
    assert annotations.objects('/x/left/b.png', NAMES) == [([0.5, 0, 10.5, 10], 'ant')]
    assert annotations.objects('/x/right/b.png', NAMES) == []
    with pytest.raises(PictureError, match='knows no picture c.png'):
        annotations.objects('c.png', NAMES)


def test_a_detector_of_other_classes(annotations):
    with pytest.raises(
        MmlensError, match=r'knows none of the classes of .*coco.json \(cow, ant, ghost\): it knows cup\.'
    ):
        annotations.objects('a.png', ['cup'])


@pytest.mark.parametrize(
    'content',
    [
        'no json',
        '[]',
        coco(images=[{}]),
        coco(annotations=[7]),
        coco(annotations=[dict(image_id=9, category_id=7, bbox=[1, 2, 3, 4])]),
    ],
)
def test_a_file_that_is_none(tmp_path, content):
    path = tmp_path / 'coco.json'
    path.write_text(content)
    with pytest.raises(MmlensError, match='is no annotation file of COCO'):
        Annotations(path)


def test_one_of_the_pictures_is_enough(annotations):
    annotations.check(['/x/c.png', '/x/left/b.png'])
    annotations.check([])
    with pytest.raises(PictureError, match='knows no picture c.png'):
        annotations.check(['c.png', 'd.png'])
    Given().check(['c.png'])


@pytest.mark.parametrize('box', [[1, 2, 0, 4], [1, 2, 3, -1], [1, float('nan'), 3, 4]])
def test_objects_without_area_are_left_out(tmp_path, capsys, box):
    path = tmp_path / 'coco.json'
    sound = dict(image_id=1, category_id=7, bbox=[1, 2, 3, 4])
    path.write_text(coco(annotations=[dict(image_id=1, category_id=5, bbox=box), sound]))
    assert Annotations(path).objects('a.png', NAMES) == [([1, 2, 4, 6], 'cow')]
    assert capsys.readouterr().out == f'note: 1 object of {path} left out: no box with an area.\n'


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MmlensError, match='is no annotation file of COCO'):
        Annotations(tmp_path / 'coco.json')


def given(boxes=None, ann=None):
    return Given.of(argparse.Namespace(boxes=boxes, ann=ann))


class Detector:
    class_names = NAMES


def test_boxes_of_the_command_line():
    words = given([['1', '2', '3.5', '4', 'cow'], ['1', '2', '3', '4', '0']])
    assert words.of_picture(Detector, 'a.png') == dict(boxes=[[1, 2, 3.5, 4], [1, 2, 3, 4]], labels=['cow', '0'])
    assert given().of_picture(Detector, 'a.png') == {}


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (dict(boxes=[['1', '2', '3', 'cow', '4']]), '--boxes 1 2 3 cow 4: four numbers and a class are needed'),
        (dict(boxes=[['4', '2', '3', '4', 'cow']]), '--boxes 4 2 3 4 cow: it has no area'),
        (dict(boxes=[['1', '2', 'inf', '4', 'cow']]), '--boxes 1 2 inf 4 cow: its edges must be finite'),
        (dict(boxes=[['1', '2', '3', '4', 'cow']], ann='coco.json'), '--boxes and --ann both say which boxes'),
    ],
)
def test_bad_words(options, sentence):
    with pytest.raises(MmlensError, match=sentence):
        given(**options)
