"""Measures many pictures and videos: mmlens against plain inference of the same, in turns in one run.

python dev/benchmark_many.py [--pictures FOLDER] [--video FILE] [--config CONFIG --checkpoint FILE] [--pairs 3]

Plain inference is: the picture put through pipeline and detector without gradients, its boxes drawn, the drawing
written. Each side runs in processes of its own, alternately, once on everything and once on a single picture or frame,
which is taken off: what is left is the time of the others. Only ratios are to be compared between machines.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / 'projects' / 'shapes'

PLAIN = """
import sys
from pathlib import Path
import cv2
import torch
from mmlens import load_detector
from mmlens.files import write_picture
from mmlens.rendering.colours import label_colours
from mmlens.rendering.marks import Mark, draw_marks
from mmlens.cli.video import VideoReader, VideoWriter

source, config, checkpoint, out, most = sys.argv[1:]
detector = load_detector(config, checkpoint, device='cpu')

def drawn(picture):
    prepared = detector.prepare(picture)
    with torch.no_grad():
        found = detector.predict(prepared)
    keep = found.scores >= 0.3
    labels, boxes = found.labels[keep].tolist(), found.boxes[keep].numpy()
    names = [f'{detector.class_name(label)} {score:.2f}' for label, score in zip(labels, found.scores[keep].tolist())]
    marks = [Mark(box, colour, name) for box, colour, name in zip(boxes, label_colours(labels), names)]
    return draw_marks(prepared.picture, marks) if marks else prepared.picture

detector.model.eval()
if Path(source).is_dir():
    for path in sorted(Path(source).iterdir())[: int(most)]:
        write_picture(Path(out) / path.name, drawn(path))
else:
    reader = VideoReader(Path(source))
    with VideoWriter(str(Path(out) / 'plain.mp4'), reader.rate, reader.size) as writer:
        for number, frame in enumerate(reader):
            if number < int(most):
                writer.write(drawn(frame))
"""


def seconds(words: Sequence[str]) -> Tuple[float, float]:
    """Seconds on the clock, and of all its processors, that a process and those it starts take."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, used


def net(words_of: Any, number: int) -> Dict[str, float]:
    """Pictures a second, and processor seconds a picture, without the start and the first picture."""
    (whole, used), (first, used_first) = seconds(words_of(number)), seconds(words_of(1))
    return {'rate': (number - 1) / max(whole - first, 1e-9), 'cpu': (used - used_first) / (number - 1)}


def compare(sides: Dict[str, Any], number: int, pairs: int) -> Dict[str, List[Dict[str, float]]]:
    """Figures of each side, alternately; whoever goes first in one round goes last in the next."""
    found: Dict[str, List[Dict[str, float]]] = {name: [] for name in sides}
    for turn in range(pairs):
        for name in list(sides) if turn % 2 == 0 else reversed(list(sides)):
            found[name].append(net(sides[name], number))
            print(name, {key: round(value, 4) for key, value in found[name][-1].items()}, flush=True)
    return found


def ratio(found: Dict[str, List[Dict[str, float]]], name: str, key: str = 'rate') -> float:
    """Median over the pairs of a side's figure over that of plain inference."""
    return statistics.median(own[key] / plain[key] for own, plain in zip(found[name], found['plain']))


def sides_of(source: Path, folder: Path, options: argparse.Namespace, number: int) -> Dict[str, Any]:
    """The command lines of plain inference and of mmlens, by how many pictures or frames they work on."""
    part = folder / f'one{source.suffix}'
    if source.is_dir():
        part.mkdir()
        first = sorted(source.iterdir())[0]
        (part / first.name).write_bytes(first.read_bytes())
    else:
        _first_frame(source, part)
    model = [str(options.config), str(options.checkpoint)]

    def plain(most: int) -> List[str]:
        return ['-c', PLAIN, str(source), *model, str(folder), str(most)]

    def ours(*more: str) -> Any:
        words = ['-m', 'mmlens', 'boxam', '{}', *model, '--device', 'cpu', '--out-dir', str(folder / 'out'), *more]
        return lambda most: [word.format(part if most == 1 else source) if word == '{}' else word for word in words]

    gradcam = ('--method', 'gradcam', '--target-layers', 'neck')
    several = ours(*gradcam, '--workers', str(options.workers))
    return {'plain': plain, 'gradcam': several, 'gradcam, one process': ours(*gradcam, '--workers', '1')}


def _first_frame(video: Path, place: Path) -> None:
    from mmlens.cli.video import VideoReader, VideoWriter

    reader = VideoReader(video)
    with VideoWriter(str(place), reader.rate) as writer:
        writer.write(reader.first)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Measure, print, and write what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--pictures', type=Path, help='a folder of nothing but pictures')
    parser.add_argument('--video', type=Path)
    parser.add_argument('--config', default=str(SHAPES / 'configs' / 'shapes_rtmdet.py'))
    parser.add_argument('--checkpoint', default=str(SHAPES / 'checkpoints' / 'shapes_rtmdet.pth'))
    parser.add_argument('--workers', type=int, default=2, help='processes of mmlens; default 2')
    parser.add_argument('--pairs', type=int, default=3)
    parser.add_argument('--out-file', type=Path, default=Path('output/benchmark_many.json'))
    options = parser.parse_args(arguments)
    result: Dict[str, Any] = {}
    for source in filter(None, (options.pictures, options.video)):
        from mmlens.cli.video import VideoReader

        number = len(list(source.iterdir() if source.is_dir() else VideoReader(source)))
        with tempfile.TemporaryDirectory() as folder:
            found = compare(sides_of(source, Path(folder), options, number), number, options.pairs)
        for name in found:
            print(f'{source.name}, {number}: {name}: {ratio(found, name):.2f} times plain inference', flush=True)
        result[source.name] = found
    if not result:
        parser.error('give --pictures or --video')
    options.out_file.parent.mkdir(parents=True, exist_ok=True)
    options.out_file.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
