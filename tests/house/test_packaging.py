"""What a wheel and an editable install hold."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from email.policy import default
from pathlib import Path
from typing import Set

import pytest

import mmlens

ROOT = Path(__file__).resolve().parents[2]


def data_files(folder: Path) -> Set[str]:
    """What must travel with the package, by its path in the repository."""
    found = set()
    for name in ('configs', 'demo', 'tools'):
        found |= {str(path.relative_to(folder)) for path in (folder / name).rglob('*') if path.is_file()}
    return {path for path in found if '__pycache__' not in path}


def names_in(wheel: Path) -> Set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_a_wheel_carries_configs_demo_and_tools(source, wheel):
    names = names_in(wheel)
    assert {name[len('mmlens/.mim/') :] for name in names if '/.mim/' in name} == data_files(source)
    modules = {str(path.relative_to(source)) for path in (source / 'mmlens').rglob('*.py')}
    assert {name for name in names if name.endswith('.py') and '/.mim/' not in name} == modules
    assert 'mmlens/py.typed' in names
    assets = {str(p.relative_to(source)) for p in (source / 'mmlens/rendering/page/assets').iterdir()}
    assert len(assets) > 5 and assets <= names
    assert not (source / 'mmlens' / '.mim').exists()
    assert not [name for name in names if name.endswith(('.pth', 'model-index.yml'))]  # no weights, and none to fetch


def test_a_wheel_carries_nothing_of_the_maintainers(source, wheel):
    parts = {part for name in names_in(wheel) for part in Path(name).parts}
    assert not parts & {'dev', 'tests', 'projects', 'docs'}
    scripts = {path.name for path in (source / 'dev').iterdir() if path.is_file()}
    assert scripts and not parts & scripts


def test_a_rebuild_forgets_files_that_are_gone(source, wheel, build_wheel, tmp_path):
    left_over = source / 'build' / 'lib' / 'mmlens' / '.mim' / 'configs' / 'gone.py'
    assert left_over.parent.is_dir()
    left_over.write_text('x = 1\n')
    assert names_in(build_wheel(tmp_path)) == names_in(wheel)


def test_an_editable_install_links_to_the_sources(source, tmp_path):
    code = f'import setuptools.build_meta as build; build.build_editable({str(tmp_path)!r})'
    subprocess.run([sys.executable, '-c', code], cwd=str(source), check=True, stdout=subprocess.DEVNULL)
    mim = source / 'mmlens' / '.mim'
    try:
        assert sorted(path.name for path in mim.iterdir()) == ['configs', 'demo', 'tools']
        for path in mim.iterdir():
            assert path.is_symlink()
            assert path.resolve() == (source / path.name).resolve()
    finally:
        shutil.rmtree(mim)


def description_of(wheel: Path) -> Message:
    """What a package index shows."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))
        return message_from_bytes(archive.read(metadata), policy=default)


def test_links_on_a_package_index_are_addresses_in_full(source, wheel):
    described = description_of(wheel)
    text = described.get_payload()
    home = re.search(r"^REPOSITORY = '(https://[^/']+/[^']+)'$", (source / 'setup.py').read_text('utf-8'), re.M).group(
        1
    )
    links = re.findall(r'(!?)\[[^\]]*\]\(([^)\s]+)\)', text)
    own = [(mark, target) for mark, target in links if target.startswith(home)]
    assert len(own) > 30 and all(target.startswith('https://') for _, target in links)
    for mark, target in own:
        kind, branch, path = target[len(home) + 1 :].split('/', 2)
        assert (kind, branch) == ('raw' if mark else 'blob', 'main')
        assert (ROOT / path.partition('#')[0]).is_file(), target
    assert f'{home}/blob/main/README.md#installation' in {target for _, target in own}
    assert '](docs/' in (source / 'README.md').read_text('utf-8')  # the README itself keeps short ones
    addresses = dict(line.split(', ') for line in described.get_all('Project-URL'))
    assert {'Documentation', 'Changes', 'Issues'} <= set(addresses)
    assert all(address.startswith(home) for address in [*addresses.values()])


def test_the_description_is_markdown_that_an_index_can_show(wheel):
    described = description_of(wheel)
    assert described['Description-Content-Type'].startswith('text/markdown')
    renderer = pytest.importorskip('readme_renderer.markdown', reason='readme_renderer[md] is not installed')
    html = renderer.render(described.get_payload())
    assert html and '<table' in html and not re.search(r'(src|href)="(?!https://|#)', html)


def test_nothing_is_built_for_an_index_before_the_project_has_an_address(source):
    text = (ROOT / 'Makefile').read_text('utf-8').partition('\nhas-address:')[2].partition('\n\n')[0]
    pattern = re.search(r'grep -q "([^"]+)" setup.py', text).group(1).replace('\\', '\\')
    nowhere = re.search(pattern, (source / 'setup.py').read_text('utf-8'), re.M)
    assert nowhere or 'REPOSITORY = ' in (source / 'setup.py').read_text('utf-8')
    assert re.search(pattern, "REPOSITORY = 'https://mmlens.example/mmlens'", re.M)
    assert not re.search(pattern, "REPOSITORY = 'https://code.host/mmlens'", re.M)


def test_citation_issue_forms_and_workflow_say_what_is_so():
    import yaml

    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text('utf-8'))
    assert citation['version'] == mmlens.__version__ and citation['authors'] == [{'name': 'The mmlens contributors'}]
    forms = sorted((ROOT / '.github' / 'ISSUE_TEMPLATE').glob('*.yml'))
    for form in [path for path in forms if path.name != 'config.yml']:
        read = yaml.safe_load(form.read_text('utf-8'))
        assert read['name'] and read['description'] and all(part['attributes']['label'] for part in read['body'])
        assert len({part['id'] for part in read['body']}) == len(read['body'])
    workflow = yaml.safe_load((ROOT / '.github' / 'workflows' / 'ci.yml').read_text('utf-8'))
    rows = workflow['jobs']['test']['strategy']['matrix']['include']
    targets = re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text('utf-8'), re.M)
    assert {row['target'] for row in rows} == {'test', 'test-openmmlab', 'docs'} <= set(targets)


def test_the_model_index_lists_models_that_are_there():
    from modelindex.load_model_index import load

    models = load(str(ROOT / 'model-index.yml')).models
    assert models
    for model in models:
        assert (ROOT / model.config).is_file() and (ROOT / model.weights).is_file(), model.name
        assert model.results[0].task in ('Object Detection', 'Image Classification')
