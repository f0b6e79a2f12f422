"""Every command and every Python example of the documentation is run, or held against what it names."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List

import pytest

from mmlens.attribution import fusion
from mmlens.attribution.methods import registry
from mmlens.cli.arguments import parse
from mmlens.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / 'README.md',
    ROOT / 'README.zh-CN.md',
    *sorted((ROOT / 'docs').glob('*.md')),
    ROOT / 'projects' / 'own_method' / 'README.md',
]
SHAPES = ROOT / 'projects' / 'shapes'
# What this machine may not have: then the command is only parsed.
NEEDS_MORE = ('cuda', '--show', 'http', 'completion')

VIEWS = """
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='Resize', scale=(192, 192), keep_ratio=True)],
        [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)],
        [dict(type='PackDetInputs', meta_keys=('img_path', 'ori_shape', 'img_shape', 'flip', 'flip_direction'))]])]
"""


@dataclass
class Block:
    """A fenced block of a page: where it begins, its language and its lines."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'


def blocks_of(path: Path) -> List[Block]:
    found = []
    for match in re.finditer(r'^```(\w*)\n(.*?)^```$', path.read_text(encoding='utf-8'), re.M | re.S):
        line = match.string.count('\n', 0, match.start()) + 1
        found.append(Block(str(path.relative_to(ROOT)), line, match.group(1), match.group(2)))
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
COMMANDS: Dict[str, Block] = {}  # each command once, wherever it stands first
for _block in BLOCKS:
    if _block.language == 'bash':
        for _line in _block.text.replace('\\\n', ' ').splitlines():
            COMMANDS.setdefault(_line, _block)
RUN = [line for line in COMMANDS if re.match(r'(PYTHONPATH=\S+ )?mmlens ', line)]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder where the names that the documentation uses are those of the shapes detector and its pictures."""
    shutil.copyfile(SHAPES / 'configs' / 'shapes_rtmdet.py', tmp_path / 'config.py')
    with (tmp_path / 'config.py').open('a') as config:
        config.write(VIEWS)
    shutil.copyfile(SHAPES / 'checkpoints' / 'shapes_rtmdet.pth', tmp_path / 'checkpoint.pth')
    (tmp_path / 'pictures').mkdir()
    for name in ('picture.jpg', 'pictures/one.jpg'):
        shutil.copyfile(SHAPES / 'pictures' / '000008.jpg', tmp_path / name)
    shutil.copyfile(SHAPES / 'checkpoints' / 'shapes_rtmdet.pth', tmp_path / 'other.pth')
    shutil.copyfile(SHAPES / 'pictures.json', tmp_path / 'coco.json')
    (tmp_path / 'annotated').symlink_to(SHAPES / 'pictures')
    for split in ('train', 'held_out'):  # where the config looks for its data
        (tmp_path / 'work_dirs' / 'shapes').mkdir(parents=True, exist_ok=True)
        (tmp_path / 'work_dirs' / 'shapes' / split).symlink_to(SHAPES / 'pictures')
        (tmp_path / 'work_dirs' / 'shapes' / f'{split}.json').symlink_to(SHAPES / 'pictures.json')
    (tmp_path / 'projects').symlink_to(ROOT / 'projects')
    monkeypatch.chdir(tmp_path)
    # What an example registers or imports is gone after it.
    monkeypatch.setattr(registry, '_METHODS', dict(registry._METHODS))
    monkeypatch.setattr(fusion, '_FUSIONS', dict(fusion._FUSIONS))
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.delitem(sys.modules, 'own_method', raising=False)
    yield tmp_path
    sys.modules.pop('own_method', None)


def test_there_are_pages_with_examples():
    assert {'README.md', 'docs/box-maps.md', 'docs/feature-maps.md'} <= {block.page for block in BLOCKS}
    assert len(RUN) > 8
    assert {block.language for block in BLOCKS} == {'bash', 'python', 'text'}


@pytest.mark.parametrize('page', sorted({block.page for block in BLOCKS if block.language == 'python'}))
def test_python_examples_run_one_after_the_other(page, workplace, capsys):
    namespace: Dict[str, object] = {'__name__': 'example'}
    for block in BLOCKS:
        if block.page == page and block.language == 'python':
            exec(compile('\n' * block.line + block.text, str(ROOT / page), 'exec'), namespace)


@pytest.mark.parametrize('line', RUN)
def test_commands_of_mmlens_run(line, workplace, capsys):
    words = shlex.split(line.partition(' > ')[0], comments=True)
    if words[0].startswith('PYTHONPATH='):
        sys.path.insert(0, words.pop(0).partition('=')[2])
    arguments = words[1:]
    parse(importlib.import_module(f'mmlens.cli.commands.{arguments[0]}').build_parser(), arguments[1:])
    if any(word in line for word in NEEDS_MORE):
        return
    assert main(arguments) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    for shown in output_shown_for(line):
        assert shown in printed
    writes = arguments[0] not in ('layers', 'info') and not {'--preview-model', '--dry-run'} & set(arguments)
    assert any((workplace / 'output').glob('*')) == writes


def output_shown_for(line: str) -> List[str]:
    """The lines of the block of text that follows a block with this command alone."""
    for block, following in zip(BLOCKS, BLOCKS[1:]):
        if block.language == 'bash' and block.text.strip() == line and following.language == 'text':
            return following.text.splitlines()
    return []


def test_output_is_shown_somewhere():
    assert any(output_shown_for(line) for line in RUN)


# ---------------------------------------------------------------- commands of other programs


@pytest.mark.parametrize('line', [line for line in COMMANDS if line not in RUN])
def test_other_commands_name_what_exists(line):
    for command in line.split(' && '):
        words = shlex.split(command.replace('<', '"').replace('>', '"'), comments=True)
        CHECKS[words[0]](words[1:])


def check_make(words):
    targets = re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(encoding='utf-8'), re.M)
    assert words[0] in targets
    assert all(word.startswith('PYTHON=python3') for word in words[1:])


def check_pip(words):
    assert words[0] in ('install', 'uninstall')
    pins = ''.join(path.read_text(encoding='utf-8') for path in (ROOT / 'requirements').glob('*.txt'))
    extras = re.findall(r"^    '(\w+)': \[", (ROOT / 'setup.py').read_text(encoding='utf-8'), re.M)
    for option, value in zip(words, words[1:]):
        if option == '-r':
            assert (ROOT / value).is_file()
    for word in words:
        if '==' in word:
            assert f'{word}\n' in pins
        elif word.startswith('.['):
            assert word[2:-1] in extras


def check_git(words):
    assert words[0] == 'clone' and words[2] == 'mmlens'


def check_launched(words):
    """A launcher, what it starts, and a command of ours."""
    start = words.index('mmlens')
    assert words[start - 1] == '-m'
    command, *options = words[start + 1 :]
    parse(importlib.import_module(f'mmlens.cli.commands.{command}').build_parser(), options)


CHECKS = {
    'make': check_make,
    'torchrun': check_launched,
    'srun': check_launched,
    'pip': check_pip,
    'mim': lambda words: check_pip(words),
    'git': check_git,
    'cd': lambda words: None,
}
