"""Chains of bases: circles end at once, what fails is named, and files may begin with a BOM."""

import time
from pathlib import Path

import pytest
from mmengine.config import Config, config

from mmlens.errors import ModelError
from mmlens.models.config_chain import followed
from mmlens.models.config_files import read_file


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(**files):
    for name, text in files.items():
        Path(name.replace('_', '.')).write_bytes(text if isinstance(text, bytes) else text.encode())


CIRCLES = {
    'itself': dict(a_py="_base_ = './a.py'"),
    'two programs': dict(a_py="_base_ = 'b.py'", b_py="_base_ = ['a.py']"),
    'three of data': dict(a_py="_base_ = 'b.yaml'", b_yaml='_base_: c.json', c_json='{"_base_": ["b.yaml"]}'),
    'by import': dict(
        a_py='from mmengine.config import read_base\nwith read_base():\n    from .b import *',
        b_py='from mmengine.config import read_base\nwith read_base():\n    from .a import *',
    ),
}


@pytest.mark.parametrize('files', CIRCLES.values(), ids=CIRCLES)
def test_circles_end_at_once(files):
    write(**files)
    begin = time.monotonic()
    with pytest.raises(ModelError, match=r'^The config a.py cannot be read: .*it is based on itself\.$'):
        read_file('a.py')
    assert time.monotonic() - begin < 60  # a hundredth of a second is usual


def test_the_same_base_twice_is_no_circle():
    write(a_py="_base_ = ['b.py', 'c.py']", b_py="_base_ = 'd.yaml'\nb = 1", c_py='c = 2', d_yaml='x: 1')
    assert read_file('a.py').to_dict() == dict(x=1, b=1, c=2)


@pytest.mark.parametrize('ending', ['py', 'yaml', 'json'])
def test_a_bom_is_no_content(ending):
    text = {'py': 'x = 1', 'yaml': 'x: 1', 'json': '{"x": 1}'}[ending]
    write(**{f'base_{ending}': b'\xef\xbb\xbf' + text.encode(), 'a_py': f"\ufeff_base_ = 'base.{ending}'\ny = 'ü'"})
    assert read_file('a.py').to_dict() == dict(x=1, y='ü')
    assert read_file(f'base.{ending}').x == 1


@pytest.mark.parametrize(
    ('base', 'sentence'),
    [
        ("_base_ = 'no.py'", 'in b.py, on which it is based: it is based on .*no.py, and there is no such file.'),
        ('_base_ = 5', 'in b.py, on which it is based: its _base_ has 5, which is not the name of a file.'),
        ('x = 1\ny = 1 / 0', r'in b.py, on which it is based: division by zero \(b.py, line 2\).'),
        ('x = (', r"in b.py, on which it is based: '\(' was never closed \(line 1\)|unexpected EOF"),
        ('import sys\n\nsys.exit(0)', r'in b.py, on which it is based: it ends Python \(b.py, line 3\): take that out'),
    ],
)
def test_what_fails_is_named(base, sentence):
    write(a_py="_base_ = 'b.py'", b_py=base)
    with pytest.raises(ModelError, match=f'^The config a.py cannot be read: {sentence}'):
        read_file('a.py')


def test_mmengine_is_as_it_was_afterwards():
    before = {name: vars(Config)[name] for name in ('_file2dict', '_get_base_files')}
    with pytest.raises(KeyError), followed():
        raise KeyError
    assert {name: vars(Config)[name] for name in before} == before and 'open' not in vars(config)
