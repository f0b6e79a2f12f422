import contextlib
import threading

import cv2
import numpy as np
import pytest
import torch

from mmlens import explain_boxes, explain_classes, feature_maps
from mmlens.errors import MmlensError, PictureError


def pictures_of(picture, number=5):
    return [np.ascontiguousarray(np.roll(picture, 7 * n, 1)) for n in range(number)]


def arrays(found):
    return [(box.label, box.score, box.raw.tobytes()) for box in found]


def state(model):
    hooks = sum(len(module._forward_hooks) for module in model.modules())
    return hooks, [p.requires_grad for p in model.parameters()], model.training


def test_results_of_several_pictures_are_those_of_each_in_order(yolox, picture, tmp_path):
    pictures = pictures_of(picture, 4)
    cv2.imwrite(str(tmp_path / 'a.png'), pictures[1])
    pictures[1] = str(tmp_path / 'a.png')
    alone = [arrays(explain_boxes(yolox, each, score_thr=0.0, topk=3)) for each in pictures]
    for kind in (list, tuple, iter):
        together = list(explain_boxes(yolox, kind(pictures), score_thr=0.0, topk=3))
        assert [arrays(found) for found in together] == alone


@pytest.mark.parametrize('batch_size', [1, 2])
def test_pictures_are_asked_for_a_few_at_a_time(batch_size, yolox, picture):
    asked = []

    def pictures():
        for n in range(100):
            asked.append(n)
            yield picture

    with contextlib.closing(explain_boxes(yolox, pictures(), method='gradcam', batch_size=batch_size)) as results:
        assert not asked
        for n in range(4):
            next(results)
            assert len(asked) <= n + 2 * batch_size + 4


@pytest.mark.parametrize('batch_size', [1, 3])
def test_between_results_and_when_closed_the_model_is_as_it_was(batch_size, yolox, picture):
    before, threads = state(yolox.model), threading.active_count()
    results = explain_boxes(yolox, pictures_of(picture), batch_size=batch_size)
    next(results)
    assert state(yolox.model) == before
    results.close()
    assert state(yolox.model) == before and threading.active_count() == threads


@pytest.mark.parametrize('batch_size', [1, 4])
def test_a_broken_picture_is_told_when_its_turn_comes(batch_size, yolox, picture, tmp_path):
    (tmp_path / 'b.png').write_bytes(b'no picture')
    results = explain_boxes(yolox, [picture, picture, tmp_path / 'b.png', picture], batch_size=batch_size)
    assert len(next(results)) == len(next(results)) > 0
    with pytest.raises(PictureError, match='b.png'):
        next(results)
    assert not list(results)


def test_a_batch_size_is_a_number_from_one_up(yolox, picture):
    with pytest.raises(MmlensError, match='`batch_size` must be at least 1, not 0'):
        explain_boxes(yolox, [picture], batch_size=0)


def test_feature_maps_and_classes_of_several_pictures(yolox, picture, config_of):
    from mmlens import load_classifier

    found = list(feature_maps(yolox, pictures_of(picture, 2), layers=['neck']))
    assert [
        np.array_equal(one[0].maps, feature_maps(yolox, each, layers=['neck'])[0].maps)
        for one, each in zip(found, pictures_of(picture, 2))
    ] == [True, True]
    torch.manual_seed(0)
    classifier = load_classifier(config_of('classifier'), device='cpu')
    several = list(explain_classes(classifier, pictures_of(picture, 2)))
    assert [one[0].category for one in several] == [
        explain_classes(classifier, each)[0].category for each in pictures_of(picture, 2)
    ]
