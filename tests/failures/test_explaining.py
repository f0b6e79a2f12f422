"""The type of an error chooses what is explained."""

import numpy as np
import pytest

from mmlens import explain_boxes
from mmlens.errors import LayerError, MethodError
from mmlens.failures.explaining import _cut_off, check_asked, explain_failure
from mmlens.failures.listing import errors_of


@pytest.fixture
def failures(yolox, case):
    return {each.type: each for each in reversed(errors_of(yolox, case, 0.0)[1])}


def test_a_wrong_class_is_contrasted_with_the_true_one(yolox, noise, failures):
    wrong = failures['classification']
    explained = explain_failure(yolox, noise, wrong)
    (why,) = explained.maps
    asked = dict(score_thr=0.0, instances=[wrong.rank], against=[wrong.truth_label])
    (plain,) = explain_boxes(yolox, noise, **asked)
    np.testing.assert_array_equal(why.values, plain.normalised)
    np.testing.assert_array_equal(why.counter, plain.counter)
    assert why.title == f'why {wrong.class_name}, not {wrong.truth_name}'


def test_a_wrong_place_is_explained_edge_by_edge(yolox, noise, failures):
    wrong = failures['localisation']
    explained = explain_failure(yolox, noise, wrong)
    assert [why.target for why in explained.maps] == [edge for edge, _ in wrong.edges_off]
    for why, (edge, share) in zip(explained.maps, wrong.edges_off):
        asked = dict(score_thr=0.0, instances=[wrong.rank], target=edge)
        (plain,) = explain_boxes(yolox, noise, signed=True, **asked)
        np.testing.assert_array_equal(why.values, plain.normalised if share > 0 else plain.counter)
        assert why.question == ('what pushes it out' if share > 0 else 'what pulls it in')
        assert why.counter is None


def test_edges_at_the_border_say_so(yolox, noise, failures):
    wrong = failures['localisation']
    for box, outside in (([-3.0, 2, 50, 60], ['left']), ([0.5, 2, 50, 95], ['left', 'bottom'])):
        wrong.box = np.array(box)
        wrong.truth = np.array([40.0, 40, 48, 48])
        assert [edge for edge in ('left', 'top', 'right', 'bottom') if _cut_off(edge, wrong, noise)] == outside
    assert not _cut_off('score', wrong, noise)


def test_false_alarms_are_explained_by_their_score(yolox, noise, failures):
    wrong = failures['background']
    (why,) = explain_failure(yolox, noise, wrong, method='gradcam', layers=['neck']).maps
    asked = dict(score_thr=0.0, instances=[wrong.rank], method='gradcam', layers=['neck'])
    np.testing.assert_array_equal(why.values, explain_boxes(yolox, noise, **asked)[0].normalised)


def test_methods_without_gradients_show_what_pushes_an_edge(yolox, noise, failures):
    wrong = failures['localisation']
    explained = explain_failure(yolox, noise, wrong, method='scorecam', layers=['neck'])
    assert len(explained.maps) == len(wrong.edges_off)


def test_a_box_that_stands_elsewhere_in_the_order_is_found_by_its_place(yolox, noise, failures):
    wrong = failures['classification']
    wrong.rank = 0
    (why,) = explain_failure(yolox, noise, wrong).maps
    assert why.blank is None
    wrong.box = wrong.box + 500
    (why,) = explain_failure(yolox, noise, wrong).maps
    assert 'did not find this box again' in why.blank and not why.values.any()


def test_names_are_checked_before_the_work():
    check_asked('gradcam', None)
    with pytest.raises(MethodError, match='nothing'):
        check_asked('nothing', None)
    with pytest.raises(MethodError, match='nothing'):
        check_asked('gradcam', 'nothing')


def test_what_a_method_cannot_answer_is_told_on_the_sheet(yolox, noise, failures):
    explained = explain_failure(
        yolox, noise, failures['localisation'], method='drise', method_options=dict(num_masks=4)
    )
    assert all('knows scores and overlaps only' in why.blank for why in explained.maps)
    with pytest.raises(LayerError):
        explain_failure(yolox, noise, failures['localisation'], layers=['nowhere'])


def test_a_sheet_is_drawn_of_each(yolox, noise, failures):
    for failure in failures.values():
        explained = explain_failure(yolox, noise, failure, method='gradcam')
        drawing = explained.drawing()
        panels = 1 + sum(2 if why.counter is not None else 1 for why in explained.maps)
        assert len(drawing.of_kind('title')) == panels
        assert explained.draw().dtype == np.uint8
