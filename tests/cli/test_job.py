"""What `featmap`, `boxam` and `cam` have in common, with a real detector."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmlens.cli.arguments import Parser
from mmlens.cli.commands import boxam
from mmlens.cli.job import load, load_detector, run_job
from mmlens.cli.run import Drawn
from mmlens.errors import MmlensError

SHAPES = Path(__file__).resolve().parents[2] / 'projects' / 'shapes'
CLASSIFIER = [str(SHAPES / 'configs' / 'shapes_classifier.py'), str(SHAPES / 'checkpoints' / 'shapes_classifier.pth')]


def arguments(*words):
    return boxam.build_parser().parse_args(list(words))


def draw(network, picture):
    return Drawn(network.prepare(picture).picture, 'seen')


def test_the_network_of_the_arguments_is_opened(model, pictures):
    network = load(arguments('pics/a.png', *model, '--device', 'cpu', '--cfg-options', 'model.test_cfg.max_per_img=2'))
    assert network.family == 'detector' and network.model.test_cfg.max_per_img == 2
    assert network.class_names == ['ant', 'bee', 'cow']


def test_a_detector_is_asked_for(model, pictures):
    assert load_detector(arguments('pics/a.png', *model, '--device', 'cpu')).num_classes == 3
    with pytest.raises(MmlensError, match='is a classifier, and box maps need a detector'):
        load_detector(arguments('pics/a.png', *CLASSIFIER, '--device', 'cpu'))


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['pics/none.png'], 'none.png'),
        (['pics/a.png', '--out-file', 'a.gif'], 'a.gif'),
        (['pics/a.png', '--resume', 'output/a.npz', '--method', 'drise'], 'would be overwritten by a result'),
    ],
)
def test_what_is_wrong_is_found_before_the_model_is_loaded(model, pictures, words, sentence):
    def fail(args):
        raise AssertionError('was loaded')

    source, *options = words
    with pytest.raises(MmlensError, match=sentence):
        run_job(arguments(source, *model, *options), draw, same_size=True, load=fail)


def test_sources_may_be_refused_by_the_command(model, pictures):
    def refuse(sources):
        raise MmlensError(f'{len(sources)} are too many')

    with pytest.raises(MmlensError, match='^3 are too many$'):
        run_job(arguments('pics', *model), draw, same_size=True, check_sources=refuse)


def test_the_model_is_loaded_once_for_all_sources(model, pictures, capsys):
    loaded = []

    def count(args):
        loaded.append(load(args))
        return loaded[-1]

    words = arguments('pics', *model, '--device', 'cpu')
    assert run_job(words, draw, same_size=True, load=count) == 1  # b.jpg is broken
    assert len(loaded) == 1
    assert sorted(path.name for path in (pictures / 'output').iterdir()) == ['a.png', 'c.jpg', 'index.html']
    assert 'b.jpg' in capsys.readouterr().err


def test_a_preview_lists_layers_and_draws_nothing(model, pictures, capsys):
    words = arguments('pics/a.png', *model, '--device', 'cpu', '--preview-model')
    assert run_job(words, lambda *given: pytest.fail('is drawn'), same_size=True) == 0
    out = capsys.readouterr().out
    assert 'neck' in out and '1x32x12x12' in out
    assert not (pictures / 'output').exists()


def test_the_parser_of_the_test_is_the_commands_own():
    assert isinstance(boxam.build_parser(), Parser)


def test_depth_goes_with_the_list_of_layers(pictures, model, capsys):
    assert boxam.main(['pics/a.png', *model, '--depth', '1']) == 2
    assert '--depth says how deep --preview-model lists layers' in capsys.readouterr().err
    assert boxam.main(['pics/a.png', *model, '--preview-model', '--depth', '1']) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines() if not line.startswith('*')]
    assert 'backbone' in names and not any('.' in name for name in names)
