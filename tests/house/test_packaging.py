"""What a wheel and an editable install hold."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Set

ROOT = Path(__file__).resolve().parents[2]


def data_files(folder: Path) -> Set[str]:
    """What must travel with the package, by its path in the repository."""
    found = {'model-index.yml'}
    for name in ('configs', 'demo', 'tools'):
        found |= {str(path.relative_to(folder)) for path in (folder / name).rglob('*') if path.is_file()}
    return {path for path in found if '__pycache__' not in path}


def names_in(wheel: Path) -> Set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_a_wheel_carries_configs_demo_tools_and_model_index(source, wheel):
    names = names_in(wheel)
    assert {name[len('mmlens/.mim/') :] for name in names if '/.mim/' in name} == data_files(source)
    modules = {str(path.relative_to(source)) for path in (source / 'mmlens').rglob('*.py')}
    assert {name for name in names if name.endswith('.py') and '/.mim/' not in name} == modules
    assert 'mmlens/py.typed' in names
    assets = {str(p.relative_to(source)) for p in (source / 'mmlens/rendering/page/assets').iterdir()}
    assert len(assets) > 5 and assets <= names
    assert not (source / 'mmlens' / '.mim').exists()


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
        assert sorted(path.name for path in mim.iterdir()) == ['configs', 'demo', 'model-index.yml', 'tools']
        for path in mim.iterdir():
            assert path.is_symlink()
            assert path.resolve() == (source / path.name).resolve()
    finally:
        shutil.rmtree(mim)


def test_the_model_index_lists_models_that_are_there():
    from modelindex.load_model_index import load

    models = load(str(ROOT / 'model-index.yml')).models
    assert models
    for model in models:
        assert (ROOT / model.config).is_file() and (ROOT / model.weights).is_file(), model.name
        assert model.results[0].task in ('Object Detection', 'Image Classification')
