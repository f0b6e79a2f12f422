import pytest

from mmlens.cli.config_outline import outline
from mmlens.errors import ModelError

PROGRAM = """
import os.path as p
from pathlib import Path

_base_ = ['./base.py', 'mmdet::_base_/default_runtime.py', './gone.py']
custom_imports = dict(imports=['project.heads', 'project.necks'], allow_failed_imports=False)
default_scope = 'mmyolo'
if True:
    import subprocess
    subprocess.run(['touch', 'RAN'])
size = max(1, len([2]))
model = dict(type='X', path=p.join('a', 'b'))
"""


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'base.py').write_text("open('RAN', 'w')\n_base_ = './config.py'\n")  # a circle
    (tmp_path / 'config.py').write_text(PROGRAM)
    return tmp_path


def test_a_program_is_read_and_not_run(workplace):
    found = outline('config.py')
    assert found.is_program and found.default_scope == 'mmyolo'
    assert found.bases == ['./base.py', 'mmdet::_base_/default_runtime.py', './gone.py']
    assert found.imports == [(2, 'import os.path as p'), (3, 'from pathlib import Path'), (9, 'import subprocess')]
    assert found.custom_imports == ['project.heads', 'project.necks']
    assert found.calls == [(10, 'subprocess.run'), (12, 'p.join')]
    whole = list(found.whole())
    assert [each.path.name for each in whole] == ['config.py', 'base.py', 'default_runtime.py']
    assert whole[1].calls == [(1, 'open')] and whole[2].default_scope == 'mmdet'
    assert not (workplace / 'RAN').exists()


def test_imports_under_read_base_are_bases(workplace):
    (workplace / 'sub').mkdir()
    (workplace / 'sub' / 'lazy.py').write_text(
        'from mmengine.config import read_base\n'
        'with read_base():\n'
        '    from ..base import *\n'
        '    from .near import model\n'
        '    from mmdet.configs._base_.default_runtime import *\n'
    )
    found = outline('sub/lazy.py')
    assert found.bases == ['./../base.py', './near.py', 'mmdet::_base_/default_runtime.py']
    # Each file once: base.py leads to config.py, and that to the default runtime.
    names = [each.path.name for each in found.whole()]
    assert names == ['lazy.py', 'base.py', 'config.py', 'default_runtime.py']
    assert found.calls == []


def test_data_runs_nothing(workplace):
    (workplace / 'a.yaml').write_text(
        "_base_: ./b.json\nmodel: !!python/object/apply:os.system ['touch RAN']\ncustom_imports: {imports: [project]}\n"
    )
    (workplace / 'b.json').write_text('{"default_scope": "mmdet"}')
    found = outline('a.yaml')
    assert not found.is_program and found.bases == ['./b.json'] and found.custom_imports == ['project']
    assert found.files[0].default_scope == 'mmdet' and not (workplace / 'RAN').exists()


def test_settings_are_read_from_a_literal_too(workplace):
    (workplace / 'c.py').write_text("custom_imports = {'imports': 'one'}\n_base_ = ('./x.py',)\n")
    found = outline('c.py')
    assert found.custom_imports == ['one'] and found.bases == ['./x.py'] and found.default_scope == ''


def test_a_config_of_a_package_goes_by_its_name():
    found = outline('rtmdet_tiny_8xb32-300e_coco')
    assert found.path.name == 'rtmdet_tiny_8xb32-300e_coco.py'
    assert {each.path.name for each in found.whole()} >= {'rtmdet_l_8xb32-300e_coco.py', 'coco_detection.py'}


@pytest.mark.parametrize(
    ('name', 'content', 'sentence'),
    [
        ('broken.py', 'def', 'The config broken.py cannot be read: '),
        ('broken.json', '{', 'The config broken.json cannot be read: a file that should hold JSON does not'),
        ('broken.yaml', '[', 'The config broken.yaml cannot be read: '),
        ('gone.py', None, 'No config file gone.py: check the path.'),
        ('mm_nowhere::a.py', None, 'No package mm_nowhere with configs is installed'),
    ],
)
def test_what_cannot_be_read_is_told(workplace, name, content, sentence):
    if content is not None:
        (workplace / name).write_text(content)
    with pytest.raises(ModelError) as error:
        outline(name)
    assert str(error.value).startswith(sentence) and '\n' not in str(error.value)
