"""What a model is, by the names of the classes it inherits from."""

from __future__ import annotations

import pytest
from torch import nn

from mmlens.models.kinds import kinds_of, pixel_classes, preprocessor_kinds, segments_only


class BaseDetector(nn.Module):
    """mmdet's by its name alone."""


class Mine(BaseDetector):
    pass


class Wrapping(nn.Module):
    def __init__(self, inner=None):
        super().__init__()
        self.data_preprocessor = inner


def test_all_that_a_model_inherits_from_counts():
    assert {'Mine', 'BaseDetector', 'Module'} <= kinds_of(Mine()) and 'Mine' not in kinds_of(BaseDetector())


def test_preprocessors_inside_preprocessors_count_too():
    model = nn.Module()
    assert preprocessor_kinds(model) == set()
    model.data_preprocessor = Wrapping(Wrapping(Mine()))
    assert {'Wrapping', 'Mine', 'BaseDetector'} <= preprocessor_kinds(model)
    plain = nn.Module()
    plain.data_preprocessor = dict(type='Mine')  # a config, not yet built
    assert preprocessor_kinds(plain) == set()


@pytest.mark.parametrize(
    ('head', 'settings', 'only'),
    [
        (None, None, False),
        (None, dict(instance_on=False), False),
        ('a head', None, True),
        ('a head', dict(), True),
        ('a head', dict(instance_on=False), True),
        ('a head', dict(instance_on=True), False),
    ],
)
def test_a_panoptic_head_means_segments_unless_objects_are_asked_for(head, settings, only):
    model = nn.Module()
    model.panoptic_fusion_head, model.test_cfg = head, settings
    assert segments_only(model) is only


def test_classes_of_a_pixel_are_those_of_the_head_that_predicts_pixels():
    model, head, last = nn.Module(), nn.Module(), nn.Module()
    assert pixel_classes(model) is None
    head.num_classes, last.num_classes = 19, 7
    model.decode_head = head
    assert pixel_classes(model) == 19
    model.decode_head = nn.ModuleList([head, last])  # a cascade
    assert pixel_classes(model) == 7
    model.panoptic_fusion_head = head
    assert pixel_classes(model) == 19
