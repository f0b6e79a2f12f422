"""The layers of a network, listed and named."""

from __future__ import annotations

import numpy as np
import pytest

from mmlens import feature_maps, list_layers
from mmlens.errors import MmlensError
from mmlens.explain.layers import named_layers


def test_layers_are_listed_with_their_shapes(yolox, picture):
    named = {one.name: one for one in list_layers(yolox)}
    run = {one.name: one for one in list_layers(yolox, picture)}
    assert list(named) == list(run) and named['neck'].kind == 'YOLOXPAFPN'
    assert named['neck'].shapes is None
    assert run['neck'].shapes == ((1, 16, 16, 16), (1, 16, 8, 8), (1, 16, 4, 4))
    assert run['bbox_head.loss_cls'].shapes == ()
    assert [one.name for one in list_layers(yolox.model)] == list(named)


def test_every_listed_layer_with_a_map_can_be_shown(faster_rcnn, picture):
    shown = 0
    for one in list_layers(faster_rcnn, picture):
        if one.shapes and all(len(shape) == 4 and shape[0] == 1 and min(shape[2:]) > 1 for shape in one.shapes):
            found = feature_maps(faster_rcnn, picture, layers=[one.name])
            assert np.isfinite(found[0].maps).all()
            shown += 1
    assert shown > 30


def autos(network, picture):
    return [one.name for one in list_layers(network, picture) if one.auto]


def test_the_layers_of_auto_are_marked(yolox, faster_rcnn, picture):
    stages = ['backbone.stem', 'backbone.stage1', 'backbone.stage2', 'backbone.stage3']
    assert autos(yolox, picture) == [*stages, 'neck']
    residual = ['backbone.relu', 'backbone.layer1', 'backbone.layer2', 'backbone.layer3']
    assert sorted(autos(faster_rcnn, picture)) == sorted([*residual, 'neck'])
    assert not any(one.auto for one in list_layers(yolox))  # nothing is known without a picture


def test_a_config_is_enough_to_list_layers(yolox, yolox_config):
    assert [one.name for one in list_layers(yolox_config)] == [one.name for one in list_layers(yolox)]


@pytest.mark.parametrize(
    ('given', 'named'),
    [
        ('neck', ('neck',)),
        (['neck', 'backbone', 'neck'], ('neck', 'backbone')),
        (('backbone.stage4', 'neck'), ('backbone.stage4', 'neck')),
        (iter(['neck']), ('neck',)),
    ],
)
def test_each_layer_counts_once_in_the_order_given(given, named):
    assert named_layers(given) == named


@pytest.mark.parametrize('given', [[], ()])
def test_no_layer_at_all_is_refused(given):
    with pytest.raises(MmlensError, match='^`layers` names no layer: give at least one.$'):
        named_layers(given)
