"""What a network predicted, saved among other arrays and read back."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from mmlens.results.predicted import Predicted


def test_all_fields_come_back(predicted):
    arrays = predicted.arrays()
    assert all(name.startswith('predicted_') and array.dtype.kind in 'fiubU' for name, array in arrays.items())
    assert all(getattr(predicted, field.name) is not None for field in fields(Predicted))  # else this shows little
    assert Predicted.from_arrays({**arrays, 'picture': np.zeros(3)}) == predicted


def test_what_is_none_is_not_saved_and_comes_back_as_none():
    found = Predicted(boxes=np.zeros((0, 4), np.float32))
    arrays = found.arrays()
    assert 'predicted_boxes' in arrays and 'predicted_masks' not in arrays
    again = Predicted.from_arrays(arrays)
    assert again == found and again.masks is None and again.boxes.shape == (0, 4)
    assert Predicted.from_arrays({'boxes': np.zeros((1, 4))}) is None


@pytest.mark.parametrize(
    ('found', 'line'),
    [
        (Predicted(), '<Predicted: nothing>'),
        (Predicted(boxes=np.zeros((2, 4)), masks=np.zeros((2, 3, 3))), '<Predicted: 2 boxes, masks>'),
        (Predicted(classes=(('cat', 0.913), ('dog', 0.05))), '<Predicted: cat 0.91>'),
    ],
)
def test_one_line_says_what_there_is(found, line):
    assert repr(found) == line
