"""The page that benchmark.py writes: docs/benchmark.md from the figures of its parts, in the words of a text file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable, Dict, List

import benchmark_many
import benchmark_memory
import benchmark_methods
import benchmark_start
from benchmark_rows import Row

Rows = List[Dict[str, Any]]
TEXT = Path(__file__).with_suffix('.txt')  # sections, each after a line <!-- name -->
GROWN = {
    'boxes': 'More boxes',
    'channels': 'More channels',
    'side': 'More pixels of a side',
    'windows': 'Backward passes through windows',
}


def written(figures: Dict[str, Any]) -> str:
    """The page.

    Args:
        figures: Those of each part, as benchmark.py keeps them.
    """
    head, *rest = re.split(r'^<!-- (\w+) -->\n', TEXT.read_text(encoding='utf-8'), flags=re.M)
    sections = dict(zip(rest[::2], rest[1::2]))
    parts = [head.strip().format(parts=', '.join(f'`{name}`' for name in TABLES))]
    for name, table in TABLES.items():
        if name in figures:
            rows = figures[name]['rows']
            own = table(rows, sections[benchmark_methods.WINDOWS]) if name == 'series' else table(rows)
            known = {key: rows[0].get(key, '') for key in ('number', 'pairs')}
            parts += [sections[name].strip().format(table=own, **known), made(figures[name])]
    return '\n\n'.join(parts) + '\n'


def made(part: Dict[str, Any]) -> str:
    """How a part was measured."""
    short = ' **Tried with `--quick`: these figures say little.**' if part['quick'] else ''
    mixed = f', autocast to {part["autocast"]}' if part.get('autocast') else ''
    took = f'; {part["minutes"]:g} minutes' if part['minutes'] else ''
    return f'*{part["made_with"]}{mixed}{took}.*{short}'


def _methods(rows: Rows) -> str:
    return benchmark_methods.methods_table([Row(**row) for row in rows])


def _series(rows: Rows, on_windows: str) -> str:
    parts, told = [], [Row(**row) for row in rows]
    for name, title in GROWN.items():
        if any(row.section == name for row in told):
            parts += [f'### {title}', *([on_windows.strip()] if name == benchmark_methods.WINDOWS else [])]
            parts.append(benchmark_methods.series_table(told, name))
    return '\n\n'.join(parts)


# Part -> its tables, from its rows.
TABLES: Dict[str, Callable[..., str]] = {
    'start': benchmark_start.start_table,
    'imports': benchmark_start.import_table,
    'pictures': benchmark_many.many_table,
    'batches': benchmark_many.batches_table,
    'video': benchmark_many.many_table,
    'memory': benchmark_memory.memory_table,
    'evaluate': benchmark_memory.evaluate_table,
    'methods': _methods,
    'series': _series,
}
