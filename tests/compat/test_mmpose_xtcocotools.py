from __future__ import annotations

import pytest

IMPORT = """
from mmlens.compat import mmpose_xtcocotools
mmpose_xtcocotools.install()
mmpose_xtcocotools.install()
import mmpose
print(mmpose.seen)
"""
MMPOSE = """
import xtcocotools
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval
from xtcocotools import mask
seen = COCO.__module__
"""


def packages(folder, **sources):
    for name, source in sources.items():
        (folder / name).mkdir()
        (folder / name / '__init__.py').write_text(source)
    return folder


@pytest.mark.parametrize('broken', [{}, dict(xtcocotools='raise ValueError("numpy.dtype size changed")')])
def test_mmpose_is_given_pycocotools_where_the_fork_cannot_be_imported(broken, fresh, tmp_path):
    done = fresh(IMPORT, packages(tmp_path, mmpose=MMPOSE, **broken))
    assert done.stdout.strip() == 'pycocotools.coco', done.stderr


def test_a_fork_that_works_is_left_alone(fresh, tmp_path):
    folder = packages(tmp_path, mmpose=MMPOSE, xtcocotools='')
    for part, source in dict(mask='', coco='class COCO: pass', cocoeval='class COCOeval: pass').items():
        (folder / 'xtcocotools' / f'{part}.py').write_text(source)
    assert fresh(IMPORT, folder).stdout.strip() == 'xtcocotools.coco'
