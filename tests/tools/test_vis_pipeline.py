import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import mmlens

SCRIPT = Path(__file__).parents[2] / 'tools' / 'vis_pipeline.py'


@pytest.fixture(autouse=True)
def same_mmlens_in_subprocesses(monkeypatch):
    """Let the script import the package under test, installed or not."""
    monkeypatch.setenv('PYTHONPATH', str(Path(mmlens.__file__).parents[1]))


def run(*words):
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, timeout=280)


def test_the_script_takes_the_arguments_of_the_command():
    script, module = run(SCRIPT, '--help'), run('-m', 'mmlens', 'pipeline', '--help')
    assert script.returncode == 0 and script.stdout == module.stdout


def test_the_script_ends_with_the_status_of_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [str(SCRIPT), str(tmp_path / 'none.py')])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPT), run_name='__main__')
    assert end.value.code == 2
    assert capsys.readouterr().err == f'mmlens: error: No config file {tmp_path / "none.py"}: check the path.\n'
