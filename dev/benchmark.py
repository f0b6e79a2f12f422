"""Measures box maps side by side: mmlens, pytorch-grad-cam and MMYOLO on the same detectors, against plain inference.

python dev/benchmark.py [--detectors NAME ...] [--methods NAME ...] [--budget 60] [--out-dir output/benchmark]

Each method runs on each detector in a process of its own (benchmark_cell.py), alternating with plain inference. The
results go to benchmark.json after each of them, and at the end to benchmark.md and benchmark.png. Ctrl-C ends the
benchmark with the results so far.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from benchmark_detectors import DETECTORS
from benchmark_rows import Cell, Row, write_rows
from tables import ask_own_process, in_a_cell, made_with, place, stack, table

from mmlens.cli.arguments import positive
from mmlens.errors import count

METHODS = ('inference', 'gradcam', 'layercam', 'ablationcam', 'scorecam', 'reciprocam', 'drise')
OTHERS = (
    *('vmap:gradcam', 'whole:gradcam', 'grad-cam:GradCAM', 'grad-cam:AblationCAM'),
    *('mmyolo:gradcam', 'mmyolo:ablationcam'),
)
# What grows, and what is measured then: methods, values of a cell's attribute.
SERIES: Dict[str, Any] = {
    'boxes': (
        ('gradcam', 'vmap:gradcam', 'ablationcam', 'scorecam', 'grad-cam:GradCAM', 'grad-cam:AblationCAM'),
        'boxes',
        (1, 3, 10),
    ),
    'channels': (('ablationcam', 'grad-cam:AblationCAM'), 'ratio', (0.25, 0.5, 1.0)),
    'side': (('gradcam', 'ablationcam', 'scorecam', 'drise'), 'side', (256, 416, 608)),
}
SPARE = 180.0  # seconds beyond the budget for loading, and for a last run or batch that began in time


def cells(options: argparse.Namespace) -> Iterator[Cell]:
    """What to measure, detector by detector; then the series, each value with all of its methods."""
    common = dict(
        boxes=options.boxes,
        repeat=options.repeat,
        budget=options.budget,
        device=options.device,
        real=options.real,
        old_gradcam=options.old_gradcam,
    )
    for detector in options.detectors:
        for method in options.methods:
            yield Cell(detector, method, **common)
    for name in options.series:
        methods, attribute, values = SERIES[name]
        for value in values:
            for method in methods:
                if method in options.methods:
                    cell = Cell(options.series_detector or options.detectors[0], method, section=name, **common)
                    yield replace(cell, **{attribute: value})


def measure(chosen: Sequence[Cell], note: Callable[[List[Row]], None]) -> List[Row]:
    """Measure each cell in a new interpreter, with a bar; ended by Ctrl-C, give the rows so far.

    Args:
        chosen: The cells.
        note: Told the rows so far after each cell.
    """
    from mmlens.cli.progress import progress_bar

    rows: List[Row] = []
    with progress_bar(len(chosen)) as bar:
        task = bar.add_task('', total=len(chosen))
        for cell in chosen:
            bar.update(task, description=f'{cell.detector} {cell.method}')
            try:
                found, remark = ask_own_process('benchmark_cell.py', asdict(cell), 4 * cell.budget + SPARE)
            except KeyboardInterrupt:
                print(f'Ended by Ctrl-C after {len(rows)} of {len(chosen)}.', file=sys.stderr)
                break
            rows.append(Row(**found) if found else Row(cell.detector, cell.method, cell.ratio, remark=remark))
            rows[-1].section = cell.section
            note(rows)
            bar.advance(task)
            print(f'{len(rows)}/{len(chosen)} {in_a_line(rows[-1])}', flush=True)
    return rows


# ---------------------------------------------------------------- the table


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
    'Passes': passes,
    'Memory': memory_ratio,
    'Remark': lambda row: in_a_cell(row.remark),
}
GROWING = {
    'boxes': ('Boxes', lambda row: str(row.boxes or '-')),
    'channels': ('Channels', lambda row: f'{row.ratio * row.channels:.0f}'),
    'side': ('Pixels of a side', lambda row: str(row.side or '-')),
}

PAGE = """# What box maps cost

{made_with}.

* **Inference**: median time of a plain inference (`inference_detector`), measured in turns with the method.
* **Picture**: median time of all maps of the best boxes of a picture; **A map**: that over the number of maps, which
  is one for each box, but for MMYOLO's: it makes one of all boxes.
