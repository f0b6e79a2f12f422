"""What stays light: what an import loads, and how long help takes."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Set

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'mmlens'
OPENMMLAB = {'mmengine', 'mmcv', 'mmdet', 'mmyolo', 'mmpretrain'}


def loaded_after(code: str) -> Set[str]:
    """Names of the modules that a fresh interpreter holds after running some code."""
    script = f'import sys\n{code}\nprint(*sys.modules, sep="\\n")'
    done = subprocess.run([sys.executable, '-c', script], cwd=str(ROOT), stdout=subprocess.PIPE, text=True, check=True)
    return set(done.stdout.split())


def all_modules_of(room: str) -> str:
    """Code that imports every module of a room."""
    names = ['.'.join(path.relative_to(ROOT).with_suffix('').parts) for path in sorted((PACKAGE / room).rglob('*.py'))]
    return '\n'.join(f'import {name.replace(".__init__", "")}' for name in names)


def test_import_mmlens_costs_no_heavy_package():
    loaded = loaded_after('import mmlens')
    assert 'mmlens' in loaded
    assert not loaded & (OPENMMLAB | {'torch', 'numpy', 'cv2', 'matplotlib', 'pytorch_grad_cam', 'rich'})


def test_the_command_line_starts_light():
    loaded = loaded_after('import mmlens.cli.main')
    assert not loaded & (OPENMMLAB | {'torch', 'cv2', 'matplotlib', 'pytorch_grad_cam'})


def test_results_need_numpy_alone():
    loaded = loaded_after(all_modules_of('results'))
    assert 'numpy' in loaded
    assert not loaded & (OPENMMLAB | {'torch', 'cv2', 'matplotlib', 'pytorch_grad_cam', 'mmlens.rendering'})


def test_a_report_of_saved_results_needs_no_network():
    loaded = loaded_after(all_modules_of('report'))
    assert 'cv2' in loaded
    assert not loaded & (OPENMMLAB | {'torch', 'matplotlib', 'pytorch_grad_cam', 'scipy', 'jinja2'})


def test_metrics_need_no_network():
    loaded = loaded_after(all_modules_of('metrics'))
    assert 'cv2' in loaded
    assert not loaded & (OPENMMLAB | {'torch', 'matplotlib', 'pytorch_grad_cam', 'scipy'})


def test_attribution_runs_without_openmmlab():
    loaded = loaded_after(all_modules_of('attribution'))
    assert 'torch' in loaded
    assert not loaded & OPENMMLAB


def test_rendering_never_sees_a_model():
    loaded = loaded_after(all_modules_of('rendering'))
    assert not loaded & (OPENMMLAB - {'mmengine'} | {'pytorch_grad_cam', 'mmlens.models', 'mmlens.attribution'})


def test_compat_knows_no_other_room():
    loaded = {name for name in loaded_after(all_modules_of('compat')) if name.startswith('mmlens')}
    assert {name for name in loaded if not name.startswith('mmlens.compat')} <= {'mmlens', 'mmlens.version'}


def work_of(*words):
    """What a Python process prints, and how long it works: the machine may be busy with something else."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *words], cwd=str(ROOT), stdout=subprocess.PIPE, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def test_help_is_a_few_times_the_work_of_an_empty_program():
    """4.5 times on Python 3.11: half a second would be 14 times, torch alone 60."""
    ratios = []
    for _ in range(3):
        told, work = work_of('-m', 'mmlens', '--help')
        assert {'featmap', 'boxam', 'layers'} <= set(re.findall(r'\w+', told))
        ratios.append(work / work_of('-c', 'pass')[1])
    assert min(ratios) < 12
