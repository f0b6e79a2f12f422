"""Registries find in a process of ours what they find in any other, importing less."""

from __future__ import annotations

import json

import pytest

SETUP = """
import importlib, json, sys
from mmlens import compat
LAZY = {lazy}
if LAZY:
    from mmlens.compat import lazy_registries
    lazy_registries.install()
compat.prepare('mmdet', 'mmyolo', 'mmpretrain', 'mmseg')
from mmengine.registry import Registry

def described(found):
    return f'{{found.__module__}}.{{found.__qualname__}}' if hasattr(found, '__qualname__') else repr(found)
"""

EVERYTHING = """
# mmengine's own last: others register there what they were imported for.
registries = [
    registry
    for package in ('mmdet', 'mmyolo', 'mmpretrain', 'mmseg', 'mmengine')
    for registry in vars(importlib.import_module(f'{package}.registry')).values()
    if isinstance(registry, Registry) and registry.scope == package
]
for registry in registries:
    registry.import_from_location()
print(json.dumps([
    [f'{r.scope}.registry', r.name, {name: described(found) for name, found in r.module_dict.items()}]
    for r in registries
]))
"""

ONE_BY_ONE = """
wrong = []
for module, name, expected in json.load(open({file!r})):
    registries = (getattr(importlib.import_module(module), each) for each in dir(importlib.import_module(module)))
    registry = next(r for r in registries if isinstance(r, Registry) and r.name == name and module.startswith(r.scope))
    for key, kind in expected.items():
        found = registry.get(key)
        if found is None or described(found) != kind:
            wrong.append([module, name, key, kind, repr(found)])
print(json.dumps(wrong))
"""


def test_every_name_is_what_it_is_after_importing_everything(fresh, tmp_path):
    everything = fresh(SETUP.format(lazy=False) + EVERYTHING)
    expected = json.loads(everything.stdout.splitlines()[-1])
    assert sum(len(names) for _, _, names in expected) > 1000
    (tmp_path / 'expected.json').write_text(json.dumps(expected))
    looked_up = fresh(SETUP.format(lazy=True) + ONE_BY_ONE.format(file=str(tmp_path / 'expected.json')))
    assert looked_up.stdout, looked_up.stderr
    assert json.loads(looked_up.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize('package', ['mmdet', 'mmyolo', 'mmpretrain', 'mmseg'])
def test_registries_of_a_package_are_found_from_mmengines(fresh, package):
    """As mmengine does for a config's default_scope."""
    code = f"""
import importlib
importlib.import_module('{package}.registry')
from mmengine.registry import MODELS
print(MODELS._search_child('{package}').scope)
"""
    done = fresh(SETUP.format(lazy=True) + code)
    assert done.stdout.splitlines()[-1] == package, done.stderr


def test_a_detector_is_built_of_a_few_modules(fresh):
    code = """
from mmdet.registry import MODELS
for name in ('RTMDet', 'CSPNeXt', 'mmdet.CSPNeXtPAFPN', 'SiLU', 'DetDataPreprocessor'):
    assert MODELS.get(name) is not None, name
loaded = set(sys.modules)
print(sum(name.startswith('mmdet.models') for name in loaded))
print(sorted(loaded & {'sklearn', 'scipy', 'imgaug', 'numba', 'torchvision.models.resnet'}))
"""
    done = fresh(SETUP.format(lazy=True) + code)
    modules, heavy = done.stdout.splitlines()[-2:]
    assert int(modules) < 40 and heavy == '[]', done.stderr


def test_augmentations_are_imported_when_they_are_built(fresh):
    code = """
from mmdet.registry import TRANSFORMS
TRANSFORMS.build(dict(type='mmdet.Resize', scale=(8, 8)))
print('numba' in sys.modules, 'scipy.interpolate._fitpack2' in sys.modules)
resize = dict(name='Resize', parameters=dict(size=dict(height=4, width=8)), p=1.0)
if TRANSFORMS.get('ImageAug') is None:
    sys.exit('mmdet augments nothing before 3.5')
augment = TRANSFORMS.build(dict(type='ImageAug', pipeline=[resize]))
print('numba' in sys.modules, type(augment.pipeline).__name__)
from mmdet.datasets.transforms import generate_line
print(generate_line.InterpolatedUnivariateSpline([0, 1, 2, 3], [0, 1, 4, 9])(2.0))
print(generate_line.LineString([(0, 0), (1, 1)]).length)
"""
    done = fresh(SETUP.format(lazy=True) + code)
    if 'augments nothing' in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.stdout.splitlines()[-4:] == ['False False', 'True Sequential', '4.0', '1.4142135'], done.stderr


def test_what_is_nowhere_is_looked_for_everywhere_and_not_found(fresh):
    code = "from mmdet.registry import MODELS\nprint(MODELS.get('NoSuchThing'), 'FasterRCNN' in MODELS.module_dict)"
    done = fresh(SETUP.format(lazy=True) + code)
    assert done.stdout.splitlines()[-1] == 'None True', done.stderr


def test_programs_that_have_mmengine_are_left_alone(fresh):
    code = """
import sys, mmengine.registry
from mmlens.compat import lazy_registries
before = list(sys.meta_path)
lazy_registries.install()
print(sys.meta_path == before)
"""
    assert fresh(code).stdout.splitlines()[-1] == 'True'
