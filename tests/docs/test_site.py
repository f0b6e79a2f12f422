"""The website: every page has its place, and what `make docs` builds needs no network."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, List

import pytest
import yaml

import mmlens

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / 'docs'


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without calling what it names."""


Loader.add_multi_constructor('tag:yaml.org,2002:python/', lambda loader, suffix, node: None)


@pytest.fixture(scope='module')
def site():
    spec = importlib.util.spec_from_file_location('docs_site', str(ROOT / 'dev' / 'docs_site.py'))
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


@pytest.fixture(scope='module')
def staged(site, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('pages')
    site.main(['--out-dir', str(folder)])
    return folder


def in_nav(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    else:
        for each in part.values() if isinstance(part, dict) else part:
            yield from in_nav(each)


def settings() -> dict:
    return yaml.load((ROOT / 'mkdocs.yml').read_text(encoding='utf-8'), Loader)


def test_every_page_is_in_the_menu_once():
    listed: List[str] = list(in_nav(settings()['nav']))
    pages = {f'docs/{path.name}' for path in DOCS.glob('*.md') if not path.name.endswith('.zh-CN.md')}
    assert len(set(listed)) == len(listed)
    assert pages | {'README.md', 'CHANGELOG.md', 'CONTRIBUTING.md'} == {
        name for name in listed if not name.startswith(('reference/', 'examples/'))
    }


def test_pages_keep_their_places_and_bring_what_they_show(site, staged):
    for page in site.pages():
        name = str(page.relative_to(ROOT)).replace('.zh-CN.md', '.zh.md')
        assert (staged / name).is_file(), name
    assert all((staged / 'docs' / 'pictures' / path.name).is_file() for path in (DOCS / 'pictures').glob('*.jpg'))
    for page in staged.rglob('*.md'):
        for target in re.findall(r'\]\(([^)\s#]+)[)#]', page.read_text(encoding='utf-8')):
            if not target.startswith('https://'):
                assert (page.parent / target).exists(), f'{page.name}: {target}'


def test_languages_are_chosen_in_a_menu_on_the_website(staged):
    for name in ('README', 'docs/from-mmyolo'):
        both = [(staged / f'{name}{end}').read_text(encoding='utf-8') for end in ('.md', '.zh.md')]
        assert both[0] != both[1] and not any('[English]' in text for text in both)
        assert re.search('[\u4e00-\u9fff]{4}', both[1])


def test_the_reference_has_every_public_name(staged):
    shown = re.findall(r'^::: mmlens\.(\w+)$', (staged / 'reference' / 'mmlens.md').read_text(encoding='utf-8'), re.M)
    assert sorted([*shown, '__version__', 'metrics']) == sorted(mmlens.__all__)
    for name in ('metrics', 'engine', 'evaluation', 'rendering', 'pipelines', 'errors'):
        assert f'::: mmlens.{name}' in (staged / 'reference' / f'{name}.md').read_text(encoding='utf-8')


def test_chinese_pages_say_what_the_english_ones_say():
    """The same headings, options, commands and links, in the same order."""
    english, chinese = ((DOCS / f'from-mmyolo{end}').read_text(encoding='utf-8') for end in ('.md', '.zh-CN.md'))
    for pattern in (r'^```bash\n(.*?)^```', r'^\| (`.*?`)', r'^(#+) '):
        assert re.findall(pattern, english, re.M | re.S) == [
            each.replace('、', ', ') for each in re.findall(pattern, chinese, re.M | re.S)
        ], pattern
    links = [set(re.findall(r'\]\(([^)]+)\)', text)) for text in (english, chinese)]
    assert links[0] == links[1]


def test_the_site_is_built_without_a_warning_and_loads_nothing(tmp_path):
    """Where mkdocs is: in the environment of `make docs`, or beside pytest."""
    programs = [ROOT / '.venv-docs' / 'bin' / 'mkdocs', Path(sys.prefix) / 'bin' / 'mkdocs']
    mkdocs = next((str(path) for path in programs if path.is_file()), None) or shutil.which('mkdocs')
    if not mkdocs:
        pytest.skip('mkdocs is not installed: `make docs` sets it up')
    python = str(Path(mkdocs).with_name('python'))
    subprocess.run([python, 'dev/docs_site.py'], cwd=str(ROOT), check=True)
    command = [mkdocs, 'build', '--quiet', '--strict', '--site-dir', str(tmp_path)]
    subprocess.run(command, cwd=str(ROOT), check=True)
    built = list(tmp_path.rglob('*.html'))
    assert len(built) > 40
    for page in built:
        html = page.read_text(encoding='utf-8')
        loaded = re.findall(r'<(?:script|img|iframe|source|video)[^>]*?\ssrc=["\']?([^"\'\s>]+)', html)
        loaded += re.findall(r'<link[^>]*?\srel=["\']?(?:stylesheet|icon|preload|preconnect)[^>]*', html)
        assert not [each for each in loaded if '//' in each], page.name
    assert 'unpkg' not in (tmp_path / 'index.html').read_text(encoding='utf-8')
    assert (tmp_path / 'search' / 'search_index.js').is_file()
    reference = (tmp_path / 'reference' / 'mmlens.html').read_text(encoding='utf-8')
    assert ':func:' not in reference and 'href="#mmlens.explain_boxes"' in reference
