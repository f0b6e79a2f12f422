"""What the package is built from, and the wheel that comes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def source(tmp_path_factory) -> Path:
    """A copy of the repository's files, so that nothing is built in the working tree."""
    folder = tmp_path_factory.mktemp('source')
    for name in ('setup.py', 'MANIFEST.in', 'pyproject.toml', 'LICENSE', 'README.md', 'model-index.yml'):
        shutil.copyfile(ROOT / name, folder / name)
    for name in ('mmlens', 'configs', 'demo', 'tools', 'dev', 'projects', 'tests'):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns('__pycache__', '.mim'))
    return folder


@pytest.fixture(scope='session')
def build_wheel(source):
    """Build a wheel of the source into a folder."""

    def build(out: Path) -> Path:
        command = ['pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '--wheel-dir', str(out), str(source)]
        subprocess.run([sys.executable, '-m', *command], check=True, env=dict(os.environ, PIP_NO_INDEX='1'))
        (wheel,) = out.glob('mmlens-*.whl')
        return wheel

    return build


@pytest.fixture(scope='session')
def wheel(build_wheel, tmp_path_factory) -> Path:
    return build_wheel(tmp_path_factory.mktemp('wheel'))
