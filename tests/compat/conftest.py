from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='session')
def ops():
    """mmcv.ops over the stand-in; the tests that need it are left out where mmcv has compiled ops."""
    from mmlens import compat

    compat.prepare()
    import mmcv.ops

    if not compat.mmcv_ops.in_use():
        pytest.skip('this mmcv has compiled ops')
    return mmcv.ops


@pytest.fixture
def fresh():
    """Run Python code in a fresh process; returns it.

    Folders come before the installed packages; with ``bare=True`` there are no installed packages at all.
    """

    def run(code, *folders, bare=False, **environment):
        path = os.pathsep.join([*map(str, folders), str(ROOT)])
        return subprocess.run(
            [sys.executable, '-W', 'ignore', *(['-S'] if bare else []), '-c', code],
            env={**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1', **environment},
            capture_output=True,
            text=True,
            timeout=280,
        )

    return run


@pytest.fixture
def lay_out():
    """Lays packages {name: source} and distributions ['name==version'] out in a folder, and returns it."""

    def laid_out(site, packages, distributions=()):
        for name, source in packages.items():
            file = site.joinpath(*name.split('.'), '__init__.py')
            file.parent.mkdir(parents=True)
            file.write_text(source)
        for distribution in distributions:
            name, version = distribution.split('==')
            info = site / f'{name.replace("-", "_")}-{version}.dist-info'
            info.mkdir(parents=True)
            (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
        return site

    return laid_out
