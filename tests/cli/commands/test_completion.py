import shutil
import subprocess
import sys

import pytest

from mmlens.cli.commands import completion
from mmlens.cli.main import COMMANDS


def test_one_parser_knows_all_commands_and_their_options():
    parser = completion.whole_parser()
    (commands,) = (action for action in parser._actions if action.dest == 'command')
    assert list(commands.choices) == list(COMMANDS)
    boxam = commands.choices['boxam']
    assert {'img', 'config', 'checkpoint', 'colormap'} <= {action.dest for action in boxam._actions}
    completion._know_files(parser, {'img': {'bash': 'files'}})
    assert next(action for action in boxam._actions if action.dest == 'img').complete == {'bash': 'files'}


def test_without_shtab_the_cure_is_told(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'shtab', None)
    assert completion.main(['bash']) == 2
    assert capsys.readouterr().err.endswith('shtab, which is not installed; run `pip install shtab`.\n')


def test_an_unknown_shell_is_told(capsys):
    with pytest.raises(SystemExit):
        completion.main(['fish'])
    assert "invalid choice: 'fish'" in capsys.readouterr().err


def test_bash_completes_commands_options_choices_and_files(tmp_path, capsys):
    pytest.importorskip('shtab')
    if not shutil.which('bash'):
        pytest.skip('no bash')
    assert completion.main(['bash']) == 0
    script = tmp_path / 'mmlens.bash'
    script.write_text(capsys.readouterr().out)
    (tmp_path / 'dog.jpg').write_bytes(b'')

    def completed(*words):
        code = (
            f'source {script}; COMP_WORDS=({" ".join(map(repr, words))}); COMP_CWORD={len(words) - 1}; _shtab_mmlens; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(['bash', '-c', code], cwd=str(tmp_path), capture_output=True, text=True, timeout=60)
        assert not done.stderr
        return done.stdout.split()

    assert completed('mmlens', 'box') == ['boxam']
    assert '--target-layers' in completed('mmlens', 'boxam', '--tar')
    assert completed('mmlens', 'boxam', 'a.jpg', 'c.py', '--layout', 'p') == ['panels']
    assert completed('mmlens', 'boxam', 'do') == ['dog.jpg']


def test_zsh_has_its_script(capsys):
    pytest.importorskip('shtab')
    assert completion.main(['zsh']) == 0
    assert capsys.readouterr().out.startswith('#compdef mmlens')
