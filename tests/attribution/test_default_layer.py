"""Which layer of a classifier is looked at when none is named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmlens.attribution.default_layer import find_default_layer
from mmlens.errors import LayerError


class Classifier(nn.Module):
    def __init__(self, backbone, head):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, inputs):
        return self.head(self.backbone(inputs))


class Tokens(nn.Module):
    """4 x 6 patches behind a class token; two blocks that mix them, each after a norm; a norm at the end."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(3))
        self.mix = nn.Linear(25, 25)

    def forward(self, inputs):
        tokens = self.patches(inputs).flatten(2).transpose(1, 2)
        tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], 1)
        for norm in self.norms[:2]:
            tokens = tokens + self.mix(norm(tokens).transpose(1, 2)).transpose(1, 2)
        return self.norms[2](tokens)


def find(model, extra=None, size=(16, 24), counts=True):
    torch.manual_seed(0)
    picture = torch.rand(1, 3, *size)
    name, found_to_count = find_default_layer(model.eval(), 'backbone', lambda: model(picture), size, extra)
    assert found_to_count == counts
    return name


def convolutions(*tail):
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), *tail)


class FirstToken(nn.Sequential):
    def forward(self, tokens):
        return super().forward(tokens[:, 0])


class MeanOfPatches(nn.Sequential):
    def forward(self, tokens):
        return super().forward(tokens[:, 1:].mean(1))


def test_of_convolutions_it_is_the_last_norm():
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    assert find(Classifier(convolutions(nn.BatchNorm2d(8), nn.ReLU()), head)) == 'backbone[4]'


def test_a_norm_behind_the_pooling_lies_nowhere():
    backbone = convolutions(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(8))
    assert find(Classifier(backbone, nn.Linear(8, 3))) == 'backbone[1]'


def test_where_a_class_token_is_read_it_is_the_norm_before_the_last_mixing():
    assert find(Classifier(Tokens(), FirstToken(nn.Linear(8, 3))), 1) == 'backbone.norms[1]'


def test_where_patches_are_read_it_is_the_last_norm():
    assert find(Classifier(Tokens(), MeanOfPatches(nn.Linear(8, 3))), 1) == 'backbone.norms[2]'


def test_where_nothing_counts_yet_it_is_the_last_norm_over_the_picture():
    head = FirstToken(nn.Linear(8, 3))
    nn.init.zeros_(head[0].weight)
    assert find(Classifier(Tokens(), head), 1, counts=False) == 'backbone.norms[2]'


def test_without_a_norm_layer_one_has_to_be_named():
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(LayerError, match="No norm layer of 'backbone' lies over the picture: name one with `layers`"):
        find(Classifier(backbone, nn.Linear(8, 3)))
