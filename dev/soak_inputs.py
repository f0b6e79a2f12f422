"""The soak's first part: hundreds of bad inputs, in one process, each of which has to end well."""

from __future__ import annotations

import collections
import random
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Dict, List

import soak_commands  # noqa: F401  # its kind registers itself
from soak_cases import KINDS
from soak_ground import Ground, say


def chosen(cases: int, seed: int) -> List[str]:
    """The kinds of so many cases, by their shares, in a random order."""
    total = sum(share for share, _ in KINDS.values())
    kinds = [name for name, (share, _) in KINDS.items() for _ in range(max(1, round(cases * share / total)))]
    random.Random(seed).shuffle(kinds)
    return kinds


def soak_inputs(cases: int, seed: int = 0, verbose: bool = False) -> Dict[str, Any]:
    """Run bad inputs.

    Args:
        cases: About how many.
        seed: Same seed, same cases.
        verbose: Whether to print each.

    Returns:
        Figures by kind, and every case that did not end well.
    """
    begin = time.monotonic()
    kinds: Dict[str, Dict[str, int]] = collections.defaultdict(lambda: collections.Counter())
    bad: List[Dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder) / 'ground')
        for number, name in enumerate(chosen(cases, seed)):
            rng = random.Random(f'{seed}/{number}')
            words = KINDS[name][1](rng, ground)
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                started = time.monotonic()
                outcome = ground.run(words)
            kinds[name].update({'cases': 1, f'exit {outcome.status}': 1})
            for fault in outcome.faults:
                kinds[name][fault.split(' ')[0]] += 1
            if outcome.faults:
                bad.append(
                    dict(number=number, kind=name, words=words, faults=outcome.faults, told=outcome.told[-1500:])
                )
            if verbose or outcome.faults:
                last = (outcome.told.strip().splitlines() or [''])[-1][:160]
                said = ' '.join(map(str, outcome.faults)).upper()
                say(f'{number:4} {time.monotonic() - started:5.1f} s {name}: {outcome.status} {said} {last!r}')
    return dict(
        cases=sum(each['cases'] for each in kinds.values()),
        seconds=round(time.monotonic() - begin),
        kinds={name: dict(figures) for name, figures in sorted(kinds.items())},
        bad=bad,
    )
