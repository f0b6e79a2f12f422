from __future__ import annotations

import pytest

REFUSES = """
import mmcv
import mmdet
seen = mmcv.__version__
assert tuple(map(int, seen.split('.'))) < {limit}, 'MMCV is used but incompatible'
"""

IMPORT = """
from mmlens.compat import mmcv_version
mmcv_version.install()
mmcv_version.install()
import {package}
import mmcv
print({package}.seen, mmcv.__version__)
"""


@pytest.fixture
def packages(tmp_path):
    """A folder with a small mmcv, mmdet and mmyolo, the last with the given source."""

    def write(mmcv, mmyolo, mmdet='import mmcv\nseen = mmcv.__version__'):
        sources = {'mmcv': f'__version__ = {mmcv!r}', 'mmdet': mmdet, 'mmyolo': mmyolo}
        for name, source in sources.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / '__init__.py').write_text(source)
        return tmp_path

    return write


def test_mmyolo_is_shown_a_version_it_takes_and_the_true_one_comes_back(fresh, packages):
    done = fresh(IMPORT.format(package='mmyolo'), packages('2.3.6', REFUSES.format(limit=(2, 1))))
    assert done.stdout.split() == ['2.0.1', '2.3.6'], done.stderr


def test_what_mmyolo_builds_on_sees_the_truth(fresh, packages):
    code = IMPORT.format(package='mmyolo') + 'import mmdet; print(mmdet.seen)'
    done = fresh(code, packages('2.1.0', REFUSES.format(limit=(2, 1))))
    assert done.stdout.split() == ['2.0.1', '2.1.0', '2.1.0'], done.stderr


def test_mmdet_is_shown_a_version_it_takes(fresh, packages):
    folder = packages('2.2.0', '', REFUSES.format(limit=(2, 2)).replace('import mmdet', ''))
    done = fresh(IMPORT.format(package='mmdet'), folder)
    assert done.stdout.split() == ['2.1.0', '2.2.0'], done.stderr


def test_mmseg_is_shown_a_version_it_takes_and_needs_no_mmdet(fresh, packages):
    folder = packages('2.3.6', '', 'raise AssertionError("mmseg does not import mmdet")')
    (folder / 'mmseg').mkdir()
    (folder / 'mmseg' / '__init__.py').write_text(REFUSES.format(limit=(2, 2)).replace('import mmdet', ''))
    done = fresh(IMPORT.format(package='mmseg'), folder)
    assert done.stdout.split() == ['2.1.0', '2.3.6'], done.stderr


@pytest.mark.parametrize('true', ['2.0.0', '2.0.0rc4', '1.7.2', '3.0.0'])
def test_versions_it_takes_or_that_cannot_work_are_shown_as_they_are(fresh, packages, true):
    done = fresh(IMPORT.format(package='mmyolo'), packages(true, 'import mmcv\nseen = mmcv.__version__'))
    assert done.stdout.split() == [true, true], done.stderr


def test_the_true_version_comes_back_after_an_error(fresh, packages):
    code = """
from mmlens.compat import mmcv_version
mmcv_version.install()
import mmcv
try:
    import mmyolo
except ValueError as error:
    print(error, mmcv.__version__)
"""
    done = fresh(code, packages('2.3.6', 'import mmcv\nraise ValueError(mmcv.__version__)'))
    assert done.stdout.split() == ['2.0.1', '2.3.6'], done.stderr


def test_a_package_that_is_not_there_is_missing_as_usual(fresh, tmp_path):
    code = """
from mmlens.compat import mmcv_version
mmcv_version.install()
try:
    import mmyolo
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert fresh(code, tmp_path, bare=True).stdout.strip() == 'mmyolo'


def test_the_registry_imports_the_real_mmyolo_by_itself(fresh):
    code = """
from mmlens import compat
compat.prepare()
import mmcv
true = mmcv.__version__
from mmengine.registry import MODELS
head = MODELS.get('mmyolo.YOLOv5Head')
import importlib.resources, inspect, mmyolo
print(head.__name__, mmcv.__version__ == true, 'mmcv_maximum_version' in inspect.getsource(mmyolo))
"""
    done = fresh(code)
    assert done.stdout.split()[-3:] == ['YOLOv5Head', 'True', 'True'], done.stderr
