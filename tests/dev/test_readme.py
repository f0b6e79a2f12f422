"""The table in dev/README.md has every script that is run by hand, and the pages it names exist."""

import re
from pathlib import Path

DEV = Path(__file__).resolve().parents[2] / 'dev'
TEXT = (DEV / 'README.md').read_text(encoding='utf-8')


def test_every_script_is_in_the_readme_once():
    scripts = {path.name for path in DEV.glob('*.py') if "__name__ == '__main__'" in path.read_text(encoding='utf-8')}
    in_table = re.findall(r'^\| `python dev/(\w+\.py)', TEXT, re.M)
    by_others = re.findall(r'`(\w+\.py)`', TEXT)
    assert sorted([*in_table, *by_others]) == sorted(scripts)


def test_the_pages_it_names_exist():
    pages = re.findall(r'\]\((\S+?)\)', TEXT)
    assert pages and all((DEV / page).is_file() for page in pages)


def test_the_options_it_names_exist():
    for name, words in re.findall(r'^\| `python dev/(\w+)\.py ?(.*?)`', TEXT, re.M):
        source = (DEV / f'{name}.py').read_text(encoding='utf-8')
        assert all(f"'{option}'" in source for option in re.findall(r'--[a-z-]+', words)), name
