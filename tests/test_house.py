"""The house's own rules: who imports whom, what stays light, what a wheel holds, what is pinned."""

from __future__ import annotations

import ast
import os
import re
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Dict, Iterator, List, Set

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mmlens'
LEAVES = {'mmlens', 'mmlens.results.classes', 'mmlens.errors', 'mmlens.files', 'mmlens.results.boxes', 'mmlens.version'}
OPENMMLAB = {'mmengine', 'mmcv', 'mmdet', 'mmyolo', 'mmpretrain'}

# Room -> the rooms it may look into, besides itself and the leaves.
MAY_SEE: Dict[str, Set[str]] = {
    'cli': {
        'class_explain',
        'compat',
        'explain',
        'feature_explain',
        'models',
        'pipelines',
        'rendering',
        'samples',
        'schedules',
        'steps',
    },
    'engine': {'attribution', 'class_explain', 'explain', 'feature_explain', 'models', 'registry', 'rendering'},
    'class_explain': {'attribution', 'class_job', 'compat', 'explain', 'models'},
    'class_job': {'attribution', 'class_passes', 'models'},
    'class_passes': {'attribution', 'models'},
    'explain': {'attribution', 'box_explain', 'compat', 'models', 'pipelines', 'rendering'},
    'feature_explain': {'attribution', 'explain', 'models'},
    'box_explain': {'attribution', 'following', 'models'},
    'following': {'attribution', 'models'},
    'samples': {'compat', 'models', 'pipelines', 'steps'},
    'schedules': {'compat', 'models', 'pipelines'},
    'models': {'compat', 'pipelines'},
    'attribution': {'compat'},
    'rendering': {'steps'},
    'pipelines': set(),
    'registry': set(),
    'class_results': {'rendering'},
    'results': {'rendering'},  # their draw() imports it when it is called
    'steps': {'rendering'},
    'errors': set(),
    'files': set(),
    'version': set(),
}
# Room -> the packages that no import statement in it may name, at the top of a module or inside a function.
MAY_NOT_IMPORT = {
    'attribution': OPENMMLAB | {'cv2', 'matplotlib'},
    'rendering': OPENMMLAB - {'mmengine'} | {'pytorch_grad_cam'},
    'pipelines': {'mmcv', 'mmdet', 'mmyolo', 'mmpretrain', 'torch'},
    'cli': {'torch', 'mmcv', 'mmdet', 'mmyolo', 'mmpretrain', 'pytorch_grad_cam'},
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].replace('.py', '')


def rooms() -> List[str]:
    files = [path for path in PACKAGE.rglob('*.py') if '.mim' not in path.parts]
    return sorted({room_of(path) for path in files} - {'__init__', '__main__'})


