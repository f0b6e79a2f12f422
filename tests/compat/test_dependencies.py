"""Each kind of broken installation, laid out for real in a folder, in a process that sees no other packages."""

from __future__ import annotations

import pytest

from mmlens import compat

REQUIRE = """
from mmlens.compat import DependencyError, require
try:
    require({names})
except DependencyError as error:
    print(error)
else:
    print('fine')
"""


@pytest.fixture
def outcome(fresh, tmp_path, lay_out):
    """What require() says of packages {name: source} and distributions ['name==version'] in one folder."""

    def run(names, packages=None, distributions=(), folder='site'):
        site = lay_out(tmp_path / folder, packages or {}, distributions)
        done = fresh(REQUIRE.format(names=', '.join(map(repr, names.split()))), site, bare=True)
        assert not done.stderr
        assert '\n' not in done.stdout.strip()
        return done.stdout.strip()

    return run


def test_a_good_package_is_fine(outcome):
    assert outcome('mmdet', {'mmdet': ''}, ['mmdet==3.3.0']) == 'fine'


@pytest.mark.parametrize(
    ('name', 'there', 'command'),
    [
        ('mmdet', [], 'onedl-mmdetection'),
        ('mmdet', ['onedl-mmcv==2.3.6'], 'onedl-mmdetection'),
        ('mmdet', ['mmcv-lite==2.0.1'], 'mmdet'),
        ('mmdet', ['mmyolo==0.6.0'], 'onedl-mmdetection'),
        ('mmcv', ['mmengine==0.10.7'], '"mmcv-lite<2.2"'),
        ('mmyolo', ['mmdet==3.3.0'], 'mmyolo'),
        ('mmyolo', ['onedl-mmdetection==3.5.1'], 'mmyolo'),
        ('mmpretrain', ['mmdet==3.3.0'], 'mmpretrain'),
        ('mmpretrain', ['onedl-mmdetection==3.5.1'], 'onedl-mmpretrain'),
        ('mmseg', ['mmdet==3.3.0'], 'mmsegmentation ftfy regex'),
    ],
)
def test_the_cure_for_a_missing_package_is_the_one_of_the_family_in_use(outcome, name, there, command):
    assert outcome(name, {}, there) == f'{name} is not installed; run `pip install {command}`.'


def test_prepare_on_an_empty_machine_starts_with_torch(fresh):
    done = fresh('from mmlens import compat\ncompat.prepare()', bare=True)
    assert done.stderr.strip().endswith('DependencyError: torch is not installed; run `pip install torch torchvision`.')


def test_a_missing_grad_cam_has_its_own_name(outcome):
    assert outcome('pytorch_grad_cam') == 'pytorch_grad_cam is not installed; run `pip install grad-cam`.'


@pytest.mark.parametrize(
    ('name', 'there', 'command'),
    [
        ('mmseg', ['onedl-mmcv==2.3.6'], 'pip install onedl-mmsegmentation'),
        (
            'mmseg',
            ['mmsegmentation==1.2.2'],
            'pip install --force-reinstall --no-deps --no-cache-dir mmsegmentation==1.2.2',
        ),
        ('mmpose', ['onedl-mmcv==2.3.6'], 'pip install mmpose'),
        ('mmaction', [], 'pip install mmaction2'),
        ('mmrotate', ['onedl-mmcv==2.3.6'], 'pip install onedl-mmrotate'),
        ('mmrotate', ['mmcv==2.1.0'], 'pip install "mmrotate>=1.0.0rc1"'),
        ('mmcls', [], 'pip install mmcls'),
    ],
)
def test_any_missing_package_of_openmmlab_names_what_brings_it(name, there, command, outcome):
    sentence = outcome(name, {}, there)
    assert sentence.startswith(name) and f'`{command}`' in sentence


def test_two_families_of_mmsegmentation_over_each_other(outcome):
    sentence = outcome('mmseg', {'mmseg': ''}, ['onedl-mmsegmentation==1.4.2', 'mmsegmentation==1.2.2'])
    assert '`pip uninstall -y onedl-mmsegmentation mmsegmentation`' in sentence


@pytest.mark.parametrize(
    ('error', 'sentence'),
    [
        (
            ModuleNotFoundError("No module named 'cv2.ximgproc'", name='cv2.ximgproc'),
            'cv2 is not installed; run `pip install opencv',
        ),
        (
            ModuleNotFoundError('mmaction2 is not installed, please install it'),
            'mmaction is not installed; run `pip install mmaction2`.',
        ),
        (ModuleNotFoundError('lap is not installed'), 'lap is not installed; run `pip install lap`.'),
        (ModuleNotFoundError(), 'a package is not installed'),
    ],
)
def test_a_module_that_is_missing_is_named_by_what_brings_it(error, sentence):
    assert compat.name_missing(error).startswith(sentence)


