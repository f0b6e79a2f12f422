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

NOWHERE = """
print(MODELS.get('NoSuchThing'), 'FasterRCNN' in MODELS.module_dict)
"""


def test_every_name_is_what_it_is_after_importing_everything(fresh, tmp_path):
    everything = fresh(SETUP.format(lazy=False) + EVERYTHING)
    expected = json.loads(everything.stdout.splitlines()[-1])
    assert sum(len(names) for _, _, names in expected) > 1000
    (tmp_path / 'expected.json').write_text(json.dumps(expected))
    looked_up = fresh(SETUP.format(lazy=True) + ONE_BY_ONE.format(file=str(tmp_path / 'expected.json')))
    assert looked_up.stdout, looked_up.stderr
    assert json.loads(looked_up.stdout.splitlines()[-1]) == []


PACKAGES = ['mmdet', 'mmyolo', 'mmpretrain', 'mmseg']


def test_registries_of_a_package_are_found_from_mmengines_and_a_detector_is_built_of_a_few_modules(fresh):
    """The former as mmengine does for a config's default_scope."""
    code = f"""
from mmengine.registry import MODELS
for package in {PACKAGES}:
    importlib.import_module(package + '.registry')
    print(MODELS._search_child(package).scope)
from mmdet.registry import MODELS
for name in ('RTMDet', 'CSPNeXt', 'mmdet.CSPNeXtPAFPN', 'SiLU', 'DetDataPreprocessor'):
    assert MODELS.get(name) is not None, name
loaded = set(sys.modules)
print(sum(name.startswith('mmdet.models') for name in loaded))
print(sorted(loaded & {{'sklearn', 'scipy', 'imgaug', 'numba', 'torchvision.models.resnet'}}))
"""
    done = fresh(SETUP.format(lazy=True) + code + NOWHERE)
    *packages, modules, heavy, nowhere = done.stdout.splitlines()[-7:]
    assert packages == PACKAGES and int(modules) < 40 and heavy == '[]', done.stderr
    assert nowhere == 'None True', 'what is nowhere is looked for everywhere, and not found'


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


def test_programs_that_have_mmengine_are_left_alone(fresh):
    code = """
import sys, mmengine.registry
from mmlens.compat import lazy_registries
before = list(sys.meta_path)
lazy_registries.install()
print(sys.meta_path == before)
"""
    assert fresh(code).stdout.splitlines()[-1] == 'True'
