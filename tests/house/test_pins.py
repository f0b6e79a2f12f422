"""What the requirement files pin, and that the extras agree."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path
from typing import Dict, List

import pytest

ROOT = Path(__file__).resolve().parents[2]


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
    assert {need.name for need in needs_of(wheel)} == {'jinja2', 'numpy', 'Pillow', 'rich'}


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
