"""What the front door for classifiers returns: its arrays, its line and its drawing."""

import numpy as np


def test_an_explanation_is_a_sequence_of_classes(classes):
    assert len(classes) == 2 and [each.category for each in classes] == [1, 0]
    assert classes[-1].blank == 'all zero'


def test_what_is_saved(classes):
    arrays = classes.arrays()
    assert arrays['raw'].shape == arrays['normalised'].shape == (2, 8, 12)
    assert arrays['categories'].tolist() == arrays['ranks'].tolist() == [1, 0]
    assert arrays['scores'].dtype == arrays['logits'].dtype == np.float32
    assert arrays['exact_scores'].tolist() == [0.86] * 2 and arrays['exact_logits'].tolist() == [1.7] * 2
    assert arrays['classes'].tolist() == ['Gläser 杯', 'cup'] and arrays['blank'].tolist() == ['', 'all zero']
    np.testing.assert_array_equal(arrays['covered'], classes.covered)
    np.testing.assert_array_equal(arrays['to_input'], classes.to_input)
    assert arrays['input_size'].tolist() == [16, 16] and arrays['unfinished']
    assert 'guided' not in arrays


def test_guided_gradients_are_saved_for_the_classes_that_have_them(classes, make):
    guided = make.random(3, 8, 12, 3)
    classes.classes = [make.class_map(0), make.class_map(1, guided=guided)]
    arrays = classes.arrays()
    assert arrays['guided'].shape == (1, 8, 12, 3) and arrays['has_guided'].tolist() == [False, True]


def test_a_class_and_an_explanation_are_printed_in_a_line(classes):
    assert repr(classes[0]) == '<ClassMap 1: Gläser 杯 0.86, rank 1>'
    assert repr(classes[1]) == '<ClassMap 0: cup 0.86, rank 0, blank: all zero>'
    assert (
        repr(classes)
        == '<ClassExplanation of 2 classes in 12 x 8 pixels (Gläser 杯 0.86, cup 0.86): layercam at norm, unfinished>'
    )


def test_drawing_is_the_picture_and_says_what_lies_where(classes):
    drawing = classes.drawing(layout='sheet')
    np.testing.assert_array_equal(drawing.image, classes.draw(layout='sheet'))
    assert [place.item for place in drawing.of_kind('panel')] == [0, 1]


def test_fusion_and_both_directions_are_saved_and_missing_in_earlier_files(classes, make, tmp_path):
    classes.fusion, classes[1].against, classes[1].counter = 'product', 'cup', make.random(7)
    arrays = classes.arrays()
    assert str(arrays['fusion']) == 'product' and arrays['against'].tolist() == ['', 'cup']
    assert arrays['has_counters'].tolist() == [False, True] and arrays['counters'].dtype == np.float32
    assert type(classes).load(classes.save(tmp_path / 'new.npz')) == classes
    earlier = {k: v for k, v in arrays.items() if k not in ('fusion', 'against', 'counters', 'has_counters')}
    np.savez(tmp_path / 'old.npz', kind=np.array(classes.kind), format=np.array(1), **earlier)
    old = type(classes).load(tmp_path / 'old.npz')
    assert (old.fusion, old[1].against, old[1].counter) == ('', '', None)
