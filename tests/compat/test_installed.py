"""What is told of an environment, laid out for real in a folder, in a process that sees no other packages."""

from __future__ import annotations

import pytest

from mmlens.compat import installed

IMPORTED = 'raise RuntimeError("imported")'


def test_packages_are_told_with_what_brought_them(fresh, tmp_path, lay_out):
    site = lay_out(
        tmp_path, {'mmcv': IMPORTED}, ['onedl-mmcv==2.3.6', 'mmdet==3.3.0', 'onedl-mmdetection==3.5.1', 'av==12.0']
    )
    code = (
        'from mmlens.compat import installed\nfound = installed.distributions()\n'
        'print(found["mmcv"], found["mmdet"], found["torch"], installed.optional(), [installed.compiled_ops()])'
    )
    told = fresh(code, site, bare=True).stdout.strip()
    assert told == "['onedl-mmcv 2.3.6'] ['onedl-mmdetection 3.5.1', 'mmdet 3.3.0'] [] ['av 12.0'] ['']"


def test_compiled_ops_are_found_without_importing_mmcv(fresh, tmp_path, lay_out):
    site = lay_out(tmp_path, {'mmcv': IMPORTED})
    (site / 'mmcv' / '_ext.cpython-311-x86_64-linux-gnu.so').write_bytes(b'')
    done = fresh('from mmlens.compat import installed\nprint(installed.compiled_ops())', site, bare=True)
    assert done.stdout.strip() == '_ext.cpython-311-x86_64-linux-gnu.so'
    assert fresh('from mmlens.compat import installed\nprint(installed.compiled_ops())', bare=True).stdout == 'None\n'


def test_a_family_that_cannot_be_used_has_a_cure(fresh):
    code = 'from mmlens.compat import installed\nprint(installed.why_not("classifiers"))'
    assert 'pip install torch' in fresh(code, bare=True).stdout


@pytest.mark.parametrize('family', ['detectors of mmdet', 'detectors of mmyolo', 'classifiers', 'segmentors'])
def test_what_is_installed_here_works(family):
    assert installed.why_not(family) == ''


def test_the_stand_in_s_ops_are_told_by_their_names():
    ops = installed.stand_in_ops()
    assert {'nms', 'roi_align', 'deform_conv'} <= set(ops) and not any(name.endswith('forward') for name in ops)
