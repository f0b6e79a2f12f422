"""A map that is blank because the box comes from another level says from which."""

from __future__ import annotations

import pytest

from mmlens import explain_boxes

OPTIONS = dict(score_thr=0.0, topk=6, method='gradcam')


@pytest.mark.parametrize('layer', ['neck.out_convs[0]', 'neck.out_convs.0', 'neck.out_convs[-3]'])
def test_the_layer_beside_it_is_named(yolox, picture, layer):
    every = explain_boxes(yolox, picture, layers=['neck'], **OPTIONS)
    levels = [explain_boxes(yolox, picture, layers=[f'neck.out_convs[{k}]'], **OPTIONS) for k in range(3)]
    found = explain_boxes(yolox, picture, layers=[layer], **OPTIONS)
    told = 0
    for position, box in enumerate(found):
        assert not every[position].blank
        own = [k for k, of_level in enumerate(levels) if not of_level[position].blank]
        if 0 not in own:
            names = ', '.join(f"'neck.out_convs[{k}]'" for k in own)
            assert box.blank == f'the box comes from another level, that of {names}; choose that layer, or the neck'
            told += 1
    assert told


def test_of_a_layer_in_no_list_the_level_of_the_neck_is_named(yolox, picture):
    found = explain_boxes(yolox, picture, layers=['neck.out_convs[2].conv'], **OPTIONS)
    reasons = [box.blank for box in found if box.blank]
    assert reasons and all("of 'neck' (" in reason and ' cells); choose that layer' in reason for reason in reasons)
