"""What the front door for feature maps returns: its arrays, its line and its drawing."""

import numpy as np

from mmlens import FeatureMaps, Predicted


def test_a_level_is_named_after_its_layer(make):
    assert make.feature_map(level=2).name == 'neck[2]'
    assert make.feature_map(levels=1).name == 'neck'


def test_feature_maps_are_a_sequence_and_are_drawn(make):
    nothing = Predicted(boxes=np.zeros((0, 4), np.float32))
    picture = np.full((8, 12, 3), 90, np.uint8)
    found = FeatureMaps(picture, [make.feature_map(), make.feature_map(level=1)], nothing, 'select_max')
    assert len(found) == 2 and [one.name for one in found] == ['neck[0]', 'neck[1]'] and found[1].level == 1
    drawn = found.draw()
    assert drawn.dtype == np.uint8 and drawn.shape[2] == 3 and drawn.size > picture.size


def test_layers_and_method_are_what_was_asked_for(features):
    assert features.layers == ('neck', 'backbone') and features.method == 'channels'
    features.reduction = 'squeeze_mean'
    assert features.method == 'squeeze_mean' and not features.unfinished


def test_detections_are_what_had_boxes(features, predicted):
    assert features.detections is predicted
    features.predicted = Predicted(boxes=np.zeros((0, 4), np.float32))
    assert features.detections is features.predicted  # a detector that found nothing
    features.predicted = Predicted(classes=(('cup', 0.9),))
    assert features.detections is None
    features.predicted = None
    assert features.detections is None


def test_what_is_saved(features):
    arrays = features.arrays()
    assert arrays['maps'].shape == (4, 8, 12) and arrays['map_counts'].tolist() == [1, 2, 1]
    np.testing.assert_array_equal(arrays['maps'][1:3], features[1].maps)
    assert arrays['channels'].tolist() == [5, 7, 2] and arrays['channel_counts'].tolist() == [1, 2, 0]
    assert arrays['level_layers'].tolist() == ['neck', 'neck', 'backbone']
    assert arrays['levels'].tolist() == [[0, 3], [1, 3], [0, 1]] and arrays['shapes'].tolist() == [[16, 4, 6]] * 3
    assert str(arrays['reduction']) == '' and arrays['predicted_boxes'].shape == (2, 4)


def test_a_level_and_all_of_them_are_printed_in_a_line(features):
    assert repr(features[1]) == '<FeatureMap neck[1]: 2 maps of 16 x 4 x 6>'
    assert repr(features[0]) == '<FeatureMap neck[0]: 1 map of 16 x 4 x 6>'
    assert repr(features) == '<FeatureMaps of 3 levels in 12 x 8 pixels: channels at neck, backbone>'


def test_what_is_predicted_is_printed_in_a_line(predicted):
    line = '<Predicted: 2 boxes, polygons, masks, seg_map, keypoints, indoors 0.86>'
    assert repr(predicted) == line and repr(Predicted()) == '<Predicted: nothing>'
