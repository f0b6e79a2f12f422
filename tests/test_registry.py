"""mmlens among mmengine's registries: configs name what it has, and import nothing for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


NAMES = {
    'HOOKS': ['mmlens.BoxAMVisHook', 'mmlens.CAMVisHook', 'mmlens.FeatmapVisHook'],
    'METRICS': ['mmlens.MapMetric'],
    'VISUALIZERS': ['mmlens.BoxAMVisualizer'],
}


def test_a_config_s_names_are_found_by_mmengine_alone():
    """By each registry in a process forked for it, where nothing else has asked for a name."""
    code = f"""
import os, sys
from mmengine import registry
print('mmlens' in sys.modules, flush=True)
for kind, names in {NAMES}.items():
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        continue
    print(*(getattr(registry, kind).get(name).__module__.split('.')[0] for name in names), flush=True)
    os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], cwd=str(ROOT), stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.splitlines() == ['False', *(' '.join(['mmlens'] * len(names)) for names in NAMES.values())]


def test_without_the_scope_the_names_are_not_taken():
    from mmengine.registry import HOOKS

    import mmlens.engine  # noqa: F401  registers them

    assert HOOKS.get('mmlens.CAMVisHook') is not None
    assert HOOKS.get('CAMVisHook') is None
