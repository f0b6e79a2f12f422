"""Networks of every family through the commands: what each draws, and what is said of the wrong kind."""

import re
import sys
from pathlib import Path

import cv2
import pytest

from mmlens.cli.main import main

SHAPES = Path(__file__).resolve().parents[2] / 'projects' / 'shapes'
CLASSIFIER = [str(SHAPES / 'configs' / 'shapes_classifier.py'), str(SHAPES / 'checkpoints' / 'shapes_classifier.pth')]

# A detector whose boxes are rotated by 30 degrees, and one that is told in words what to look for.
MODELS = """
import torch
from mmdet.models import YOLOX
from mmdet.registry import MODELS


@MODELS.register_module(force=True)
class Rotated(YOLOX):
    def predict(self, *args, **kwargs):
        samples = super().predict(*args, **kwargs)
        for sample in samples:
            found = sample.pred_instances
            low, high = found.bboxes[:, :2], found.bboxes[:, 2:]
            angles = torch.full_like(low[:, :1], 3.14159 / 6)
            boxes = torch.cat([(low + high) / 2, high - low, angles], 1)
            sample.pred_instances = found.new(bboxes=boxes, scores=found.scores, labels=found.labels)
        return samples


@MODELS.register_module(force=True)
class Told(YOLOX):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.language_model = torch.nn.Identity()

    def predict(self, inputs, samples, rescale=True):
        assert all(sample.text for sample in samples)
        return super().predict(inputs, samples, rescale)
"""


@pytest.fixture
def own_model(model, tmp_path, monkeypatch):
    """The words CONFIG and CHECKPOINT of a model of a user's own, by its class."""
    (tmp_path / 'own_models.py').write_text(MODELS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, 'own_models', raising=False)

    def words(name):
        config = tmp_path / f'{name}.py'
        config.write_text(
            f"_base_ = '{model[0]}'\ncustom_imports = dict(imports=['own_models'])\nmodel = dict(type='{name}')\n"
        )
        return [str(config), model[1]]

    return words


def test_a_classifier_draws_feature_maps_and_lists_its_layers(pictures, capsys):
    assert main(['featmap', 'pics/a.png', *CLASSIFIER, '--device', 'cpu']) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith('pics/a.png: ')]
    assert '; backbone 56x12x12 -> output/a.png' in line.replace('\\', '/')
    assert cv2.imread('output/a.png').shape[0] >= 60
    assert main(['layers', *CLASSIFIER, '--img', 'pics/a.png', '--device', 'cpu']) == 0
    shapes = dict(line.split()[::2] for line in capsys.readouterr().out.splitlines() if len(line.split()) == 3)
    assert shapes['backbone.stage2'] == '1x56x12x12' and shapes['neck.gap'] == '1x56x1x1'


@pytest.mark.parametrize('command', ['boxam', 'cam'])
def test_the_wrong_kind_is_named_once_before_the_first_picture(command, model, pictures, own_model, capsys):
    wrong, sentence = {
        'boxam': (
            CLASSIFIER,
            'ImageClassifier is a classifier, and box maps need a detector: use `mmlens cam` for it.',
        ),
        'cam': (
            [*model, '--family', 'network'],
            'YOLOX is neither a detector nor a classifier, and class maps need a classifier: use `mmlens featmap` '
            'for it.',
        ),
    }[command]
    assert main([command, 'pics', *wrong, '--device', 'cpu']) == 2
    said = capsys.readouterr()
    assert said.err == f'mmlens: error: {sentence}\n' and not said.out
    assert not Path('output').exists()


def test_rotated_boxes_are_drawn_by_featmap_and_refused_by_boxam(pictures, own_model, capsys):
    rotated = own_model('Rotated')
    assert main(['featmap', 'pics/a.png', *rotated, '--device', 'cpu', '--score-thr', '0']) == 0
    assert re.search(r'a\.png: [1-9]\d* boxes; backbone\[0\]', capsys.readouterr().out)
    assert main(['boxam', 'pics/a.png', *rotated, '--device', 'cpu']) == 2
    assert capsys.readouterr().err == (
        'mmlens: error: Rotated returns rotated boxes: box maps need upright ones; `mmlens featmap` draws them.\n'
    )


def test_words_are_asked_for_by_the_option_and_reach_the_network(pictures, own_model, capsys):
    told = own_model('Told')
    for command in (['boxam', 'pics/a.png'], ['featmap', 'pics/a.png']):
        assert main([*command, *told, '--device', 'cpu', '--score-thr', '0']) == 2
        assert capsys.readouterr().err == (
            "mmlens: error: Told is told in words what to look for: give --text 'a dog. a bicycle.'.\n"
        )
    words = ['--text', 'an ant. a bee. a cow.', '--custom-entities']
    assert main(['boxam', 'pics/a.png', *told, '--device', 'cpu', '--score-thr', '0', *words]) == 0
    out = capsys.readouterr().out
    assert 'a cow' in out or 'a bee' in out or 'an ant' in out
    assert main(['layers', *told, '--img', 'pics/a.png', '--device', 'cpu', *words]) == 0
    assert 'backbone.stem' in capsys.readouterr().out


def test_words_are_refused_where_classes_are_fixed(model, pictures, capsys):
    assert main(['boxam', 'pics/a.png', *model, '--device', 'cpu', '--text', 'a dog.']) == 2
    assert 'YOLOX has fixed classes and reads no words: leave out --text' in capsys.readouterr().err
