import subprocess
import sys

import pytest

from mmlens.cli.commands import info
from mmlens.version import __version__


def test_what_is_pasted_into_a_bug_report(capsys):
    import torch

    assert info.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f'mmlens {__version__}' and lines[1].startswith(f'python {sys.version.split()[0]}, ')
    told = dict(line.split(': ', 1) for line in lines[2:])
    assert told['torch'].split()[1] == torch.__version__.split('+')[0]
    assert told['detectors of mmdet'] == told['detectors of mmyolo'] == told['classifiers'] == 'work'
    assert told['device'].startswith('cuda' if torch.cuda.is_available() else 'cpu')
    assert 'compiled' in told["mmcv's ops"]
    assert all(ord(character) < 128 for line in lines for character in line)


@pytest.mark.parametrize('words', [[], ['-q']])
def test_without_torch_it_says_so_and_goes_on(words):
    code = (
        f'import sys; sys.modules["torch"] = None; from mmlens.cli.main import main; sys.exit(main(["info", *{words}]))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert 'device: none, torch cannot be imported' in done.stdout
    assert 'classifiers: torch ' in done.stdout and 'pip install' in done.stdout


def test_a_config_is_described_and_not_run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'base.yaml').write_text('default_scope: mmdet\n')
    (tmp_path / 'config.py').write_text(
        "import os\nos.mkdir('RAN')\n_base_ = 'base.yaml'\ncustom_imports = dict(imports=['project.heads'])\n"
    )
    assert info.main(['--config', 'config.py']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:-1] == [
        'config.py: a Python config: a program',
        '  based on base.yaml',
        '  line 1: import os',
        '  line 2 calls os.mkdir()',
        '  custom_imports: project.heads, which is imported and so runs',
        'base.yaml: data: reading it runs nothing of its own',
        '  default_scope: mmdet',
    ]
    assert lines[-1].startswith('A Python config is a program: ')
    assert not (tmp_path / 'RAN').exists()


def test_a_config_that_cannot_be_read_is_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'broken.py').write_text('model = (\n')
    for name in ('', 'gone.py', 'broken.py'):
        assert info.main(['--config', name]) == 2
        err = capsys.readouterr().err
        assert err.startswith('mmlens: error: ') and len(err.splitlines()) == 1 and '<unknown>' not in err


def test_a_config_needs_no_torch(tmp_path):
    (tmp_path / 'config.py').write_text('model = dict()\n')
    code = (
        'import sys\nfrom mmlens.cli.main import main\nmain(["info", "--config", "config.py"])\n'
        'print({"torch", "mmengine", "numpy"} & set(sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=str(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == 'set()', done.stderr
