"""Measures one method on one detector and prints what it found as a line of JSON; run by benchmark.py.

python dev/benchmark_cell.py '{"detector": "shapes-rtmdet", "method": "gradcam"}'

Without a cell, it imports everything once and measures each cell that it is sent, a line each, in a fork of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import statistics
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

from benchmark_detectors import Subject, load, sizes
from benchmark_rows import Cell, Row
from benchmark_runs import NEVER, Run, mixed, mmlens_run, plain_inference, seconds
from support_probe import reason

FEWEST = 3  # inferences, even when the budget is over


def measure(cell: Cell) -> Row:
    """Time a method and plain inference alternately, after a warm-up that counts only if no time is left."""
    subject = load(cell)
    row = Row(cell.detector, cell.method, cell.ratio)
    device = next(subject.detector.model.parameters()).device
    memory = Memory(device)
    inference = mixed(plain_inference(subject), cell.autocast, device.type)
    _, row.inference_memory = memory.peak_of(lambda: inference(NEVER))
    run = mixed(run_of(subject, cell), cell.autocast, device.type)
    started = time.perf_counter()
    deadline = started + cell.budget
    (warm_up, outcome), row.memory = memory.peak_of(lambda: seconds(run, deadline))
    inferences: List[float] = []
    runs: List[float] = []
    while len(inferences) < cell.repeat and (len(inferences) < FEWEST or time.perf_counter() < deadline):
        # Whatever goes first in one round goes last in the next.
        order = (inference, run) if len(inferences) % 2 else (run, inference)
        too_late = time.perf_counter() + warm_up > deadline
        for function in order:
            if function is inference:
                inferences.append(seconds(inference, NEVER)[0])
            elif not too_late:
                runs.append(seconds(run, NEVER)[0])
    row.inference, row.seconds = statistics.median(inferences), statistics.median(runs or [warm_up])
    row.side, row.channels = sizes(subject)
    row.boxes, row.maps = outcome.boxes, outcome.maps
    row.passes, row.all_passes, row.pace = outcome.passes, outcome.all_passes, outcome.pace
    if not row.ended_early and warm_up < cell.budget and not cell.method.startswith('vmap:'):
        note_counts(row, inference, run)
    return row


def note_counts(row: Row, inference: Run, run: Run) -> None:
    """Count multiplications and readings of one more run of each."""
    from benchmark_counts import count

    plain, own = (count(lambda function=function: function(NEVER))[1] for function in (inference, run))
    row.multiplications = round(own.multiplications / max(plain.multiplications, 1), 3)
    row.reads, row.waits = own.reads - plain.reads, own.waits


def run_of(subject: Subject, cell: Cell) -> Run:
    """A function that runs a cell's method once."""
    import benchmark_others  # here, because it imports grad-cam, whose folder a cell may name

    package, _, name = cell.method.rpartition(':')
    if package == 'grad-cam':
        return benchmark_others.gradcam_run(subject, cell, name)
    if package == 'mmyolo':
        return benchmark_others.mmyolo_run(subject, cell, name)
    if package == 'vmap':
        return benchmark_others.vmap_run(subject, cell, name)
    if package == 'whole':
        return benchmark_others.whole_run(subject, cell, name)
    return plain_inference(subject) if name == 'inference' else mmlens_run(subject, cell)


class Memory:
    """Peaks in MB above what is in use at construction: of the process, or of the GPU's tensors."""

    def __init__(self, device: Any) -> None:
        self._cuda = device if device.type == 'cuda' else None
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # only glibc keeps freed memory, and has this
            ctypes.CDLL(None).malloc_trim(0)
        self._before = self._now()

    def peak_of(self, function: Callable[[], Any]) -> Tuple[Any, float]:
        """A function's return value, and the peak while it runs."""
        self._forget_peak()
        result = function()
        return result, round(self._peak() - self._before, 1)

    def _now(self) -> float:
        if self._cuda:
            import torch

            return torch.cuda.memory_allocated(self._cuda) / 1e6
        return of_process('VmRSS')

    def _peak(self) -> float:
        if self._cuda:
            import torch

            return torch.cuda.max_memory_allocated(self._cuda) / 1e6
        return of_process('VmHWM')

    def _forget_peak(self) -> None:
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats(self._cuda)
        elif os.access('/proc/self/clear_refs', os.W_OK):
            Path('/proc/self/clear_refs').write_text('5', encoding='ascii')


def of_process(name: str) -> float:
    """A memory figure of this process in MB: on Linux the one named, elsewhere the peak."""
    status = Path('/proc/self/status')
    if status.is_file():
        line = next(line for line in status.read_text(encoding='utf-8').splitlines() if line.startswith(f'{name}:'))
        return int(line.split()[1]) * 1024 / 1e6
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == 'darwin' else most * 1024 / 1e6


def measure_and_print(cell: Cell) -> None:
    """Write the row of a cell as the last line on stdout; a failure becomes its remark."""
    if cell.old_gradcam and cell.method.startswith('mmyolo:'):
        sys.path.insert(0, cell.old_gradcam)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            row = measure(cell)
        except Exception as error:  # the table is there to show whatever a method raises
            asked = dict(boxes=cell.boxes, side=cell.side or 0)
            row = Row(cell.detector, cell.method, cell.ratio, **asked, remark=reason(error))
    print(json.dumps(asdict(row)), flush=True)


# ---------------------------------------------------------------- many cells, imports made once


def serve() -> None:
    """Measure each cell that comes as a line, with the seconds that it may take; print a row, or a remark."""
    from mmlens import compat

    compat.prepare()
    import mmdet.apis
    import mmdet.models
    import mmdet.visualization  # noqa: F401

    for line in sys.stdin:
        asked = json.loads(line)
        found, remark = forked(partial(measure_and_print, Cell(**asked['cell'])), asked['limit'])
        print(json.dumps([found, remark]), flush=True)


def forked(work: Callable[[], None], limit: float) -> Tuple[Dict[str, Any], str]:
    """Let a fork of this process do some work; what it printed last as JSON, or why there is nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        sys.stdout = os.fdopen(writer, 'w')
        try:
            work()
        finally:
            os._exit(0)
    os.close(writer)
    lines: List[str] = []
    with open(reader, encoding='utf-8') as answer:
        late = not select.select([answer], [], [], limit)[0]
        if late:
            os.kill(child, signal.SIGKILL)
        else:
            lines = answer.read().splitlines()
    _, status = os.waitpid(child, 0)
    if lines:
        return json.loads(lines[-1]), ''
    return {}, f'No result within {limit:g} s.' if late else f'The process ended with status {status}.'


if __name__ == '__main__':
    serve() if len(sys.argv) == 1 else measure_and_print(Cell(**json.loads(sys.argv[1])))
