"""Tries one box map on each of many detectors of mmdet and mmyolo and writes down what works.

python tools/support_table.py [--filter TEXT] [--output docs/support.md] [--jobs 1]

The weights are random and seeded, so nothing is downloaded. Each config runs in a process of its own
(support_probe.py), so that no crash ends the table.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from support_probe import BOXES, MOST, SIDE, TOLERANCE, Entry, Row

HERE = Path(__file__).resolve().parent
STACK = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'mmyolo')


def entries(containing: str = '') -> List[Entry]:
    """The configs whose detector or name contains a text, in any case."""
    found = [Entry(**entry) for entry in json.loads((HERE / 'support_configs.json').read_text(encoding='utf-8'))]
    return [entry for entry in found if containing.lower() in f'{entry.detector} {entry.config}'.lower()]


def try_in_own_process(entry: Entry, timeout: float) -> Row:
    """Probe a config in a new interpreter; a crash or a process that hangs becomes the row's remark."""
    found, remark = ask_own_process('support_probe.py', asdict(entry), timeout)
    return Row(**found) if found else Row(entry.detector, entry.config, box_map=False, remark=remark)


def ask_own_process(script: str, question: Dict[str, Any], timeout: float) -> Tuple[Dict[str, Any], str]:
    """Run a script of this folder in a new interpreter.

    Returns:
        What its last line holds, and nothing; or nothing, and why it ended without a result.
    """
    command = [sys.executable, '-W', 'ignore', str(HERE / script), json.dumps(question)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {}, f'No result within {timeout:g} s.'
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        return json.loads(lines[-1]), ''
    last = (done.stderr.strip().splitlines() or ['no message'])[-1]
    return {}, f'The process ended with status {done.returncode}: {last}'


def tick(value: Optional[bool]) -> str:
    """How a cell says yes, no, or not known."""
    return {True: 'yes', False: '**no**', None: '-'}[value]


COLUMNS: Dict[str, Callable[[Row], str]] = {
    'Detector': lambda row: row.detector,
    'Config': lambda row: f'`{row.config}`',
    'Layer': lambda row: row.layer or '-',
    'Gradient': lambda row: tick(row.gradient),
    'Box map': lambda row: tick(row.box_map),
    'Same boxes': lambda row: tick(row.same),
    'Unchanged': lambda row: tick(row.unchanged),
    'Seconds': lambda row: '-' if row.seconds is None else f'{row.seconds:.1f}',
    'Remark': lambda row: row.remark.replace('|', '\\|').replace('<', '&lt;'),
}

PAGE = """# Which detectors work

**{works} of {all}** configs do all that is asked for, with Python {python}, {stack}, on the CPU{ops}.

Each config got seeded random weights, its batch norms the statistics of the picture: a synthetic one, scaled to {side}
pixels. Thresholds were set to 0 and candidates cut to {most}. The best {boxes} boxes were explained with the default
method at the default layer.

* **Gradient**: the gradient of each box's score at the layer is finite and not zero.
* **Box map**: each box's map is finite and not blank.
* **Same boxes**: boxes, scores and labels are those of mmdet's `inference_detector` (tolerance {tolerance:g}).
* **Unchanged**: hooks, training flags, `requires_grad`, `.grad`, random states, and bit by bit all parameters and
  buffers are afterwards what they were before.
* **Seconds**: one call of `explain_boxes`, on a machine that had other work to do.

{table}

Made by `python tools/support_table.py --output FILE`; `--filter TEXT` tries some of them.
"""


def markdown(rows: Sequence[Row], versions: Dict[str, str], ops: str) -> str:
    """The page: what was tried, on which versions, and the table."""
    lines = [list(COLUMNS), ['---'] * len(COLUMNS), *([cell(row) for cell in COLUMNS.values()] for row in rows)]
    return PAGE.format(
        works=sum(row.works for row in rows),
        all=len(rows),
        python=platform.python_version(),
        stack=', '.join(f'{name} {versions[name]}' for name in STACK if name in versions),
        ops=ops,
        side=SIDE,
        most=MOST['nms_pre'],
        boxes=BOXES,
        tolerance=TOLERANCE,
        table='\n'.join(f'| {" | ".join(line)} |' for line in lines),
    )


def stack() -> Tuple[Dict[str, str], str]:
    """The versions of what is installed, and whether mmcv's ops are compiled."""
    from mmlens import compat
    from mmlens.compat import mmcv_ops

    compat.prepare()
    import mmcv.ops  # noqa: F401

    return compat.versions(), ", mmcv's ops served by mmlens's stand-in" if mmcv_ops.in_use() else ''


def show(rows: Sequence[Row]) -> None:
    """Print the table, without the configs' long names."""
    from rich.console import Console
    from rich.table import Table

    shown = [name for name in COLUMNS if name != 'Config']
    table = Table(*shown)
    for row in rows:
        table.add_row(*(COLUMNS[name](row).replace('*', '') for name in shown))
    Console().print(table)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Try the configs, print the table, write it if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--filter', default='', metavar='TEXT', help='only detectors or configs whose name contains it')
    parser.add_argument('--output', type=Path, help='markdown file to write')
    parser.add_argument('--jobs', type=int, default=1, help='configs tried at the same time')
    parser.add_argument('--timeout', type=float, default=300, help='seconds a config may take')
    options = parser.parse_args(arguments)
    chosen = entries(options.filter)
    if not chosen:
        parser.error(f"no detector and no config contains '{options.filter}'")
    rows: List[Row] = []
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        for row in pool.map(lambda entry: try_in_own_process(entry, options.timeout), chosen):
            rows.append(row)
            print(
                f'{len(rows)}/{len(chosen)} {"works" if row.works else "FAILS"} {row.config} {row.remark}', flush=True
            )
    show(rows)
    if options.output:
        options.output.write_text(markdown(rows, *stack()), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
