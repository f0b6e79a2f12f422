from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmlens import explain_classes, load_classifier
from projects.shapes.crops import SIDE, crops_of, write_split
from projects.shapes.dataset import SPLITS
from projects.shapes.scenes import CLASSES, draw_scene
from projects.shapes.train import HERE

CHECKPOINT = HERE / 'checkpoints' / 'shapes_classifier.pth'


@pytest.fixture(scope='module')
def classifier():
    return load_classifier(HERE / 'configs' / 'shapes_classifier.py', CHECKPOINT, device='cpu')


def test_crops_hold_their_object(tmp_path):
    scene = draw_scene(1, 0)
    crops = list(crops_of(scene))
    assert [label for _, label in crops] == list(scene.labels)
    assert all(crop.shape == (SIDE, SIDE, 3) for crop, _ in crops)
    lines = write_split(tmp_path / 'some', 1, range(2)).read_text().splitlines()
    assert len(lines) == len(list((tmp_path / 'some').iterdir()))
    assert lines[0] == f'000000_0.jpg {scene.labels[0]}'


def test_checkpoint_is_slim_and_holds_weights_alone():
    assert Path(CHECKPOINT).stat().st_size <= 1_500_000
    content = torch.load(CHECKPOINT, map_location='cpu', weights_only=True)
    assert sorted(content) == ['meta', 'state_dict']
    assert content['meta']['dataset_meta']['classes'] == list(CLASSES)


def test_it_tells_held_out_objects_apart(classifier):
    seed = SPLITS['held_out'][0]
    right = [
        int(classifier.logits(classifier.prepare(crop)).argmax()) == label
        for index in range(12)
        for crop, label in crops_of(draw_scene(seed, index))
    ]
    assert len(right) > 20 and np.mean(right) > 0.85


def test_its_maps_differ_by_class(classifier):
    crop, label = next(crops_of(draw_scene(1, 0)))
    found = explain_classes(classifier, crop, categories=[int(label), 'star' if label != 4 else 'triangle'])
    assert found[0].blank is None and found[0].class_name == CLASSES[label]
    assert found[0].logit > found[1].logit
    assert np.abs(found[0].normalised - found[1].normalised).max() > 0.2
