"""Measures what mmlens costs, beside plain mmdet, pytorch-grad-cam, MMYOLO and a loop over pictures; `make benchmark`.

python dev/benchmark.py [--parts start methods ...] [--output docs/benchmark.md] [--quick]

Each part leaves its figures in a JSON file beside the page, from which the page is written: parts, and methods and
detectors, that are not measured this time keep the figures that they had. Ctrl-C ends it with the figures so far.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import benchmark_many
import benchmark_memory
import benchmark_methods
import benchmark_start
from benchmark_detectors import DETECTORS
from benchmark_methods import METHODS, OTHERS, SERIES, WINDOWS
from benchmark_rows import Row, in_order, merged
from tables import made_with, page, stack

from mmlens.cli.arguments import positive
from mmlens.errors import count

QUICK_METHODS, QUICK_DETECTORS = ('gradcam', 'evidencecam', 'grad-cam:AblationCAM'), ('shapes-rtmdet',)


def measure_cells(name: str, options: argparse.Namespace, note: Callable[[List[Any]], None]) -> List[Dict[str, Any]]:
    """The parts ``methods`` and ``series``."""
    chosen = benchmark_methods.method_cells if name == 'methods' else benchmark_methods.series_cells
    forks = hasattr(os, 'fork') and not on_gpu(options.device)
    jobs = options.jobs if forks else 1
    rows = benchmark_methods.measure(
        list(chosen(options)), jobs, forks, lambda so_far: note([asdict(row) for row in so_far])
    )
    return [asdict(row) for row in rows]


# Part -> what measures it; those that are told rows so far take a function for them.
PARTS: Dict[str, Callable[..., List[Dict[str, Any]]]] = {
    'start': benchmark_start.measure_start,
    'imports': benchmark_start.measure_imports,
    'pictures': benchmark_many.measure_pictures,
    'batches': benchmark_many.measure_batches,
    'video': benchmark_many.measure_video,
    'memory': benchmark_memory.measure_memory,
    'evaluate': benchmark_memory.measure_evaluate,
    'methods': lambda options, note: measure_cells('methods', options, note),
    'series': lambda options, note: measure_cells('series', options, note),
}
OF_CELLS = ('methods', 'series')


def run_parts(options: argparse.Namespace) -> Dict[str, Any]:
    """Measure the parts, each kept as soon as it has ended; those of cells after each of these."""
    kept = read_figures(options.figures)
    versions, ops = stack()
    told = made_with(device_name(options.device), versions, ops)
    for name in options.parts:
        begin = time.monotonic()
        old = kept.get(name, {}).get('rows', [])

        def keep(rows: List[Dict[str, Any]], name: str = name, old: Any = old, begin: float = begin) -> None:
            if name in OF_CELLS:
                both = merged([Row(**row) for row in old], [Row(**row) for row in rows])
                both = in_order(both, list(DETECTORS), (*METHODS, *OTHERS)) if name == 'methods' else both
                rows = [asdict(row) for row in both]
            how = dict(repeat=options.repeat, pairs=options.pairs, budget=options.budget, quick=options.quick)
            if options.autocast:
                how['autocast'] = options.autocast
            kept[name] = dict(made_with=told, minutes=round((time.monotonic() - begin) / 60, 1), **how, rows=rows)
            write_figures(options.figures, kept)

        try:
            keep(PARTS[name](options, keep) if name in OF_CELLS else PARTS[name](options))
        except KeyboardInterrupt:
            print(f'Ended by Ctrl-C in {name}.', file=sys.stderr)
            break
        print(f'{name}: {(time.monotonic() - begin) / 60:.1f} minutes', flush=True)
    return kept


def read_figures(path: Path) -> Dict[str, Any]:
    """The figures of each part that was measured so far."""
    return json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}


def write_figures(path: Path, figures: Dict[str, Any]) -> None:
    """Write them, in the order of the parts."""
    from mmlens.files import write_atomically

    ordered = {name: figures[name] for name in PARTS if name in figures}
    with write_atomically(path) as temporary:
        Path(temporary).write_text(json.dumps(ordered, indent=1) + '\n', encoding='utf-8')


def rows_of_cells(figures: Dict[str, Any]) -> List[Row]:
    """The rows of the parts ``methods`` and ``series``."""
    return [Row(**row) for name in OF_CELLS for row in figures.get(name, {}).get('rows', [])]


def on_gpu(device: Optional[str]) -> bool:
    """Whether it is a GPU that is measured; asked without a use of it, after which no process could be forked."""
    if device is not None:
        return device.startswith('cuda')
    import torch

    return bool(torch.version.cuda) and os.path.exists('/dev/nvidiactl')


def device_name(device: Optional[str]) -> str:
    """The device that was measured on."""
    import torch

    if on_gpu(device):
        return torch.cuda.get_device_name(device)
    return f'the CPU with {count(torch.get_num_threads(), "thread")}'


# ---------------------------------------------------------------- the command


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    add, known = parser.add_argument, (*METHODS, *OTHERS)
    add('--parts', nargs='+', choices=list(PARTS), default=list(PARTS), metavar='PART', help=f'of {", ".join(PARTS)}')
    add('--output', type=page, default='output/benchmark/benchmark.md', help='the page; default: %(default)s')
    add('--quick', action='store_true', help='few of everything, to try whether it runs')
    add('--detectors', nargs='+', choices=list(DETECTORS), metavar='NAME', help=f'of {", ".join(DETECTORS)}; all')
    add('--methods', nargs='+', choices=known, default=list(known), metavar='NAME', help=f'of {", ".join(known)}; all')
    add('--boxes', type=positive, default=3, help='number of best detections to explain; default %(default)s')
    add('--repeat', type=positive, default=5, help='runs of each command and method; default %(default)s')
    add('--pairs', type=positive, default=3, help='rounds of many pictures and of the video; default %(default)s')
    add('--budget', type=float, default=3, metavar='SECONDS', help='for each method; default %(default)s')
    names = [*SERIES, WINDOWS]
    add('--series', nargs='*', choices=names, default=names, help='what grows, one at a time; all')
    add('--series-detector', choices=list(DETECTORS), metavar='NAME', help='default: the first')
    add('--jobs', type=positive, default=1, help='methods measured at a time, on a CPU; default %(default)s')
    add('--workers', type=positive, default=2, help='processes of mmlens boxam; default %(default)s')
    add('--own', nargs=3, metavar=('PICTURE', 'CONFIG', 'CHECKPOINT'), help='a detector of your own, and only that')
    add('--real', default=os.environ.get('MMLENS_REAL_DATA'), metavar='FOLDER', help='of yolox-nano')
    add('--old-gradcam', metavar='FOLDER', help='with a grad-cam before 1.5, for MMYOLO')
    add('--device', help='default: CUDA if there is any')
    add('--autocast', choices=('bf16', 'fp16'), help="methods and inference in torch's mixed precision")
    return parser


def read_options(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read and check the arguments."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.own:
        options.detectors, options.parts, options.series_detector = ['own'], ['methods'], None
    if options.quick:
        options.detectors, options.methods = options.detectors or list(QUICK_DETECTORS), list(QUICK_METHODS)
        options.repeat, options.budget, options.series = 1, min(options.budget, 1.0), ['boxes']
    every = [name for name in DETECTORS if name != 'yolox-nano' or options.real]
    options.detectors = options.detectors or every
    options.series_detector = options.series_detector or next(
        (name for name in ('shapes-rtmdet',) if name in options.detectors), options.detectors[0]
    )
    if not options.real and 'yolox-nano' in (*options.detectors, options.series_detector):
        parser.error('yolox-nano needs the folder of its weights and picture: give it by --real')
    for name in ('real', 'old_gradcam'):
        folder = getattr(options, name)
        if folder and not Path(folder).is_dir():
            parser.error(f'there is no folder {folder}')
    options.figures = options.output.with_suffix('.json')
    return options


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Measure and write."""
    options = read_options(arguments)
    write_page(options.output, run_parts(options))
    return 0


def write_page(place: Path, figures: Dict[str, Any]) -> None:
    """Write the page, and the figure that it shows."""
    from benchmark_figure import cost_picture
    from benchmark_page import written
    from draw_docs_pictures import write

    from mmlens.files import write_atomically

    rows = [row for row in rows_of_cells(figures) if row.section != WINDOWS]
    if rows:
        (place.parent / 'pictures').mkdir(exist_ok=True)
        write(place.parent / 'pictures' / 'benchmark.jpg', cost_picture(rows))
    with write_atomically(place) as temporary:
        Path(temporary).write_text(written(figures), encoding='utf-8')
    print(f'Wrote {place}.')


if __name__ == '__main__':
    sys.exit(main())
