"""Measures whether `mmlens evaluate` needs more memory on many pictures than on few, tables included.

python dev/memory_curve.py [--pictures 500 5000] [--method gradcam]

Each number of pictures is evaluated in a process of its own, on pictures of the shapes set that repeat, by maps alone.
Printed are the memory of the process while it goes on, and its peak until all tables are written.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import cv2

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / 'projects' / 'shapes'
DISTINCT = 50
ALLOWED = 1.05
MB = 1 << 20


def resident() -> float:
    """Memory of this process now, in MB (Linux)."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize() / MB


def peak() -> float:
    """Most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


def pictures_in(folder: Path) -> List[Path]:
    """Pictures of the shapes set, as files."""
    sys.path.insert(0, str(ROOT))
    from projects.shapes.scenes import draw_scene

    paths = []
    for index in range(DISTINCT):
        paths.append(folder / f'{index}.png')
        cv2.imwrite(str(paths[-1]), draw_scene(1, index).picture)
    return paths


def evaluate(number: int, method: str, folder: Path) -> None:
    """Evaluate some pictures and write all tables; print memory on the way."""
    import torch

    import mmlens
    from mmlens import evaluation

    torch.set_num_threads(1)
    paths = pictures_in(folder)
    cases = [evaluation.bare_case(f'{index}', paths[index % DISTINCT]) for index in range(number)]
    files = str(SHAPES / 'configs' / 'shapes_rtmdet.py'), str(SHAPES / 'checkpoints' / 'shapes_rtmdet.pth')
    detector = mmlens.load_detector(*files, device='cpu')
    rows = [evaluation.read_row(method), *(row for row in evaluation.baselines(detector) if row.name == 'gaussian')]
    begin = time.perf_counter()

    def progress(done: int, total: int) -> None:
        if done in (1, 10, 50, 100, 200) or done % 500 == 0:
            seconds = time.perf_counter() - begin
            print(f'{done} {resident():.1f} {peak():.1f} after {seconds:.0f} s', flush=True)

    table = evaluation.evaluate_cases(detector, cases, rows, maps_only=True, folder=folder / 'kept', progress=progress)
    print(f'table {resident():.1f} {peak():.1f} of {len(table)} boxes', flush=True)
    means = evaluation.means_of(table)
    table.write_boxes(folder / 'boxes.csv')
    evaluation.write_means(means, folder / 'summary.csv')
    evaluation.write_pairs(evaluation.pairs_of(table), folder / 'pairs.csv')
    (folder / 'tables.md').write_text(evaluation.report(table, means), encoding='utf-8')
    cv2.imwrite(str(folder / 'figures.png'), evaluation.draw_means(table, means))
    print(f'written {resident():.1f} {peak():.1f} ', flush=True)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Evaluate each number in a process of its own; returns 1 if the peak of one is too far above the first's."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    parser.add_argument('--pictures', type=int, nargs='+', default=[500, 5000], help='default: %(default)s')
    parser.add_argument('--method', default='gradcam', help='default: %(default)s')
    parser.add_argument('--here', type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.here:
        evaluate(options.pictures[0], options.method, options.here)
        return 0
    peaks: Dict[int, float] = {}
    for number in options.pictures:
        print(f'{number} pictures: done, MB now, MB at most')
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, '--pictures', str(number), '--method', options.method]
            with subprocess.Popen([*command, '--here', folder], stdout=subprocess.PIPE, text=True) as running:
                assert running.stdout is not None
                for line in running.stdout:
                    print(f'  {line.rstrip()}', flush=True)
                    if line.startswith('written'):
                        peaks[number] = float(line.split()[2])
    for number, most in peaks.items():
        print(f'{number}: {most:.0f} MB, {most / peaks[options.pictures[0]]:.3f} of the first')
    return int(len(peaks) < len(options.pictures) or max(peaks.values()) > ALLOWED * peaks[options.pictures[0]])


if __name__ == '__main__':
    sys.exit(main())
