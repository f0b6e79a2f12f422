"""The detectors of the evidence set: what they find, that they use evidence, and lean on the watermark."""

from __future__ import annotations

import re

import numpy as np
import pytest

import mmlens
from projects.shapes import evaluate, evidence_dataset
from projects.shapes.counterfactuals import cards, measure, swaps
from projects.shapes.evidence import CLASSES, KINDS, STAMPED
from projects.shapes.train import EVIDENCE, HERE

SEED, PICTURES, STAMPS = evidence_dataset.SPLITS['held_out']


@pytest.fixture(scope='module', params=EVIDENCE)
def name(request):
    if request.param == 'evidence_dino':
        request.getfixturevalue('dino_of_any_width')
    return request.param


@pytest.fixture(scope='module')
def namings(name):
    """What a detector makes of the objects of eight scenes, in four versions each."""
    detector = mmlens.load_detector(HERE / 'configs' / f'{name}.py', HERE / 'checkpoints' / f'{name}.pth', device='cpu')
    return measure(detector, SEED, PICTURES[:8])


@pytest.mark.parametrize('kind', ['context', 'two_part'])
def test_it_tells_huts_by_their_signs_and_plates_by_both_marks(namings, kind):
    """Swap the evidence and nothing else, and the detector names the other class."""
    number, _, _, both = swaps(namings, kind)
    assert number >= 8 and both >= 0.8


def test_it_leans_on_the_watermark(namings):
    """Add it or remove it and nothing else, and cards get the name of the class that bore it in training."""
    for label in KINDS['shortcut']:
        never, always = (np.mean([n.named == STAMPED for n in cards(namings, label, s)]) for s in ('never', 'always'))
        assert always > 0.6 and never < 0.3


def test_map50_on_held_out_pictures_through_the_command(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evidence_dataset.write_split(tmp_path / 'held_out', SEED, PICTURES[:16], STAMPS)
    evaluate.main([name, '--data-root', str(tmp_path)])
    printed = capsys.readouterr().out
    assert float(re.search(rf'{name}: mAP50 ([\d.]+)', printed).group(1)) >= 0.7
    for label, class_name in enumerate(CLASSES):
        precision = float(re.search(rf'  {class_name} +AP ([\d.]+)', printed).group(1))
        assert precision > 0.6 or label in KINDS['shortcut']
