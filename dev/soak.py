"""Puts mmlens under everything: bad inputs, interrupts, full disks, many pictures, threads, odd models.

python dev/soak.py [--parts inputs disk ...] [--output docs/reliability.md] [--seed 0] [--count N]

Each part runs in a process of its own and leaves its figures in `output/soak`, from which the page is written: parts
that do not run this time keep the figures that they had.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from tables import made_with, page, stack, table

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / 'output' / 'soak'


class Part(NamedTuple):
    """A part of the soak.

    Attributes:
        module: Its module; its function is ``soak_<name>``.
        count: How many cases or rounds by default.
        asked: What is asked of each, for the page.
    """

    module: str
    count: int
    asked: str


PARTS = {
    'inputs': Part(
        'soak_inputs', 900, 'bad inputs of all commands: a sentence and a status, no source touched, no file unreadable'
    ),
    'interrupts': Part('soak_processes', 100, 'Ctrl-C at a random moment: no traceback, nothing half-written or left'),
    'one_folder': Part('soak_processes', 20, 'two processes that write the same results into one folder at once'),
    'disk': Part(
        'soak_disk', 12, 'the disk full at a random byte, for every kind of file: whole, or none and a sentence'
    ),
    'pictures': Part('soak_processes', 10000, 'pictures drawn in one process: memory within 5 %'),
    'threads': Part('soak_threads', 200, 'explanations in four threads at a time: the same maps as alone'),
    'leaks': Part('soak_leaks', 1, 'every kind of model by every method: the model is given back as it was'),
    'same': Part(
        'soak_same', 1, 'SVG, PDF and PNG of `lr`, and a training with hooks and without: the same bytes twice'
    ),
}


def run_part(name: str, count: Optional[int], seed: int) -> Dict[str, Any]:
    """Run a part in a process of its own; returns its figures."""
    begin = time.monotonic()
    code = f'import sys; sys.path[0] = {str(ROOT / "dev")!r}; import soak; soak.be_part({name!r}, '
    code += f'{count or PARTS[name].count}, {seed})'
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return dict(cases=0, bad=[dict(faults=[f'the part ended with status {done.returncode}'], told='')], seconds=0)
    seconds = round(time.monotonic() - begin)
    return dict(json.loads(lines[-1]), seconds=seconds, count=count or PARTS[name].count)


def be_part(name: str, count: int, seed: int) -> None:
    """Be the process of a part: print its figures."""
    from soak_ground import limit_memory

    limit_memory()
    print(json.dumps(getattr(importlib.import_module(PARTS[name].module), f'soak_{name}')(count, seed)))


def _told(name: str, figures: Dict[str, Any]) -> str:
    """Further figures of a part, in words."""
    if name == 'pictures':
        return f'{figures["first"]} MB after a tenth, {figures["last"]} MB at the end'
    if name == 'interrupts':
        statuses = ', '.join(f'{number} {ended}' for ended, number in sorted(figures['statuses'].items()))
        return f'ended: {statuses}'
    if name in ('inputs', 'disk', 'leaks'):
        return f'{len(figures["kinds"])} kinds'
    return ''


def written(figures: Dict[str, Dict[str, Any]], versions: str) -> str:
    """The page."""
    rows = [name for name in PARTS if name in figures]
    columns: Dict[str, Callable[[str], str]] = {
        'part': lambda name: name.replace('_', ' '),
        'what is asked': lambda name: PARTS[name].asked,
        'cases': lambda name: f'{figures[name]["cases"]:,}',
        'failed': lambda name: str(len(figures[name]['bad'])),
        'minutes': lambda name: f'{figures[name]["seconds"] / 60:.1f}',
        'further': lambda name: _told(name, figures[name]),
    }
    short = [f'{name} {figures[name]["count"]:,} of {PARTS[name].count:,}' for name in rows if _is_short(name, figures)]
    parts = [_HEAD.strip(), '', table(rows, columns), '', f'Made with {versions}; {_DATE}.', '']
    if short:
        parts += [f'Rounds were fewer than `make soak` takes by itself: {", ".join(short)}.', '']
    for name, title in (('inputs', 'Bad inputs'), ('disk', 'Full disks'), ('leaks', 'Models given back')):
        if name in figures:
            parts += [f'## {title}', '', _by_kind(figures[name]['kinds']), '']
    failed = [(name, one) for name in rows for one in figures[name]['bad']]
    if failed:
        parts += ['## What failed', '']
        parts += [f'* {name}: {one.get("kind", "")} {", ".join(one["faults"])}' for name, one in failed]
    return '\n'.join(parts).rstrip() + '\n'


def _is_short(name: str, figures: Dict[str, Dict[str, Any]]) -> bool:
    return figures[name].get('count', PARTS[name].count) < PARTS[name].count


def _by_kind(kinds: Dict[str, Dict[str, int]]) -> str:
    heads: List[str] = list(dict.fromkeys(key for each in kinds.values() for key in sorted(each)))
    cells = {head: (lambda name, head=head: str(kinds[name].get(head, 0))) for head in heads}
    return table(list(kinds), {'kind': lambda name: name, **cells})


_DATE = 'written by `make soak`'
_HEAD = """
# Reliability

What mmlens does under everything that can go wrong, by a program that tries it: bad inputs drawn from a seed,
interrupts at random moments, disks that fill up, thousands of pictures, threads, and models of every kind. `make soak`
runs it and writes this page; a small part of it is in the tests.

A case fails if a command ends in a traceback, with another status than 0, 1 or 2 (130 after Ctrl-C) or without a
sentence, changes a file that it reads, leaves a temporary file, or leaves a file that cannot be read.
"""


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the parts, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    parser.add_argument('--parts', nargs='+', choices=list(PARTS), default=list(PARTS))
    parser.add_argument('--count', type=int, help='cases or rounds of each part (default: as many as each has)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--output', type=page, help='the page to write (default: none)')
    args = parser.parse_args(argv)
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in args.parts:
        figures = run_part(name, args.count, args.seed)
        (KEPT / f'{name}.json').write_text(json.dumps(figures, indent=1))
        print(f'{name}: {figures["cases"]} cases, {len(figures["bad"])} failed, {figures["seconds"]} s', flush=True)
    kept = {name: json.loads((KEPT / f'{name}.json').read_text()) for name in PARTS if (KEPT / f'{name}.json').exists()}
    if args.output:
        versions, ops = stack()
        args.output.write_text(
            written(kept, made_with(f'{platform.system()} on the CPU', versions, ops)), encoding='utf-8'
        )
    return int(any(kept[name]['bad'] for name in args.parts))


if __name__ == '__main__':
    sys.exit(main())
