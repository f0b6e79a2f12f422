"""mmlens among mmengine's registries: configs name what it has, and import nothing for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ('registry', 'names'),
    [
        ('HOOKS', ['mmlens.BoxAMVisHook', 'mmlens.CAMVisHook', 'mmlens.FeatmapVisHook']),
        ('METRICS', ['mmlens.MapMetric']),
        ('VISUALIZERS', ['mmlens.BoxAMVisualizer']),
    ],
)
def test_a_config_s_name_is_found_by_mmengine_alone(registry, names):
    code = f"""
from mmengine.registry import {registry} as registry
import sys
print('mmlens' in sys.modules)
for name in {names}:
    print(registry.get(name).__module__.split('.')[0])
"""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], cwd=str(ROOT), stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.split() == ['False', *['mmlens'] * len(names)]


def test_without_the_scope_the_names_are_not_taken():
    from mmengine.registry import HOOKS

    import mmlens.engine  # noqa: F401  registers them

    assert HOOKS.get('mmlens.CAMVisHook') is not None
    assert HOOKS.get('CAMVisHook') is None
