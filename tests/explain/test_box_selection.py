import pytest

from mmlens.errors import MmlensError
from mmlens.explain.box_selection import Selection, check_nothing_else, given_targets
from mmlens.explain.box_targets import BoxTargets
from mmlens.explain.mask_targets import MaskTargets


def test_a_selection_asks_for_the_detections_that_it_names(yolox, picture):
    targets = Selection(yolox, 0.0, [0], None, 2).targets(picture, 'score', None, None, {})
    assert type(targets) is BoxTargets
    found = yolox.predict(targets.prepared)
    chosen = targets._select(found)
    assert len(chosen) <= 2 and all(int(found.labels[rank]) == 0 for rank in chosen)


def test_masks_have_targets_of_their_own(yolox, picture):
    assert isinstance(Selection(yolox, 0.0, None, None, -1).targets(picture, 'mask', None, None, {}), MaskTargets)


def test_boxes_leave_nothing_to_choose():
    check_nothing_else(classes=None, topk=None)
    with pytest.raises(MmlensError, match='`topk` chooses among detections'):
        check_nothing_else(classes=None, topk=3)


@pytest.mark.parametrize(('boxes', 'labels'), [([[0, 0, 9, 9]], None), (None, [0])])
def test_boxes_and_labels_belong_together(boxes, labels, yolox, picture):
    with pytest.raises(MmlensError, match='were given without'):
        given_targets(yolox, picture, 'score', boxes, labels, None, {})