def test_a_scope_that_is_no_package_is_left_to_the_config():
    compat.prepare('my_own_scope')


def test_a_package_that_a_package_needs_is_named(outcome):
    sentence = outcome('mmdet', {'mmdet': 'import pycocotools.mask'}, ['mmdet==3.3.0'])
    assert sentence == 'mmdet needs pycocotools, which is not installed; run `pip install pycocotools`.'


@pytest.mark.parametrize('packages', [{}, {'mmcv.ops': ''}])
def test_a_package_whose_files_are_gone(outcome, packages):
    sentence = outcome('mmcv', packages, ['onedl-mmcv==2.3.6'])
    assert 'mmcv is half-installed' in sentence
    assert '`pip install --force-reinstall --no-deps --no-cache-dir onedl-mmcv==2.3.6`' in sentence


def test_two_families_over_each_other(outcome):
    sentence = outcome('mmcv', {'mmcv': ''}, ['onedl-mmcv==2.3.6', 'mmcv-lite==2.0.1'])
    assert sentence.startswith('onedl-mmcv and mmcv-lite are installed over each other')
    assert '`pip uninstall -y onedl-mmcv mmcv-lite`' in sentence


def test_two_families_in_two_folders_do_not_mix(fresh, tmp_path, lay_out):
    first = lay_out(tmp_path / 'a', {'mmcv': ''}, ['onedl-mmcv==2.3.6'])
    second = lay_out(tmp_path / 'b', {'mmcv': ''}, ['mmcv==2.1.0'])
    assert fresh(REQUIRE.format(names="'mmcv'"), first, second, bare=True).stdout.strip() == 'fine'


def test_ops_compiled_against_another_torch(outcome):
    packages = {'mmcv': '', 'mmcv._ext': 'raise ImportError("mmcv/_ext.so: undefined symbol: _ZN3c105ErrorC1E")'}
    sentence = outcome('mmcv', packages, ['onedl-mmcv==2.3.6', 'torch==2.12.1'])
    assert "mmcv's compiled ops do not fit torch 2.12.1" in sentence
    assert 'undefined symbol' in sentence
    assert '--no-cache-dir onedl-mmcv==2.3.6' in sentence


def test_torchvision_for_another_torch(outcome):
    packages = {'torchvision': 'raise RuntimeError("operator torchvision::nms does not exist")'}
    sentence = outcome('torchvision', packages, ['torch==2.13.0', 'torchvision==0.27.1'])
    assert sentence.startswith('torchvision 0.27.1 does not match torch 2.13.0')


def test_opencv_without_a_desktop(outcome):
    error = 'libGL.so.1: cannot open shared object file: No such file or directory'
    sentence = outcome('mmcv', {'mmcv': 'import cv2', 'cv2': f'raise ImportError({error!r})'}, ['mmcv==2.1.0'])
    assert 'opencv-python-headless' in sentence


def test_a_torch_for_an_older_numpy(outcome):
    torch = """
__version__ = '2.1.2'
def from_numpy(array):
    raise RuntimeError('Numpy is not available')
"""
    numpy = '__version__ = "2.2.6"\ndef zeros(n):\n    return [0] * n'
    sentence = outcome('torch', {'torch': torch, 'numpy': numpy})
    assert sentence == 'torch 2.1.2 was compiled for numpy 1 and cannot use numpy 2.2.6; run `pip install "numpy<2"`.'


def test_an_mmengine_without_pkg_resources(outcome):
    utils = 'def is_installed(name):\n    import pkg_resources'
    sentence = outcome('mmengine', {'mmengine': '', 'mmengine.utils': utils}, ['mmengine==0.10.7'])
    assert sentence.startswith('mmengine 0.10.7 needs pkg_resources')
    assert '"setuptools<81"' in sentence


def test_any_other_failure_keeps_its_reason(outcome):
    packages = {'mmdet': 'assert False, "MMEngine==1.0 is used but incompatible"'}
    sentence = outcome('mmdet', packages, ['mmdet==3.3.0'])
    assert 'mmdet cannot be imported (AssertionError: MMEngine==1.0 is used but incompatible)' in sentence


def test_versions_are_read_without_importing(fresh):
    import mmcv
    import torch

    done = fresh("""
import sys
from mmlens import compat
versions = compat.versions()
print(versions['torch'], versions['mmcv'], 'torch' in sys.modules)
""")
    assert done.stdout.split() == [torch.__version__.split('+')[0], mmcv.__version__, 'False'], done.stderr
    assert compat.versions().keys() >= {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'numpy'}
