"""What is left out, in processes as users start them, and that nothing else is."""

import contextlib
import io
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from mmlens.compat import silence

SHAPES = Path(__file__).resolve().parents[2] / 'projects' / 'shapes'

SCRIPT = """
import warnings
import mmlens
found = mmlens.explain_boxes({config!r}, {picture!r}, checkpoint={checkpoint!r}, topk=1)
print(len(found))
warnings.warn('torch.meshgrid: in an upcoming release, says the user')
warnings.warn('pkg_resources is deprecated as an API, says the user')
print('Could not import OneDL, says the user')
"""


@pytest.fixture
def filters():
    with warnings.catch_warnings():
        warnings.resetwarnings()
        yield warnings.filters


def test_a_plain_program_prints_what_it_prints_and_warns_as_it_warns():
    script = SCRIPT.format(
        config=str(SHAPES / 'configs' / 'shapes_rtmdet.py'),
        picture=str(SHAPES / 'pictures' / '000008.jpg'),
        checkpoint=str(SHAPES / 'checkpoints' / 'shapes_rtmdet.pth'),
    )
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, check=True)
    assert done.stdout == '1\nCould not import OneDL, says the user\n'
    told = [line for line in done.stderr.splitlines() if 'Warning' in line]
    assert [re.sub('.*Warning: ', '', line) for line in told] == [
        'torch.meshgrid: in an upcoming release, says the user',
        'pkg_resources is deprecated as an API, says the user',
    ], done.stderr


@pytest.mark.parametrize(('message', 'category', 'module'), silence.WARNINGS)
def test_only_the_warning_of_that_module_and_category_is_left_out(message, category, module, filters):
    silence.install()

    def warn(text, kind, where):
        warnings.warn_explicit(text, kind, f'{where}.py', 1, module=where, registry={})

    with warnings.catch_warnings(record=True) as told:
        warn(f'{message} and so on', category, module)
        assert not told
        warn(f'{message} and so on', category, f'{module}s')
        warn(f'{message} and so on', category, 'users.module')
        warn(f'{message} and so on', FutureWarning, module)
        warn(f'not {message}', category, module)
        warn(message.replace('.', ',').replace('API', 'APY').replace('Sparse', 'Spar.e'), category, module)
    assert len(told) == 5


def test_asked_again_there_are_no_more_filters_and_they_are_in_front(filters):
    silence.install()
    number = len(filters)
    warnings.simplefilter('error')
    silence.install()
    assert len(warnings.filters) == number + 1 and warnings.filters[0][0] == 'ignore'


def test_the_user_has_the_last_word(filters):
    silence.install()
    warnings.resetwarnings()
    with warnings.catch_warnings(record=True) as told:
        warnings.warn_explicit(
            silence.WARNINGS[0][0], UserWarning, 'f.py', 1, module=silence.WARNINGS[0][2], registry={}
        )
    assert len(told) == 1


def test_modules_are_imported_without_the_sentence_and_with_all_others(tmp_path, monkeypatch):
    (tmp_path / 'printing.py').write_text(
        'print("before")\nprint("Could not import OneDL. Skipping")\nprint()\nprint("after", end="")\n'
        'print("Could not import OneDL", flush=True)\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(silence, 'PRINTING', ('printing',))
    silence.install()
    with contextlib.redirect_stdout(io.StringIO()) as out:
        import printing  # noqa: F401
    sys.modules.pop('printing')
    assert out.getvalue() == 'before\n\nafter'
