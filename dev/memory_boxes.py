"""Measures what boxes of a large picture cost: memory to explain and draw them, and the time to draw each.

python dev/memory_boxes.py [--boxes 1 10 100] [--megapixels 12] [--method evidencecam]

Each number of boxes is explained in a process of its own, on an enlarged picture of the shapes set whose detector lets
everything through. Time is the processor's, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import cv2

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / 'projects' / 'shapes'
MOST_MB = 200  # that many boxes may take more than one
MOST_MS = 50  # that drawing a box may take
MB = 1 << 20
# Lets boxes through that score next to nothing, and those that lie on each other.
ALL = {'model.test_cfg.score_thr': 0.0, 'model.test_cfg.nms.iou_threshold': 0.95, 'model.test_cfg.max_per_img': 300}


def peak() -> float:
    """Most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


def measure(number: int, megapixels: float, method: str) -> Tuple[int, float, float, float]:
    """Explain and draw boxes in this process: how many there were, seconds of both, and the peak in MB."""
    sys.path.insert(0, str(ROOT))
    import torch

    import mmlens
    from projects.shapes.scenes import draw_scene

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    files = str(SHAPES / 'configs' / 'shapes_rtmdet.py'), str(SHAPES / 'checkpoints' / 'shapes_rtmdet.pth')
    detector = mmlens.load_detector(*files, device='cpu', cfg_options=ALL)
    scene = draw_scene(1, 0).picture
    scale = (megapixels * 1e6 / (scene.shape[0] * scene.shape[1])) ** 0.5
    picture = cv2.resize(scene, None, fx=scale, fy=scale)
    begin = time.process_time()
    explained = mmlens.explain_boxes(detector, picture, method=method, score_thr=0.0, topk=number)
    between = time.process_time()
    explained.draw()
    return len(explained), between - begin, time.process_time() - between, peak()


def table(rows: Dict[int, List[float]]) -> List[str]:
    """A row for each number of boxes; memory and drawing beside those of the first."""
    first = min(rows)
    lines = ['| boxes | explaining, s | drawing, s | a further box, ms | peak, MB | more than the first |']
    lines.append('| ---: ' * 6 + '|')
    for number, (explaining, drawing, most) in sorted(rows.items()):
        each = '' if number == first else f'{_a_box(rows, number):.0f}'
        lines.append(
            f'| {number} | {explaining:.1f} | {drawing:.2f} | {each} | {most:.0f} | {most - rows[first][2]:.0f} |'
        )
    return lines


def _a_box(rows: Dict[int, List[float]], number: int) -> float:
    """Milliseconds that a box more takes to draw."""
    first = min(rows)
    return 1000 * (rows[number][1] - rows[first][1]) / (number - first)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Measure each number in a process of its own; returns 1 if the most take too much."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    parser.add_argument('--boxes', type=int, nargs='+', default=[1, 10, 100], help='default: %(default)s')
    parser.add_argument('--megapixels', type=float, default=12, help='of the picture; default: %(default)s')
    parser.add_argument('--method', default='evidencecam', help='default: %(default)s')
    parser.add_argument('--here', action='store_true', help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.here:
        print(*measure(options.boxes[0], options.megapixels, options.method))
        return 0
    rows: Dict[int, List[float]] = {}
    for number in options.boxes:
        command = [sys.executable, __file__, '--here', '--boxes', str(number), '--method', options.method]
        command += ['--megapixels', str(options.megapixels)]
        last = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1]
        found, *figures = last.split()
        rows[int(found)] = [float(figure) for figure in figures]
    print('\n'.join(table(rows)))
    most = max(rows)
    return int(len(rows) < len(options.boxes) or rows[most][2] - rows[min(rows)][2] > MOST_MB or _too_slow(rows))


def _too_slow(rows: Dict[int, List[float]]) -> bool:
    return len(rows) > 1 and _a_box(rows, max(rows)) > MOST_MS


if __name__ == '__main__':
    sys.exit(main())
