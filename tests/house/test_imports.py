"""Who imports whom: no circle, no arrow upwards, and only the public names from outside the package."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'mmlens'
OPENMMLAB = {'mmengine', 'mmcv', 'mmdet', 'mmyolo', 'mmpretrain'}

# Room -> the rooms it may import, from top to bottom: every arrow points to a room further down.
MAY_IMPORT: Dict[str, Set[str]] = {
    '__main__': {'cli'},
    'mmlens': {'compat', 'version'},  # by name, when one of its names is used
    'cli': {
        'choices',
        'code_lines',
        'compat',
        'crew',
        'downloads',
        'errors',
        'evaluation',
        'explain',
        'failures',
        'files',
        'histories',
        'model_names',
        'models',
        'pipelines',
        'processes',
        'rendering',
        'report',
        'results',
        'samples',
        'schedules',
        'threads',
        'version',
        'whole_files',
    },
    'engine': {
        'attribution',
        'errors',
        'evaluation',
        'explain',
        'files',
        'models',
        'processes',
        'registry',
        'rendering',
        'results',
    },
    'report': {'errors', 'files', 'metrics', 'rendering', 'results', 'version'},
    'failures': {
        'attribution',
        'choices',
        'errors',
        'evaluation',
        'explain',
        'files',
        'metrics',
        'models',
        'rendering',
        'results',
    },
    'evaluation': {
        'attribution',
        'errors',
        'explain',
        'files',
        'metrics',
        'models',
        'processes',
        'rendering',
        'samples',
        'version',
    },
    'explain': {
        'attribution',
        'choices',
        'compat',
        'errors',
        'metrics',
        'model_names',
        'models',
        'pipelines',
        'results',
        'threads',
    },
    'samples': {'choices', 'compat', 'errors', 'models', 'pipelines', 'results'},
    'histories': {'errors', 'files', 'rendering', 'results'},
    'schedules': {'choices', 'compat', 'errors', 'files', 'models', 'pipelines', 'rendering', 'results'},
    'models': {
        'code_lines',
        'compat',
        'defaults',
        'downloads',
        'errors',
        'files',
        'model_names',
        'pipelines',
        'threads',
    },
    'metrics': {'errors'},
    'attribution': {'compat', 'defaults', 'errors', 'files', 'threads'},
    'results': {'errors', 'files', 'rendering'},
    'rendering': {'choices', 'errors'},
    'pipelines': {'errors'},
    'crew': {'errors', 'parcels'},
    'parcels': set(),
    'processes': {'errors'},
    'registry': set(),
    'downloads': {'errors', 'files', 'version'},
    'model_names': {'errors'},
    'files': {'errors', 'whole_files'},
    'whole_files': set(),
    'choices': set(),
    'errors': {'code_lines'},
    'code_lines': set(),
    'compat': set(),
    'defaults': set(),
    'threads': set(),
    'version': set(),
}
# Of these, the ones that are imported only when something is drawn or saved, or a command starts to work.
ONLY_WHEN_CALLED: Dict[str, Set[str]] = {
    'mmlens': {'compat'},
    'cli': {
        'compat',
        'evaluation',
        'explain',
        'failures',
        'models',
        'pipelines',
        'processes',
        'rendering',
        'report',
        'results',
        'samples',
        'schedules',
    },
    'evaluation': {'rendering'},
    'failures': {'rendering'},
    'histories': {'rendering'},
    'results': {'rendering'},
}
# Room -> the rooms that only its annotations may name.
ONLY_AS_TYPES: Dict[str, Set[str]] = {
    'mmlens': {
        'attribution',
        'errors',
        'explain',
        'failures',
        'histories',
        'metrics',
        'report',
        'results',
        'samples',
        'schedules',
    },
    'cli': {'attribution'},
    'rendering': {'results'},
}
# Room -> the packages that no import statement in it may name, at the top of a module or inside a function.
MAY_NOT_IMPORT = {
    'attribution': OPENMMLAB | {'cv2', 'matplotlib'},
    'metrics': OPENMMLAB | {'torch', 'pytorch_grad_cam', 'matplotlib'},
    'results': OPENMMLAB | {'torch', 'pytorch_grad_cam', 'cv2', 'matplotlib'},
    'report': OPENMMLAB | {'torch', 'pytorch_grad_cam', 'matplotlib'},
    'rendering': OPENMMLAB - {'mmengine'} | {'pytorch_grad_cam'},
    'pipelines': {'mmcv', 'mmdet', 'mmyolo', 'mmpretrain', 'torch'},
    'cli': {'torch', 'mmcv', 'mmdet', 'mmyolo', 'mmpretrain', 'pytorch_grad_cam'},
}
OUTSIDE = ('demo', 'dev', 'projects', 'tools')


class Arrow(NamedTuple):
    """One name imported by one module: ``kind`` is 'top' of the module, within a 'function', or only a 'type'."""

    source: str
    target: str
    name: str
    kind: str


# ---------------------------------------------------------------- the graph


def files_of(folder: Path) -> Dict[str, Path]:
    """Dotted name -> file of every module of a package, or of a folder of scripts that import each other."""
    top = folder.parent if (folder / '__init__.py').exists() else folder
    found = {}
    for path in sorted(folder.rglob('*.py')):
        if '.mim' not in path.parts:
            name = '.'.join(path.relative_to(top).with_suffix('').parts)
            found[name[: -len('.__init__')] if name.endswith('.__init__') else name] = path
    return found


def statements(node: ast.AST, kind: str = 'top') -> Iterator:
    """Every import statement below a node, with its kind."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, kind
        elif isinstance(child, ast.If) and 'TYPE_CHECKING' in {getattr(n, 'id', None) for n in ast.walk(child.test)}:
            yield from statements(ast.Module(child.body, []), 'type')
            yield from statements(ast.Module(child.orelse, []), kind)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and kind == 'top':
            yield from statements(child, 'function')
        else:
            yield from statements(child, kind)


