"""Tries one box map on each of many detectors of mmdet and mmyolo and writes down what works.

python dev/support_table.py [--filter TEXT] [--output docs/support.md] [--jobs 1]

The weights are random and seeded, so nothing is downloaded. Each config runs in a process of its own
(support_probe.py), so that no crash ends the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

from support_probe import BOXES, MOST, SIDE, TOLERANCE, Entry, Row
from tables import ask_own_process, in_a_cell, made_with, page, stack, table, tick

HERE = Path(__file__).resolve().parent


def entries(containing: str = '') -> List[Entry]:
    """The configs whose detector or name contains a text, ignoring case."""
    found = [Entry(**entry) for entry in json.loads((HERE / 'support_configs.json').read_text(encoding='utf-8'))]
    return [entry for entry in found if containing.lower() in f'{entry.detector} {entry.config}'.lower()]


def try_in_own_process(entry: Entry, timeout: float) -> Row:
    """Probe a config in a new interpreter; a crash or a process that hangs becomes the row's remark."""
    found, remark = ask_own_process('support_probe.py', asdict(entry), timeout)
    return Row(**found) if found else Row(entry.detector, entry.config, box_map=False, remark=remark)


COLUMNS: Dict[str, Callable[[Row], str]] = {
    'Detector': lambda row: row.detector,
    'Config': lambda row: f'`{row.config}`',
    'Layers': lambda row: row.layer or '-',
    'Gradient': lambda row: tick(row.gradient),
    'Box map': lambda row: tick(row.box_map),
    'Same boxes': lambda row: tick(row.same),
    'Unchanged': lambda row: tick(row.unchanged),
    'Seconds': lambda row: '-' if row.seconds is None else f'{row.seconds:.1f}',
    'Remark': lambda row: in_a_cell(row.remark),
}

PAGE = """# Which detectors work

**{works} of {all}** configs do all that is asked for, with {made_with}.

Each config got seeded random weights, its batch norms the statistics of the picture: a synthetic one, scaled to {side}
pixels. Thresholds were set to 0 and candidates cut to {most}. The best {boxes} boxes were explained with the default
method at its default layers.

* **Gradient**: the gradient of each box's score at the neck, or the backbone, is finite and not zero.
* **Box map**: each box's map is finite and not blank.
* **Same boxes**: boxes, scores and labels are those of mmdet's `inference_detector` (tolerance {tolerance:g}).
* **Unchanged**: hooks, training flags, `requires_grad`, `.grad`, random states, and bit by bit all parameters and
  buffers are afterwards what they were before.
* **Seconds**: one call of `explain_boxes`, on a machine that had other work to do.

{table}

Made by `python dev/support_table.py --output FILE`; `--filter TEXT` tries some of them.
"""


def markdown(rows: Sequence[Row], versions: Dict[str, str], ops: str) -> str:
    """The page: what was tried, on which versions, and the table."""
    return PAGE.format(
        works=sum(row.works for row in rows),
        all=len(rows),
        made_with=made_with('the CPU', versions, ops),
        side=SIDE,
        most=MOST['nms_pre'],
        boxes=BOXES,
        tolerance=TOLERANCE,
        table=table(rows, COLUMNS),
    )


def show(rows: Sequence[Row]) -> None:
    """Print the table, without the configs' long names."""
    from rich.console import Console
    from rich.table import Table

    shown = [name for name in COLUMNS if name != 'Config']
    grid = Table(*shown)
    for row in rows:
        grid.add_row(*(COLUMNS[name](row).replace('*', '') for name in shown))
    Console().print(grid)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Try the configs, print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--filter', default='', metavar='TEXT', help='only detectors or configs whose name contains it')
    parser.add_argument('--output', type=page, help='markdown file to write')
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