def imports_of(path: Path) -> Iterator[str]:
    """Every module an import statement of a file names, relative ones resolved, submodules of mmlens to their room."""
    package = ['mmlens', *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = base + (node.module.split('.') if node.module else [])
            if module == ['mmlens']:
                yield from (f'mmlens.{alias.name}' for alias in node.names)
            else:
                yield '.'.join(module)


def imports_of_room(room: str) -> Set[str]:
    files = [PACKAGE / f'{room}.py'] if (PACKAGE / f'{room}.py').exists() else list((PACKAGE / room).rglob('*.py'))
    return {name for path in files for name in imports_of(path)}


def loaded_after(code: str) -> Set[str]:
    """Names of the modules that a fresh interpreter holds after running some code."""
    script = f'import sys\n{code}\nprint(*sys.modules, sep="\\n")'
    done = subprocess.run([sys.executable, '-c', script], cwd=str(ROOT), stdout=subprocess.PIPE, text=True, check=True)
    return set(done.stdout.split())


def all_modules_of(room: str) -> str:
    """Code that imports every module of a room."""
    names = ['.'.join(path.relative_to(ROOT).with_suffix('').parts) for path in sorted((PACKAGE / room).rglob('*.py'))]
    return '\n'.join(f'import {name.replace(".__init__", "")}' for name in names)


@pytest.mark.parametrize('room', rooms())
def test_a_room_sees_only_the_rooms_below_it(room):
    assert room == 'compat' or room in MAY_SEE, 'a new room: say in MAY_SEE which rooms it may look into'
    seen = {'.'.join(name.split('.')[:2]) for name in imports_of_room(room) if name.split('.')[0] == 'mmlens'}
    others = seen - {f'mmlens.{room}'}
    if room == 'compat':
        assert not others
    else:
        assert others - LEAVES <= {f'mmlens.{name}' for name in MAY_SEE[room]}


@pytest.mark.parametrize('room', sorted(MAY_NOT_IMPORT))
def test_no_statement_imports_what_the_room_must_not_know(room):
    if room in rooms():
        assert not {name.split('.')[0] for name in imports_of_room(room)} & MAY_NOT_IMPORT[room]


def test_import_mmlens_costs_no_heavy_package():
    loaded = loaded_after('import mmlens')
    assert 'mmlens' in loaded
    assert not loaded & (OPENMMLAB | {'torch', 'numpy', 'cv2', 'matplotlib', 'pytorch_grad_cam', 'rich'})


def test_the_command_line_starts_light():
    loaded = loaded_after('import mmlens.cli.main')
    assert not loaded & (OPENMMLAB | {'torch', 'cv2', 'matplotlib', 'pytorch_grad_cam'})


def test_attribution_runs_without_openmmlab():
    loaded = loaded_after(all_modules_of('attribution'))
    assert 'torch' in loaded
    assert not loaded & OPENMMLAB


def test_rendering_never_sees_a_model():
    loaded = loaded_after(all_modules_of('rendering'))
    assert not loaded & (OPENMMLAB - {'mmengine'} | {'pytorch_grad_cam', 'mmlens.models', 'mmlens.attribution'})


def test_compat_knows_no_other_room():
    loaded = {name for name in loaded_after(all_modules_of('compat')) if name.startswith('mmlens')}
    assert {name for name in loaded if not name.startswith('mmlens.compat')} <= {'mmlens', 'mmlens.version'}


@pytest.mark.parametrize('folder', ['projects', 'demo', 'tools'])
def test_examples_use_no_private_name(folder):
    for path in (ROOT / folder).rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'mmlens':
                names = [*node.module.split('.'), *(alias.name for alias in node.names)]
                assert not [name for name in names if name.startswith('_')], path


def test_help_answers_within_half_a_second_of_work():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, '-m', 'mmlens', '--help'], cwd=str(ROOT), stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert {'featmap', 'boxam', 'layers'} <= set(re.findall(r'\w+', done.stdout))
    # Work, not waiting: the machine may be busy with something else.
    assert (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime) < 0.5


# ---------------------------------------------------------------- packaging


@pytest.fixture(scope='module')
def source(tmp_path_factory) -> Path:
    """A copy of what the package is built from, so that nothing is built in the working tree."""
    folder = tmp_path_factory.mktemp('source')
    for name in ('setup.py', 'MANIFEST.in', 'pyproject.toml', 'LICENSE', 'README.md', 'model-index.yml'):
        if (ROOT / name).exists():
            shutil.copyfile(ROOT / name, folder / name)
    for name in ('mmlens', 'configs', 'demo', 'tools'):
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns('__pycache__', '.mim'))
    return folder


def data_files(folder: Path) -> Set[str]:
    """What must travel with the package, by its path in the repository."""
    found = {'model-index.yml'}
    for name in ('configs', 'demo', 'tools'):
        found |= {str(path.relative_to(folder)) for path in (folder / name).rglob('*') if path.is_file()}
    return {path for path in found if '__pycache__' not in path}


def build_wheel(source: Path, out: Path) -> Path:
    command = ['pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '--wheel-dir', str(out), str(source)]
    subprocess.run([sys.executable, '-m', *command], check=True, env=dict(os.environ, PIP_NO_INDEX='1'))
    (wheel,) = out.glob('mmlens-*.whl')
    return wheel


def names_in(wheel: Path) -> Set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory) -> Path:
    return build_wheel(source, tmp_path_factory.mktemp('wheel'))


def test_a_wheel_carries_configs_demo_tools_and_model_index(source, wheel):
    names = names_in(wheel)
    assert {name[len('mmlens/.mim/') :] for name in names if '/.mim/' in name} == data_files(source)
    modules = {str(path.relative_to(source)) for path in (source / 'mmlens').rglob('*.py')}
    assert {name for name in names if name.endswith('.py') and '/.mim/' not in name} == modules
    assert 'mmlens/py.typed' in names
    assert not (source / 'mmlens' / '.mim').exists()


def test_a_rebuild_forgets_files_that_are_gone(source, wheel, tmp_path):
    left_over = source / 'build' / 'lib' / 'mmlens' / '.mim' / 'configs' / 'gone.py'
    assert left_over.parent.is_dir()
    left_over.write_text('x = 1\n')
    assert names_in(build_wheel(source, tmp_path)) == names_in(wheel)