def arrows_of(module: str, path: Path) -> Iterator[Arrow]:
    """Everything that a module imports, relative names resolved."""
    package = module.split('.') if path.name == '__init__.py' else module.split('.')[:-1]
    for node, kind in statements(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Arrow(module, alias.name, '', kind)
        else:
            base = package[: len(package) - node.level + 1] if node.level else []
            target = '.'.join(base + (node.module.split('.') if node.module else []))
            for alias in node.names:
                yield Arrow(module, target, alias.name, kind)


def graph_of(folder: Path) -> List[Arrow]:
    """The arrows between the modules of a folder; ``from . import module`` leads to the module."""
    files, found = files_of(folder), []
    for module, path in files.items():
        for arrow in arrows_of(module, path):
            inner = f'{arrow.target}.{arrow.name}'
            target = inner if inner in files else arrow.target
            if target in files and target != module:
                found.append(arrow._replace(target=target))
    return found


def reached(arrows: List[Arrow]) -> Dict[str, Set[str]]:
    """Module -> every module that one gets to by following arrows."""
    direct: Dict[str, Set[str]] = {}
    for arrow in arrows:
        direct.setdefault(arrow.source, set()).add(arrow.target)
    found = {}
    for module in direct:
        seen: Set[str] = set()
        waiting = [module]
        while waiting:
            new = direct.get(waiting.pop(), set()) - seen
            seen |= new
            waiting.extend(new)
        found[module] = seen
    return found


def circles(arrows: List[Arrow]) -> List[str]:
    """The arrows that lie on a circle, as lines to read; types do not count."""
    real = [arrow for arrow in arrows if arrow.kind != 'type']
    beyond = reached(real)
    tied = [arrow for arrow in real if arrow.source in beyond.get(arrow.target, ())]
    return sorted({f'{arrow.source} -> {arrow.target} ({arrow.name}, {arrow.kind})' for arrow in tied})


def room_of(module: str) -> str:
    """First part below the package; the package's own __init__ is the room `mmlens`."""
    return (module.split('.') + ['mmlens'])[1] if '.' in module else module


@functools.lru_cache(maxsize=None)
def graph() -> List[Arrow]:
    """The package's; every process that runs tests imports this file, and one of them asks."""
    return graph_of(PACKAGE)


ROOMS = sorted({room_of(module) for module in files_of(PACKAGE)})


def rooms_seen_by(room: str, *kinds: str) -> Set[str]:
    return {room_of(a.target) for a in graph() if room_of(a.source) == room and a.kind in kinds} - {room}


# ---------------------------------------------------------------- the rules


def test_no_module_imports_one_that_imports_it():
    found = circles(graph())
    assert not found, '\n'.join(found)


def test_every_room_has_its_place():
    assert sorted(MAY_IMPORT) == ROOMS, 'say in MAY_IMPORT which rooms a new one may import'


def test_allowed_arrows_point_down():
    order = list(MAY_IMPORT)
    for room, allowed in MAY_IMPORT.items():
        assert all(order.index(below) > order.index(room) for below in allowed), room


@pytest.mark.parametrize('room', ROOMS)
def test_a_room_imports_only_rooms_below_it(room):
    assert rooms_seen_by(room, 'top', 'function') <= MAY_IMPORT[room]
    assert not rooms_seen_by(room, 'top') & ONLY_WHEN_CALLED.get(room, set())
    assert rooms_seen_by(room, 'type') <= MAY_IMPORT[room] | ONLY_AS_TYPES.get(room, set())


@pytest.mark.parametrize('room', sorted(MAY_NOT_IMPORT))
def test_no_statement_imports_what_the_room_must_not_know(room):
    files = {module: path for module, path in files_of(PACKAGE).items() if room_of(module) == room}
    named = {arrow.target.split('.')[0] for module, path in files.items() for arrow in arrows_of(module, path)}
    assert named and not named & MAY_NOT_IMPORT[room]


# ---------------------------------------------------------------- outside the package


@pytest.mark.parametrize('folder', OUTSIDE)
def test_scripts_do_not_import_in_circles(folder):
    found = circles(graph_of(ROOT / folder))
    assert not found, '\n'.join(found)


@pytest.mark.parametrize('folder', OUTSIDE)
def test_examples_use_no_private_name(folder):
    files = files_of(ROOT / folder)
    assert files
    for module, path in files.items():
        for arrow in arrows_of(module, path):
            if arrow.target.split('.')[0] == 'mmlens':
                assert not [part for part in f'{arrow.target}.{arrow.name}'.split('.') if part.startswith('_')], path


@pytest.mark.parametrize('folder', ['mmlens', 'demo', 'projects', 'tools'])
def test_nothing_that_users_get_imports_the_maintainers_scripts(folder):
    scripts = {'dev', *files_of(ROOT / 'dev')}
    for module, path in files_of(ROOT / folder).items():
        if module not in scripts:
            assert not [arrow for arrow in arrows_of(module, path) if arrow.target.split('.')[0] in scripts], path


# ---------------------------------------------------------------- does the graph see it?


def tied(tmp_path: Path, **sources: str) -> List[str]:
    """The circles of a package `house` of one module a keyword."""
    folder = tmp_path / 'house'
    folder.mkdir()
    (folder / '__init__.py').touch()
    for name, text in sources.items():
        (folder / f'{name}.py').write_text(text)
    return circles(graph_of(folder))


EVERY_KIND = [
    ('from .b import f', 'import house.a', ['house.a -> house.b (f, top)', 'house.b -> house.a (, top)']),
    ('from . import b', 'from house.a import g', ['house.a -> house.b (b, top)', 'house.b -> house.a (g, top)']),
    (
        'from .b import f',
        'def f():\n    if f:\n        from .a import g',
        ['house.a -> house.b (f, top)', 'house.b -> house.a (g, function)'],
    ),
    ('import house.b', 'try:\n    from .a import g\nexcept ImportError:\n    pass', None),
    ('class A:\n    from .b import f', 'f = lambda: 0\nfrom .a import *', None),
    ('from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import f', 'from .a import g', []),
    ('import typing\nif typing.TYPE_CHECKING:\n    pass\nelse:\n    from .b import f', 'from .a import g', None),
    ('from .b import f', 'from house import errors', []),
]


@pytest.mark.parametrize(('one', 'other', 'expected'), EVERY_KIND)
def test_a_circle_is_seen_however_it_is_written(tmp_path, one, other, expected):
    found = tied(tmp_path, a=one, b=other)
    assert len(found) == 2 if expected is None else found == expected


def test_a_circle_of_three_is_seen_and_what_hangs_on_it_is_not(tmp_path):
    found = tied(tmp_path, a='from .b import x', b='from .c import y', c='from .a import z', d='from .a import z')
    assert [line.split(' (')[0] for line in found] == [
        'house.a -> house.b',
        'house.b -> house.c',
        'house.c -> house.a',
    ]
