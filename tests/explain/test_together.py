from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmlens import explain_boxes, explain_classes, load_classifier
from mmlens.errors import PictureError
from mmlens.explain import together


def pictures_of(picture, number=5):
    return [np.ascontiguousarray(np.roll(picture, 7 * n, 1)) for n in range(number)]


def assert_same(found, expected):
    assert [(box.label, box.blank) for box in found] == [(box.label, box.blank) for box in expected]
    for one, other in zip(found, expected):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        np.testing.assert_allclose(one.box, other.box, atol=1e-2)
        np.testing.assert_allclose(one.raw, other.raw, rtol=1e-4, atol=1e-4 * max(other.raw.max(), 1e-12))
        if other.counter is not None:
            np.testing.assert_allclose(one.counter, other.counter, atol=1e-3)  # of its own small maximum
    assert found.notes == expected.notes and found.layers == expected.layers


OPTIONS = {
    'evidencecam': {'topk': 3},
    'gradcam': {'layers': ['neck']},
    'edges': {'method': 'gradcam', 'target': 'box'},
    'signed': {'signed': True, 'topk': 3},
    'eigencam': {'method': 'eigencam'},
    'uneven': {'score_thr': 0.3},
}


@pytest.mark.parametrize('family', ['yolox', 'faster_rcnn', 'yolov5'])
@pytest.mark.parametrize('name', OPTIONS)
def test_maps_of_a_batch_are_those_of_each_picture(name, family, picture, request, monkeypatch):
    detector = request.getfixturevalue(family)
    options = {'method': name if name in ('evidencecam', 'gradcam') else 'evidencecam', 'score_thr': 0.0}
    options.update(OPTIONS[name])
    pictures, alone = pictures_of(picture), []
    original = together._attributed

    def count(*args):
        found = original(*args)
        alone.extend(one is None for one in found)
        return found

    monkeypatch.setattr(together, '_attributed', count)
    found = list(explain_boxes(detector, pictures, batch_size=3, **options))
    assert len(alone) == 5  # a batch of three, and the two that are left
    for one, each in zip(found, pictures):
        assert_same(one, explain_boxes(detector, each, **options))


def test_pictures_of_other_sizes_go_through_alone(yolox, picture):
    wide = np.ascontiguousarray(picture[:40])
    found = list(explain_boxes(yolox, [picture, wide, picture, picture], batch_size=4, score_thr=0.0, topk=3))
    one, other = (explain_boxes(yolox, each, score_thr=0.0, topk=3) for each in (picture, wide))
    for each, alone in zip(found, (one, other, one, one)):
        assert_same(each, alone)


def test_layers_that_mix_pictures_are_looked_at_alone(faster_rcnn, picture):
    options = {'method': 'gradcam', 'layers': ['roi_head.bbox_roi_extractor'], 'score_thr': 0.0, 'topk': 2}
    try:
        alone = [explain_boxes(faster_rcnn, each, **options) for each in pictures_of(picture, 2)]
    except Exception as error:
        with pytest.raises(type(error)):
            list(explain_boxes(faster_rcnn, pictures_of(picture, 2), batch_size=2, **options))
        return
    for one, each in zip(explain_boxes(faster_rcnn, pictures_of(picture, 2), batch_size=2, **options), alone):
        assert_same(one, each)


@pytest.mark.parametrize('options', [{'method': 'reciprocam'}, {'against': 'auto'}, {'smooth_grad': 2}])
def test_what_cannot_go_together_is_explained_one_by_one(options, yolox, picture):
    pictures = pictures_of(picture, 2)
    options = {'score_thr': 0.0, 'topk': 1, **options}
    for one, each in zip(explain_boxes(yolox, pictures, batch_size=2, **options), pictures):
        assert_same(one, explain_boxes(yolox, each, **options))


CLASS_OPTIONS = [
    ({}, True),
    ({'method': 'layercam', 'signed': True}, True),
    ({'method': 'eigencam'}, True),
    ({'classes': [0, 2], 'guided_backprop': True}, True),
    ({'against': 'auto'}, False),
    ({'eigen_smooth': True}, False),
    ({'aug_smooth': True}, False),
    ({'method': 'reciprocam'}, False),
]


@pytest.mark.parametrize(('options', 'goes'), CLASS_OPTIONS)
def test_classes_of_a_batch_are_those_of_each_picture(options, goes, picture, config_of, monkeypatch):
    torch.manual_seed(0)
    classifier = load_classifier(config_of('classifier'), device='cpu')
    torch.nn.init.normal_(classifier.model.head.fc.weight)
    sizes, original = [], together._attributed
    monkeypatch.setattr(together, '_attributed', lambda jobs, *rest: sizes.append(len(jobs)) or original(jobs, *rest))
    pictures = pictures_of(picture, 3)
    found = list(explain_classes(classifier, pictures, batch_size=2, **options))
    assert sizes == ([2] if goes else [])
    for one, each in zip(found, pictures):
        other = explain_classes(classifier, each, **options)
        assert [(c.category, c.rank, c.blank) for c in one] == [(c.category, c.rank, c.blank) for c in other]
        for a, b in zip(one, other):
            np.testing.assert_allclose(a.normalised, b.normalised, atol=1e-4)
        assert one.notes == other.notes and one.layers == other.layers


@pytest.mark.parametrize('size, expected', [((64, 64), 8), ((256, 512), 4), ((640, 640), 1), ((4000, 3000), 1)])
def test_as_many_frames_as_an_input_of_usual_size_has_pixels(size, expected):
    network = SimpleNamespace(needs_words=False, prepare=lambda frame: SimpleNamespace(input_size=size))
    assert together.how_many_frames(network, np.zeros((60, 80, 3), np.uint8)) == expected


def test_few_frames_are_held_if_they_are_large():
    network = SimpleNamespace(needs_words=False, prepare=lambda frame: SimpleNamespace(input_size=(64, 64)))
    assert together.how_many_frames(network, np.zeros((2160, 3840, 3), np.uint8)) == 2


def test_a_frame_that_cannot_be_prepared_goes_alone():
    def prepare(frame):
        raise PictureError('It is broken.')

    network = SimpleNamespace(needs_words=False, prepare=prepare)
    assert together.how_many_frames(network, np.zeros((60, 80, 3), np.uint8)) == 1
    assert together.how_many_frames(SimpleNamespace(needs_words=True), np.zeros((60, 80, 3), np.uint8)) == 1
