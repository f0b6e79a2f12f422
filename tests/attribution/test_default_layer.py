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


def find(model, extra=None, size=(16, 24), counts=True, note=''):
    torch.manual_seed(0)
    picture = torch.rand(1, 3, *size)
    found = find_default_layer(model.eval(), ('backbone', 'neck'), lambda: model(picture), size, extra)
    assert found.counts == counts and found.note.startswith(note) and bool(found.note) == bool(note)
    return found.name


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


def test_without_a_norm_layer_it_is_the_last_layer_over_the_picture():
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert find(Classifier(backbone, nn.Linear(8, 3))) == 'backbone[2]'


def test_where_nothing_lies_over_the_picture_one_has_to_be_named():
    backbone = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(LayerError, match="^No layer of 'backbone' lies over the picture: name one with `layers`.$"):
        find(Classifier(backbone, nn.Linear(3, 3)))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8)

    def forward(self, x):
        return torch.relu(x + self.norm(self.conv(x)))


POOLED = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


def test_of_a_residual_block_it_is_the_whole_block():
    """Its last norm lies on one of two paths."""
    assert find(Classifier(convolutions(nn.BatchNorm2d(8), Residual(), Residual()), POOLED)) == 'backbone[6]'


class Branches(nn.Module):
    """Two branches that meet in a layer, or only in the head."""

    def __init__(self, meet):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.one, self.other = (nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)) for _ in range(2))
        self.meet = nn.Conv2d(8, 8, 1) if meet else None

    def forward(self, x):
        x = self.stem(x)
        one, other = self.one(x), self.other(x)
        return self.meet(one + other) if self.meet else (one, other)


def test_of_parallel_branches_it_is_where_they_meet():
    assert find(Classifier(Branches(meet=True), POOLED)) == 'backbone.meet'


class Both(nn.Module):
    def forward(self, both):
        return sum(POOLED(each) for each in both)


def test_of_branches_that_meet_behind_the_pooling_it_is_the_last_layer_before_they_part():
    assert find(Classifier(Branches(meet=False), Both())) == 'backbone.stem'


def test_of_branches_from_the_picture_on_one_is_guessed():
    found = Branches(meet=False)
    found.stem = nn.ModuleList(nn.Conv2d(3, 8, 3, 2, 1) for _ in range(2))
    found.forward = lambda x: (found.one(found.stem[0](x)), found.other(found.stem[1](x)))
    assert find(Classifier(found, Both()), note="The default layer 'backbone.other[1]' is a guess: it is one of") == (
        'backbone.other[1]'
    )


class FlattenedNorms(nn.Module):
    """A stem of convolutions, and a block of tokens whose norm works on all of them in rows, as LeViT's do."""

    def __init__(self, kept):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, 4, 1))
        self.norm, self.block = nn.BatchNorm1d(8), nn.Identity()
        self.kept = kept

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        rows = self.norm(x.flatten(0, 1))
        return self.block(rows.reshape(x.shape) if self.kept else rows).reshape(x.shape)


class ImageClassifier(Classifier):
    """Grids of any stride are looked for in classifiers, which know no queries."""


def test_where_later_norms_work_on_rows_it_is_not_the_stem():
    head = MeanOfPatches(nn.Linear(8, 3))
    assert find(ImageClassifier(FlattenedNorms(kept=True), head)) == 'backbone.block'
    assert find(ImageClassifier(FlattenedNorms(kept=False), head)) == 'backbone.stem'


def test_branches_that_meet_in_the_neck_are_seen_there():
    class Meet(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(8)

        def forward(self, both):
            return self.norm(sum(both))

    class WithNeck(Classifier):
        def forward(self, inputs):
            return self.head(self.neck(self.backbone(inputs)))

    model = WithNeck(Branches(meet=False), POOLED)
    model.neck = Meet()
    assert find(model) == 'neck.norm'


def test_without_gradients_it_is_the_last_norm_and_a_guess():
    backbone = convolutions(nn.BatchNorm2d(8))
    forward = backbone.forward
    backbone.forward = torch.no_grad()(forward)
    note = 'The default layer is a guess: a part of the network runs without gradients'
    assert find(Classifier(backbone, POOLED), counts=False, note=note) == 'backbone[4]'
    residual = convolutions(Residual())
    residual.forward = torch.no_grad()(residual.forward)
    assert find(Classifier(residual, POOLED), counts=False, note=note) == 'backbone[4]'  # the block around the norm
