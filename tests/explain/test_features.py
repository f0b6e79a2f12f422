"""Feature maps and lists of layers, from small real detectors."""

import copy

import numpy as np
import pytest
import torch

from mmlens import feature_maps
from mmlens.errors import MmlensError


def naive_levels(detector, picture):
    """What the neck returns, by calling the parts of the detector one by one."""
    model, prepared = copy.deepcopy(detector.model), detector.prepare(picture)
    with torch.no_grad():
        return prepared, [level[0] for level in model.neck(model.backbone(prepared.batch['inputs']))]


def laid(prepared, channel):
    grid = torch.nn.functional.interpolate(
        channel[None, None], prepared.input_size, mode='bilinear', align_corners=False
    )
    return prepared.geometry.map_to_picture(grid[0, 0].numpy())


def test_every_level_becomes_a_map(yolox, picture):
    found = feature_maps(yolox, picture, layers=['neck', 'backbone.stage4'])
    assert [one.name for one in found] == ['neck[0]', 'neck[1]', 'neck[2]', 'backbone.stage4']
    assert [one.shape for one in found] == [(16, 16, 16), (16, 8, 8), (16, 4, 4), (128, 4, 4)]
    assert all(one.maps.shape == (1, 90, 128) and one.maps.dtype == np.float32 for one in found)


def test_reductions_are_what_they_say(yolox, picture):
    prepared, levels = naive_levels(yolox, picture)
    mean = feature_maps(yolox, picture, layers='neck', reduction='squeeze_mean')
    strongest = feature_maps(yolox, picture, layers='neck', reduction='select_max')
    some = feature_maps(yolox, picture, layers='neck', reduction=None, topk=3)
    for level, one, two, three in zip(levels, mean, strongest, some):
        np.testing.assert_allclose(one.maps[0], laid(prepared, level.mean(0)), atol=1e-4)
        assert one.channels.size == 0
        order = level.sum((1, 2)).argsort(descending=True)
        assert two.channels.tolist() == order[:1].tolist() and three.channels.tolist() == order[:3].tolist()
        np.testing.assert_allclose(two.maps[0], laid(prepared, level[order[0]]), atol=1e-4)
        for position in range(3):
            np.testing.assert_allclose(three.maps[position], laid(prepared, level[order[position]]), atol=1e-4)


def test_more_channels_than_there_are_is_all(yolox, picture):
    assert feature_maps(yolox, picture, layers='neck', reduction=None, topk=99)[0].maps.shape == (16, 90, 128)


def test_a_layer_of_one_or_three_channels_is_a_picture_by_itself(yolox, picture):
    for layer, channels in (('bbox_head.multi_level_conv_cls[0]', 3), ('bbox_head.multi_level_conv_obj[1]', 1)):
        (found,) = feature_maps(yolox, picture, layers=[layer], reduction=None, topk=-1)
        assert found.maps.shape == (channels, 90, 128) and found.channels.tolist() == list(range(channels))


def test_what_the_network_is_fed_is_a_layer_too(yolox, picture):
    """The preprocessor's output laid over the picture is the picture, normalised."""
    (found,) = feature_maps(yolox, picture, layers=['data_preprocessor'], reduction=None, topk=-1)
    # 128 columns fill the input as they are, so nothing is interpolated
    np.testing.assert_allclose(found.maps.transpose(1, 2, 0) * 73.5 + 127.5, picture, atol=1e-3)


@pytest.mark.parametrize(
    'options, sentence',
    [
        (dict(reduction=None, topk=-1), r"'neck' has 16 channels.*set `reduction`"),
        (dict(reduction='mean'), "Unknown channel reduction 'mean': choose squeeze_mean, select_max or None"),
        (dict(reduction=None, topk=0), '`topk` must be'),
        (dict(reduction=None, topk=-3), '`topk` must be'),
        (dict(layers=['nekc']), "No layer 'nekc'"),
    ],
    ids=str,
)
def test_bad_choices_of_feature_maps_are_refused(options, sentence, yolox, picture):
    with pytest.raises(MmlensError, match=sentence):
        feature_maps(yolox, picture, **{'layers': ['neck'], **options})


def test_classifiers_have_feature_maps_and_no_detections(picture):
    from mmengine.config import Config

    from mmlens import feature_maps, load_classifier

    config = dict(
        default_scope='mmpretrain',
        model=dict(
            type='ImageClassifier',
            data_preprocessor=dict(type='ClsDataPreprocessor', mean=[100.0] * 3, std=[50.0] * 3),
            backbone=dict(
                type='VisionTransformer',
                arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16),
                img_size=32,
                patch_size=8,
            ),
            head=dict(type='VisionTransformerClsHead', num_classes=3, in_channels=8),
        ),
        # A set that holds its pictures itself needs no loading step.
        test_pipeline=[dict(type='Resize', scale=(32, 32)), dict(type='PackInputs')],
    )
    classifier = load_classifier(Config(config), device='cpu')
    found = feature_maps(classifier, picture, layers=['backbone.layers.0'], reduction='squeeze_mean')
    assert found.detections is None and [level.shape for level in found] == [(8, 4, 4)]
    assert found[0].maps.shape == (1, *picture.shape[:2]) and found[0].maps.std() > 0
    assert found.draw().shape[2] == 3
