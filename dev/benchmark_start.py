"""How long commands take from the first keystroke, and what they import: whole processes, beside plain mmdet.

Parts of benchmark.py. Every process runs once in each round, in turn; the processor's time counts, which other work on
the machine disturbs less than the clock.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

from tables import table

ROOT = Path(__file__).resolve().parents[1]
SHAPES = 'projects/shapes'
PICTURE = f'{SHAPES}/pictures/000020.jpg'
DETECTOR = [f'{SHAPES}/configs/shapes_rtmdet.py', f'{SHAPES}/checkpoints/shapes_rtmdet.pth']
CLASSIFIER = [f'{SHAPES}/configs/shapes_classifier.py', f'{SHAPES}/checkpoints/shapes_classifier.pth']

PLAIN = f"""
from mmlens import compat
compat.prepare()
from mmdet.apis import inference_detector, init_detector
inference_detector(init_detector({DETECTOR[0]!r}, {DETECTOR[1]!r}, device='cpu'), {PICTURE!r})
"""
EAGER = 'import sys; from mmlens.cli.main import main; sys.exit(main(sys.argv[1:]))'

FOLDER = '{folder}'
OUT = ['--device', 'cpu', '--out-dir', FOLDER]
BOXAM = ['boxam', PICTURE, *DETECTOR, *OUT]
COMMANDS: Dict[str, List[str]] = {
    'import torch, mmengine': ['-c', 'import torch, mmengine'],
    'plain mmdet': ['-c', PLAIN],
    'mmlens boxam': ['-m', 'mmlens', *BOXAM],
    'mmlens boxam, all of OpenMMLab imported': ['-c', EAGER, *BOXAM],
    'mmlens featmap': ['-m', 'mmlens', 'featmap', PICTURE, *DETECTOR, *OUT],
    'mmlens cam': ['-m', 'mmlens', 'cam', PICTURE, *CLASSIFIER, *OUT],
    'mmlens layers': ['-m', 'mmlens', 'layers', DETECTOR[0]],
    'mmlens lr': ['-m', 'mmlens', 'lr', DETECTOR[0], '--dataset-size', '600', '--save-path', f'{FOLDER}/lr.png'],
    'mmlens history': ['-m', 'mmlens', 'history', f'{SHAPES}/history', '--out-dir', FOLDER],
    'mmlens boxam, no such config': ['-m', 'mmlens', 'boxam', PICTURE, 'none.py', DETECTOR[1]],
    'mmlens boxam, no checkpoint named': ['-m', 'mmlens', 'boxam', PICTURE, DETECTOR[0]],
    'mmlens boxam --help': ['-m', 'mmlens', 'boxam', '--help'],
}
REFERENCE = 'plain mmdet'
QUICK = ('plain mmdet', 'mmlens boxam', 'mmlens boxam --help')
# Whose imports are listed, and which packages are looked for in them.
IMPORTING = ('plain mmdet', 'mmlens boxam', 'mmlens lr', 'mmlens history', 'mmlens boxam --help')
HEAVY = (
    *('torch', 'torch._dynamo', 'sympy', 'torchvision', 'torchvision.models', 'mmengine', 'mmcv', 'mmdet'),
    *('mmdet.models', 'mmdet.datasets', 'numpy', 'cv2', 'scipy', 'sklearn', 'numba', 'imgaug'),
    *('matplotlib', 'pandas', 'pycocotools'),
)


# ---------------------------------------------------------------- seconds


def run(words: Sequence[str], folder: str, *options: str) -> str:
    """Run a Python process; returns its errors. One that is wrong on purpose may end with status 2."""
    command = [sys.executable, '-W', 'ignore', *options, *(word.replace(FOLDER, folder) for word in words)]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, cwd=str(ROOT), env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 2) or 'Traceback' in done.stderr:
        raise RuntimeError(f'{" ".join(words)} failed: {done.stderr[-2000:]}')
    return done.stderr


def seconds_of(words: Sequence[str], folder: str) -> float:
    """The processor's seconds that a Python process takes."""
    before = os.times()
    run(words, folder)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def measured(names: Sequence[str], repeat: int) -> List[Dict[str, Any]]:
    """Run the commands in turn; a first round, which compiles modules, does not count."""
    seconds: Dict[str, List[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeat + 1):
            for name in names:
                taken = seconds_of(COMMANDS[name], folder)
                if turn:
                    seconds[name].append(round(taken, 3))
                print(f'start {turn}/{repeat} {name}: {taken:.2f} s', file=sys.stderr)
    return [dict(name=name, seconds=taken) for name, taken in seconds.items()]


def measure_start(options: argparse.Namespace) -> List[Dict[str, Any]]:
    """The part ``start``."""
    return measured(QUICK if options.quick else list(COMMANDS), 1 if options.quick else options.repeat)


def start_table(rows: Sequence[Dict[str, Any]]) -> str:
    """Medians, beside plain mmdet's."""
    medians = {row['name']: statistics.median(row['seconds']) for row in rows}
    reference = medians.get(REFERENCE)
    columns = {
        'command': str,
        'seconds': lambda name: f'{medians[name]:.2f}',
        'times plain mmdet': lambda name: f'{medians[name] / reference:.2f}' if reference else '-',
    }
    return table(list(medians), columns)


# ---------------------------------------------------------------- imports


class Import(NamedTuple):
    """A module that was imported: its name, those that asked for it, nearest first, and its own seconds."""

    name: str
    asked_by: List[str]
    seconds: float


def imports_in(told: str) -> Iterator[Import]:
    """What ``-X importtime`` told: a line a module, after those of the modules that it imported first."""
    parents: List[str] = []
    for line in reversed(told.splitlines()):
        match = re.match(r'import time:\s+(\d+) \|\s+\d+ \| ( *)(\S+)', line)
        if match:
            depth = len(match[2]) // 2
            del parents[depth:]
            yield Import(match[3], parents[::-1], int(match[1]) / 1e6)
            parents += [match[3]] * (depth + 1 - len(parents))


def imports_of(name: str) -> Dict[str, Any]:
    """What a command imports: how many modules, and of each heavy package how many, in what time, for whom."""
    with tempfile.TemporaryDirectory() as folder:
        found = list(imports_in(run(COMMANDS[name], folder, '-X', 'importtime')))
    packages = {}
    for package in HEAVY:
        own = [each for each in found if _within(each.name, package)]
        if own:
            first = next((each.asked_by for each in own if each.name == package), [])
            asked_by = next((name for name in first if not _within(name, package)), '')
            seconds = round(sum(each.seconds for each in own), 3)
            packages[package] = dict(modules=len(own), seconds=seconds, asked_by=asked_by)
    return dict(name=name, modules=len(found), seconds=round(sum(each.seconds for each in found), 3), packages=packages)


def measure_imports(options: argparse.Namespace) -> List[Dict[str, Any]]:
    """The part ``imports``."""
    return [imports_of(name) for name in (QUICK if options.quick else IMPORTING)]


def import_table(rows: Sequence[Dict[str, Any]]) -> str:
    """Modules of each package that each command imports, with who asks for it in plain mmdet and here."""

    def cell(row: Dict[str, Any], package: str) -> str:
        found = row['packages'].get(package)
        return f'{found["modules"]} ({found["seconds"]:.2f} s)' if found else '-'

    def asking(package: str) -> str:
        who = [row['packages'].get(package, {}).get('asked_by') for row in rows]
        return ', '.join(f'`{name}`' for name in dict.fromkeys(filter(None, who)))

    columns: Dict[str, Any] = {'package': lambda name: f'`{name}`' if name in HEAVY else name}
    for row in rows:
        columns[row['name']] = lambda name, row=row: (
            cell(row, name) if name in HEAVY else f'{row["modules"]} ({row["seconds"]:.2f} s)'
        )
    columns['imported by'] = lambda name: asking(name) if name in HEAVY else ''
    return table(['all modules', *(name for name in HEAVY if any(name in row['packages'] for row in rows))], columns)


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f'{package}.')
