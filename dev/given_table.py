"""Gives many detectors their own boxes back: do these lead to the same candidates and the same maps?

python dev/given_table.py [--filter TEXT ...] [--output FILE.md] [--jobs 1]

The detectors are those of the support table, with random weights; each runs in a process of its own (given_probe.py).
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Callable, Dict, List, Optional, Sequence

from given_probe import Row
from support_probe import Entry
from support_table import entries
from tables import ask_own_process, in_a_cell, made_with, page, stack, table, tick

COLUMNS: Dict[str, Callable[[Row], str]] = {
    'Detector': lambda row: row.detector,
    'Boxes': lambda row: str(row.boxes),
    'Candidate': lambda row: tick(row.candidate),
    'Score': lambda row: tick(row.score),
    'Same map': lambda row: tick(row.same),
    'Detections, s': lambda row: '-' if row.plain is None else f'{row.plain:.1f}',
    'Given, s': lambda row: '-' if row.given is None else f'{row.given:.1f}',
    'Remark': lambda row: in_a_cell(row.remark),
}


def chosen(texts: Sequence[str]) -> List[Entry]:
    """The configs of the support table whose names contain any of the texts; all without a text."""
    found = [entry for text in texts or [''] for entry in entries(text)]
    return list({entry.config: entry for entry in found}.values())


def try_in_own_process(entry: Entry, timeout: float) -> Row:
    """Probe a config in a new interpreter; a crash or a process that hangs becomes the row's remark."""
    found, remark = ask_own_process('given_probe.py', asdict(entry), timeout)
    return Row(**found) if found else Row(entry.detector, entry.config, candidate=False, remark=remark)


def markdown(rows: Sequence[Row], versions: Dict[str, str], ops: str) -> str:
    """The table, with how many rows hold and what they were made with."""
    works = sum(row.works for row in rows)
    return f'**{works} of {len(rows)}**, with {made_with("the CPU", versions, ops)}.\n\n{table(rows, COLUMNS)}\n'


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Try the configs, print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--filter', nargs='+', default=[], metavar='TEXT', help='only those whose names contain one')
    parser.add_argument('--output', type=page, help='markdown file to write')
    parser.add_argument('--jobs', type=int, default=1, help='processes at a time (default: 1)')
    parser.add_argument('--timeout', type=float, default=300, help='seconds per config (default: 300)')
    args = parser.parse_args(arguments)
    with ThreadPoolExecutor(args.jobs) as pool:
        rows = list(pool.map(lambda entry: try_in_own_process(entry, args.timeout), chosen(args.filter)))
    text = markdown(rows, *stack())
    print(text)
    if args.output:
        args.output.write_text(text, encoding='utf-8')
    return 0 if all(row.works for row in rows) else 1


if __name__ == '__main__':
    sys.exit(main())
