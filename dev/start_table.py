"""Measures how long commands take from the first keystroke: whole processes, beside what a user would run instead.

python dev/start_table.py [--repeat 5] [--output docs/start.md]

Every process runs once in each round, in turn; medians of the processor's time are reported, which other work on the
machine disturbs less than the clock, and their ratios to plain mmdet's (``init_detector`` and ``inference_detector`` on
the same picture). Ratios are of one run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from tables import made_with, page, stack

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
BOXAM = ['boxam', PICTURE, *DETECTOR, '--out-dir', FOLDER]
COMMANDS: Dict[str, List[str]] = {
    'import torch, mmengine': ['-c', 'import torch, mmengine'],
    'plain mmdet': ['-c', PLAIN],
    'mmlens boxam': ['-m', 'mmlens', *BOXAM],
    'mmlens boxam, all of OpenMMLab imported': ['-c', EAGER, *BOXAM],
    'mmlens featmap': ['-m', 'mmlens', 'featmap', PICTURE, *DETECTOR, '--out-dir', FOLDER],
    'mmlens cam': ['-m', 'mmlens', 'cam', PICTURE, *CLASSIFIER, '--out-dir', FOLDER],
    'mmlens layers': ['-m', 'mmlens', 'layers', DETECTOR[0]],
    'mmlens lr': ['-m', 'mmlens', 'lr', DETECTOR[0], '--dataset-size', '600', '--save-path', f'{FOLDER}/lr.png'],
    'mmlens boxam, no such config': ['-m', 'mmlens', 'boxam', PICTURE, 'none.py', DETECTOR[1]],
    'mmlens boxam, no checkpoint named': ['-m', 'mmlens', 'boxam', PICTURE, DETECTOR[0]],
    'mmlens boxam --help': ['-m', 'mmlens', 'boxam', '--help'],
}
REFERENCE = 'plain mmdet'

PAGE = """# How fast commands start

Of a command on one picture, nearly all of the time goes into imports: `import mmdet.models` imports every model there
is, and with them scikit-learn, scipy, matplotlib and more. The commands of mmlens import the modules that the config
names. The libraries are the same, and so are the results: a test compares every name in OpenMMLab's registries. In
programs that `import mmlens`, OpenMMLab is imported as always.

Whole processes, in turn, {repeat} rounds, one thread: medians of the processor's seconds, and their ratio to plain
mmdet's, which loads the same detector and runs it on the same picture. {made_with}.

{table}

Made by `python dev/start_table.py --output FILE`.
"""


@dataclass
class Row:
    """A command and how long it took.

    Attributes:
        name: How the table calls it.
        seconds: Of the processor, of each run.
    """

    name: str
    seconds: List[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of its seconds."""
        return statistics.median(self.seconds)


def seconds_of(words: Sequence[str], folder: str) -> float:
    """The processor's seconds that a Python process takes; one that is wrong on purpose may end with status 2."""
    before = os.times()
    command = [sys.executable, '-W', 'ignore', *(word.replace(FOLDER, folder) for word in words)]
    done = subprocess.run(
        command, cwd=str(ROOT), env={**os.environ, 'OMP_NUM_THREADS': '1'}, capture_output=True, text=True
    )
    if done.returncode not in (0, 2) or 'Traceback' in done.stderr:
        raise RuntimeError(f'{" ".join(words)} failed: {done.stderr}')
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def measured(names: Sequence[str], repeat: int) -> List[Row]:
    """Run the commands in turn; a first round, which compiles modules, does not count."""
    rows = [Row(name) for name in names]
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeat + 1):
            for row in rows:
                taken = seconds_of(COMMANDS[row.name], folder)
                if turn:
                    row.seconds.append(taken)
                print(f'{turn}/{repeat} {row.name}: {taken:.2f} s', file=sys.stderr)
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """The table."""
    reference: Optional[float] = next((row.median for row in rows if row.name == REFERENCE), None)
    lines = ['| command | seconds | times plain mmdet |', '| --- | --- | --- |']
    for row in rows:
        ratio = '-' if reference is None else f'{row.median / reference:.2f}'
        lines.append(f'| {row.name} | {row.median:.2f} | {ratio} |')
    return '\n'.join(lines)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description='Measure how fast commands start.')
    parser.add_argument('--repeat', type=int, default=5, help='rounds; default %(default)s')
    parser.add_argument('--commands', nargs='+', choices=list(COMMANDS), default=list(COMMANDS), metavar='NAME')
    parser.add_argument('--output', type=page, help='markdown file to write')
    options = parser.parse_args(arguments)
    rows = measured(options.commands, options.repeat)
    print(markdown(rows))
    if options.output:
        versions, ops = stack()
        text = PAGE.format(made_with=made_with('the CPU', versions, ops), repeat=options.repeat, table=markdown(rows))
        options.output.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