def test_an_editable_install_links_to_the_sources(source, tmp_path):
    code = f'import setuptools.build_meta as build; build.build_editable({str(tmp_path)!r})'
    subprocess.run([sys.executable, '-c', code], cwd=str(source), check=True, stdout=subprocess.DEVNULL)
    mim = source / 'mmlens' / '.mim'
    try:
        expected = [name for name in ('configs', 'demo', 'model-index.yml', 'tools') if (source / name).exists()]
        assert sorted(path.name for path in mim.iterdir()) == expected
        for path in mim.iterdir():
            assert path.is_symlink()
            assert path.resolve() == (source / path.name).resolve()
    finally:
        shutil.rmtree(mim)


# ---------------------------------------------------------------- pins


def pins(name: str) -> Dict[str, List[str]]:
    """Name -> pinned versions of a requirement file; every line must pin one version exactly."""
    from packaging.requirements import Requirement

    found: Dict[str, List[str]] = {}
    for line in (ROOT / 'requirements' / name).read_text(encoding='utf-8').splitlines():
        if line and not line.startswith('#'):
            requirement = Requirement(line)
            (specifier,) = requirement.specifier
            assert specifier.operator == '==', line
            found.setdefault(requirement.name.lower().replace('_', '-'), []).append(specifier.version)
    return found


def needs_of(wheel: Path, extra: str = '') -> list:
    """What the wheel needs with an extra, and only with it; without one, what it always needs."""
    from packaging.requirements import Requirement

    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))
        lines = re.findall(r'^Requires-Dist: (.*)$', archive.read(metadata).decode(), re.M)
    needs = [Requirement(line) for line in lines]
    if not extra:
        return [need for need in needs if need.marker is None]
    return [need for need in needs if need.marker and need.marker.evaluate({'extra': extra})]


@pytest.mark.parametrize(
    ('extra', 'files'),
    [('onedl', ['onedl']), ('openmmlab', ['openmmlab']), ('dev', ['dev', 'onedl']), ('dev', ['dev', 'openmmlab'])],
)
def test_pins_satisfy_the_extra_of_the_same_name(wheel, extra, files):
    pinned = {name: versions for file in files for name, versions in pins(f'{file}.txt').items()}
    needs = needs_of(wheel, extra)
    assert len(needs) >= 4
    for need in needs:
        (version,) = pinned[need.name]
        assert need.specifier.contains(version), need


def test_what_mmlens_always_needs_is_light(wheel):
    assert {need.name for need in needs_of(wheel)} == {'numpy', 'Pillow', 'rich'}


def test_the_families_are_not_mixed_and_nothing_is_pinned_twice():
    onedl, openmmlab, dev = pins('onedl.txt'), pins('openmmlab.txt'), pins('dev.txt')
    assert not [name for name in openmmlab if name.startswith('onedl-')]
    assert not set(onedl) & {'mmengine', 'mmcv', 'mmcv-lite', 'mmdet', 'mmpretrain'}
    for file in (onedl, openmmlab, dev):
        assert all(len(versions) == 1 for versions in file.values())
    assert not set(dev) & (set(onedl) | set(openmmlab))
    assert onedl['torch'] == ['2.12.1'] and openmmlab['torch'] == ['2.1.2']


def test_this_environment_is_one_of_the_pinned_ones():
    """Only where `make` set it up: its stamp lies beside the interpreter's folder."""
    from importlib.metadata import version

    prefix = Path(sys.prefix)
    if not list(prefix.glob('.ready-*')):
        pytest.skip('not set up by make')
    file = 'openmmlab.txt' if prefix.name.endswith('openmmlab') else 'onedl.txt'
    for name, versions in pins(file).items():
        if not name.startswith(('nvidia-', 'cuda-', 'triton')):
            assert version(name) in versions, name


def test_no_file_names_a_package_registry():
    hosts = re.compile(
        r'https?://[^\s/]*(py(?:pi|thonhosted)|npm(?:js)|debian|download\.openmmlab|download\.pytorch)', re.I
    )
    for path in [ROOT / 'Makefile', ROOT / 'setup.py', *(ROOT / 'requirements').iterdir(), ROOT / '.ci' / 'run']:
        assert not hosts.search(path.read_text(encoding='utf-8')), path


def test_the_model_index_lists_models_that_are_there():
    from modelindex.load_model_index import load

    models = load(str(ROOT / 'model-index.yml')).models
    assert models
    for model in models:
        assert (ROOT / model.config).is_file() and (ROOT / model.weights).is_file(), model.name
        assert model.results[0].task in ('Object Detection', 'Image Classification')
