"""What methods cost: mmlens, pytorch-grad-cam and MMYOLO on the same detectors; the parts ``methods`` and ``series``.

Each method runs on each detector in a process of its own (benchmark_cell.py), alternating with plain inference.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from benchmark_rows import Cell, Row
from tables import HERE, ask_own_process, in_a_cell, table

METHODS = ('inference', 'gradcam', 'layercam', 'evidencecam', 'ablationcam', 'scorecam', 'reciprocam', 'drise')
OTHERS = (
    *('vmap:gradcam', 'whole:gradcam', 'grad-cam:GradCAM', 'grad-cam:AblationCAM'),
    *('mmyolo:gradcam', 'mmyolo:ablationcam'),
)
# What grows, and what is measured then: methods, values of a cell's attribute.
SERIES: Dict[str, Any] = {
    'boxes': (
        (
            'gradcam',
            'evidencecam',
            'vmap:gradcam',
            'ablationcam',
            'scorecam',
            'grad-cam:GradCAM',
            'grad-cam:AblationCAM',
        ),
        'boxes',
        (1, 3, 10),
    ),
    'channels': (('ablationcam', 'grad-cam:AblationCAM'), 'ratio', (0.25, 0.5, 1.0)),
    'side': (('gradcam', 'evidencecam', 'ablationcam', 'scorecam', 'drise'), 'side', (256, 416, 608)),
}
# Backward passes through windows and through everything, of many boxes, where heads are heavy.
WINDOWS = 'windows'
WINDOWS_ON = ('yolov5-s', 'rtmdet-s', 'faster-rcnn')
WINDOWS_OF = ('gradcam', 'whole:gradcam')
WINDOWS_BOXES = 10
SPARE = 180.0  # seconds beyond the budget for loading, and for a last run or batch that began in time


# ---------------------------------------------------------------- what is measured


def _common(options: argparse.Namespace) -> Dict[str, Any]:
    names = ('boxes', 'repeat', 'budget', 'device', 'real', 'old_gradcam', 'own', 'autocast')
    return {name: getattr(options, name) for name in names}


def method_cells(options: argparse.Namespace) -> Iterator[Cell]:
    """What to measure, detector by detector."""
    for detector in options.detectors:
        for method in options.methods:
            yield Cell(detector, method, **_common(options))


def series_cells(options: argparse.Namespace) -> Iterator[Cell]:
    """What grows, each value with all of its methods; then windows."""
    for name in options.series:
        if name == WINDOWS:
            continue
        methods, attribute, values = SERIES[name]
        for value in values:
            for method in methods:
                if method in options.methods:
                    cell = Cell(
                        options.series_detector or options.detectors[0], method, section=name, **_common(options)
                    )
                    yield replace(cell, **{attribute: value})
    for detector in WINDOWS_ON if WINDOWS in options.series else ():
        for method in WINDOWS_OF:
            if detector in options.detectors and method in options.methods:
                cell = Cell(detector, method, section=WINDOWS, **_common(options))
                yield replace(cell, boxes=WINDOWS_BOXES)


# ---------------------------------------------------------------- measuring


class Asker:
    """Has cells measured, each in a process of its own; where it can, by forks of one that has imported everything.

    A fork that follows a use of the GPU cannot use it, and another grad-cam has to be imported before all else.
    """

    def __init__(self, forks: bool) -> None:
        self._forks = forks
        self._server: Optional[subprocess.Popen] = None

    def ask(self, cell: Cell) -> Tuple[Dict[str, Any], str]:
        """The row of a cell, or why there is none."""
        limit = 4 * cell.budget + SPARE
        if not self._forks or (cell.old_gradcam and cell.method.startswith('mmyolo:')):
            return ask_own_process('benchmark_cell.py', asdict(cell), limit)
        if self._server is None or self._server.poll() is not None:
            command = [sys.executable, '-W', 'ignore', str(HERE / 'benchmark_cell.py')]
            pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self._server = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(dict(cell=asdict(cell), limit=limit)) + '\n')
        self._server.stdin.flush()
        found, remark = json.loads(self._server.stdout.readline() or '[{}, "The process that forks has ended."]')
        return found, remark

    def close(self) -> None:
        """End the process that forks."""
        if self._server is not None:
            with contextlib.suppress(OSError):
                self._server.communicate()


def measure(chosen: Sequence[Cell], jobs: int, forks: bool, note: Callable[[List[Row]], None]) -> List[Row]:
    """Measure cells; by Ctrl-C it ends at once, after the rows so far were told.

    Args:
        chosen: The cells.
        jobs: How many at a time.
        forks: See :class:`Asker`.
        note: Told the rows so far after each cell.
    """
    left: queue.Queue = queue.Queue()
    for cell in chosen:
        left.put(cell)
    done: queue.Queue = queue.Queue()
    stop = threading.Event()

    def work() -> None:
        asker = Asker(forks)
        with contextlib.closing(asker), contextlib.suppress(queue.Empty):
            while not stop.is_set():
                cell = left.get_nowait()
                try:
                    done.put((cell, *asker.ask(cell)))
                except Exception as error:  # one that is never told would be waited for
                    done.put((cell, {}, f'{type(error).__name__}: {error}'))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    rows: List[Row] = []
    try:
        for _ in chosen:
            cell, found, remark = done.get()
            failed = dict(boxes=cell.boxes, side=cell.side or 0, remark=remark)
            row = Row(**found) if found else Row(cell.detector, cell.method, cell.ratio, **failed)
            row.section = cell.section
            rows.append(row)
            note(rows)
            print(f'{len(rows)}/{len(chosen)} {in_a_line(row)}', flush=True)
    except KeyboardInterrupt:
        stop.set()
        print(f'Ended by Ctrl-C after {len(rows)} of {len(chosen)}.', file=sys.stderr)
        raise
    return rows


# ---------------------------------------------------------------- the tables


def in_words(seconds: Optional[float]) -> str:
    """Seconds, in a readable unit."""
    if seconds is None:
        return '-'
    if seconds < 1:
        return f'{1000 * seconds:.0f} ms'
    return f'{seconds:.1f} s' if seconds < 100 else f'{seconds / 60:.0f} min'


def about(row: Row, text: str) -> str:
    """A figure, marked if it is an estimate."""
    return f'≈ {text}' if row.ended_early else text


def memory_ratio(row: Row) -> str:
    """Peak memory in MB, and over that of a plain inference."""
    if row.memory is None or row.inference_memory is None:
        return '-'
    times = f' ({row.memory / row.inference_memory:.1f} ×)' if row.inference_memory >= 1 else ''
    return f'{row.memory:.0f} MB{times}'


def passes(row: Row) -> str:
    """How many passes were made, out of how many."""
    if row.passes is None:
        return '-'
    return f'{row.passes} of {row.all_passes}' if row.ended_early else str(row.passes)


def reads(row: Row) -> str:
    """Readings a box, and what the GPU was really waited for, of the picture."""
    if row.reads is None or not row.boxes:
        return '-'
    waits = '' if row.waits is None else f' ({row.waits} waits a picture)'
    return f'{row.reads / row.boxes:.0f}{waits}'


def in_a_line(row: Row) -> str:
    """A row for the terminal."""
    if row.remark:
        return f'{row.detector} {row.method}: {row.remark}'
    times = f'{in_words(row.whole)}, {row.ratio_to_inference or 0:.2f} inferences'
    return f'{row.detector} {row.method}: {about(row, times)}, {memory_ratio(row)}'


COLUMNS: Dict[str, Callable[[Row], str]] = {
    'Detector': lambda row: row.detector,
    'Method': lambda row: f'`{row.method}`',
    'Boxes': lambda row: str(row.boxes or '-'),
    'Inference': lambda row: in_words(row.inference),
    'Picture': lambda row: about(row, in_words(row.whole)),
    'A map': lambda row: about(row, in_words(row.whole / row.maps)) if row.whole and row.maps else '-',
    'Times': lambda row: about(row, f'{row.ratio_to_inference:.2f}') if row.ratio_to_inference else '-',
    'Multiplications': lambda row: '-' if row.multiplications is None else f'{row.multiplications:.2f} ×',
    'Passes': passes,
    'Readings': reads,
    'Memory': memory_ratio,
    'Remark': lambda row: in_a_cell(row.remark),
}
GROWING = {
    'boxes': ('Boxes', lambda row: str(row.boxes or '-')),
    'channels': ('Channels', lambda row: f'{row.ratio * row.channels:.0f}' if row.channels else '-'),
    'side': ('Pixels of a side', lambda row: str(row.side or '-')),
    WINDOWS: ('Boxes', lambda row: str(row.boxes or '-')),
}


def methods_table(rows: Sequence[Row]) -> str:
    """Every method on every detector."""
    return table(rows, COLUMNS)


def series_table(rows: Sequence[Row], name: str) -> str:
    """How costs grow with something."""
    heading, value = GROWING[name]
    columns = {heading: value, **{key: COLUMNS[key] for key in COLUMNS if key != 'Boxes'}}
    return table([row for row in rows if row.section == name], columns)