* **Times**: how many plain inferences a picture costs.
* **Passes**: how often the network was run, or in mmlens what follows the layer. Methods with gradients run once, and
  backwards for each box.
* `vmap:gradcam` is mmlens's `gradcam` with one batched backward pass for all boxes, `whole:gradcam` that with backward
  passes that visit every cell of the head.
* **Memory**: the peak above the loaded detector, and how many times that of a plain inference.
* **≈**: the method was ended when its {budget:g} s were over; the passes that it had not made are added at the pace of
  those that it had.

{table}
{series}"""


def markdown(rows: Sequence[Row], budget: float, device: str, versions: Dict[str, str], ops: str) -> str:
    """The page: on what was measured, and the tables."""
    plain = [row for row in rows if not row.section]
    parts = []
    for name, (heading, value) in GROWING.items():
        grown = [row for row in rows if row.section == name]
        if grown:
            columns = {heading: value, **{key: COLUMNS[key] for key in COLUMNS if key != 'Boxes'}}
            parts.append(f'\n## More {heading.lower()}\n\n{table(grown, columns)}\n')
    return PAGE.format(
        made_with=made_with(device, versions, ops),
        budget=budget,
        table=table(plain, COLUMNS),
        series=''.join(parts),
    )


# ---------------------------------------------------------------- the command


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    names = [name for name in DETECTORS if name != 'yolox-nano']
    parser.add_argument(
        '--detectors', nargs='+', choices=list(DETECTORS), metavar='NAME', help=f'of {", ".join(DETECTORS)}; all'
    )
    known = (*METHODS, *OTHERS)
    parser.add_argument(
        '--methods', nargs='+', choices=known, default=list(known), metavar='NAME', help=f'of {", ".join(known)}; all'
    )
    parser.add_argument('--boxes', type=positive, default=3, help='number of best detections to explain; default 3')
    parser.add_argument('--repeat', type=positive, default=5, help='runs of each method; default 5')
    parser.add_argument(
        '--budget', type=float, default=60, metavar='SECONDS', help='seconds for each method; default 60'
    )
    parser.add_argument(
        '--series', nargs='*', choices=list(SERIES), default=list(SERIES), help='what grows, one at a time; all'
    )
    parser.add_argument('--series-detector', choices=list(DETECTORS), metavar='NAME', help='default: the first')
    parser.add_argument('--real', default=os.environ.get('MMLENS_REAL_DATA'), metavar='FOLDER', help='of yolox-nano')
    parser.add_argument('--old-gradcam', metavar='FOLDER', help='with a grad-cam before 1.5, for MMYOLO')
    parser.add_argument('--device', help='default: CUDA if there is any')
    parser.add_argument('--out-dir', type=place, default=Path('output/benchmark'), help='default: output/benchmark')
    parser.set_defaults(all_detectors=names)
    return parser


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Measure and write."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    options.detectors = options.detectors or [*(['yolox-nano'] if options.real else []), *options.all_detectors]
    if not options.real and 'yolox-nano' in (*options.detectors, options.series_detector):
        parser.error('yolox-nano needs the folder of its weights and picture: give it by --real')
    for name in ('real', 'old_gradcam'):
        folder = getattr(options, name)
        if folder and not Path(folder).is_dir():
            parser.error(f'there is no folder {folder}')
    rows = measure(list(cells(options)), lambda so_far: write_rows(options.out_dir / 'benchmark.json', so_far))
    if rows:
        write_page(options, rows)
    return 0


def write_page(options: argparse.Namespace, rows: Sequence[Row]) -> None:
    """Write the page and the figure."""
    from benchmark_figure import cost_figure

    from mmlens.files import write_atomically

    with write_atomically(options.out_dir / 'benchmark.md') as temporary:
        text = markdown(rows, options.budget, device_name(options.device), *stack())
        Path(temporary).write_text(text, encoding='utf-8')
    with write_atomically(options.out_dir / 'benchmark.png') as temporary:
        cost_figure(rows).savefig(temporary)
    print(f'Wrote benchmark.json, benchmark.md and benchmark.png to {options.out_dir}.')


def device_name(device: Optional[str]) -> str:
    """The device that was measured on."""
    import torch

    from mmlens.models.loading import choose_device

    chosen = choose_device(device)
    if chosen.type == 'cuda':
        return torch.cuda.get_device_name(chosen)
    return f'the CPU with {count(torch.get_num_threads(), "thread")}'


if __name__ == '__main__':
    sys.exit(main())
