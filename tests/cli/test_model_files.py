"""Files of a model that are missing are told before torch is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mmlens.cli.commands import boxam
from mmlens.cli.model_files import check_model_files
from mmlens.errors import ModelError


def arguments(*words):
    return boxam.build_parser().parse_args(['a.png', *words])


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('bare.py').write_text('model = dict()')
    Path('trained.py').write_text("load_from = 'weights.pth'")
    Path('weights.pth').write_text('')


@pytest.mark.parametrize(
    'words',
    [
        ('bare.py', 'weights.pth'),
        ('bare.py', 'https://example.com/weights.pth'),
        ('trained.py',),
        ('bare.py', '--cfg-options', 'load_from=weights.pth'),
        ('mmdet::yolox/any.py', 'weights.pth'),
    ],
)
def test_what_is_there_or_is_looked_for_later_passes(words):
    check_model_files(arguments(*words))


NO_WEIGHTS = (
    'No checkpoint was given, and {} has no load_from: name one after the config, or give --random-weights to look at '
    'an untrained model.'
)


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (('no.py', 'weights.pth'), 'No config file no.py: check the path.'),
        (('bare.py', 'no.pth'), 'No checkpoint no.pth: check the path.'),
        (('bare.py',), NO_WEIGHTS.format('bare.py')),
        (('trained.py', '--cfg-options', 'load_from=None'), NO_WEIGHTS.format('trained.py')),
    ],
)
def test_what_is_missing_is_named(words, sentence):
    with pytest.raises(ModelError) as error:
        check_model_files(arguments(*words))
    assert str(error.value) == sentence


def test_without_weights_layers_can_be_listed():
    check_model_files(arguments('bare.py'), trained=False)
    check_model_files(arguments('bare.py', '--random-weights'))


@pytest.mark.parametrize('words', [('no.py', 'weights.pth'), ('bare.py', 'no.pth'), ('bare.py',)])
def test_torch_is_not_imported_for_it(words):
    Path('a.png').write_bytes(b'')
    code = (
        'import sys\nfrom mmlens.cli.main import run\n'
        'try:\n    run()\nfinally:\n    print("torch" in sys.modules, file=sys.stderr)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, 'boxam', 'a.png', *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and done.stderr.splitlines()[-1] == 'False', done.stderr
