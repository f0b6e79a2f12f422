"""Many pictures and videos, in turns beside plain inference and one picture after the other: parts of benchmark.py.

Plain inference is: the picture put through pipeline and detector without gradients, its boxes drawn, the drawing
written. Each side runs in processes of its own, alternately, once on everything and once on a single picture or frame,
which is taken off: what is left is the time of the others. Only ratios are to be compared between machines.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from tables import table

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / 'projects' / 'shapes'
MODEL = [str(SHAPES / 'configs' / 'shapes_rtmdet.py'), str(SHAPES / 'checkpoints' / 'shapes_rtmdet.pth')]

PLAIN = """
import sys
from pathlib import Path
import torch
from mmlens import load_detector
from mmlens.files import write_picture
from mmlens.rendering.colours import label_colours
from mmlens.rendering.marks import Mark, draw_marks
from mmlens.cli.video import VideoReader, VideoWriter

source, config, checkpoint, out, *device = sys.argv[1:]
detector = load_detector(config, checkpoint, device=device[0] if device else None)

def drawn(picture):
    prepared = detector.prepare(picture)
    with torch.no_grad():
        found = detector.predict(prepared)
    keep = found.scores >= 0.3
    labels, boxes = found.labels[keep].tolist(), found.boxes[keep].cpu().numpy()
    names = [f'{detector.class_name(label)} {score:.2f}' for label, score in zip(labels, found.scores[keep].tolist())]
    marks = [Mark(box, colour, name) for box, colour, name in zip(boxes, label_colours(labels), names)]
    return draw_marks(prepared.picture, marks) if marks else prepared.picture

detector.model.eval()
if Path(source).is_dir():
    for path in sorted(Path(source).iterdir()):
        write_picture(Path(out) / path.name, drawn(path))
else:
    reader = VideoReader(Path(source))
    with VideoWriter(str(Path(out) / 'plain.mp4'), reader.rate, reader.size) as writer:
        for frame in reader:
            writer.write(drawn(frame))
"""
# What boxam did before it read ahead and shared pictures out among processes, and what a loop of one's own does.
IN_ORDER = """
import sys
from pathlib import Path
from mmlens import explain_boxes, load_detector
from mmlens.files import write_picture

source, config, checkpoint, out, *device = sys.argv[1:]
detector = load_detector(config, checkpoint, device=device[0] if device else None)
for path in sorted(Path(source).iterdir()):
    write_picture(Path(out) / path.name, explain_boxes(detector, path).draw())
"""

# How many pictures or frames -> the words of a Python process that works on so many.
Side = Callable[[int], List[str]]
Figures = Dict[str, List[Dict[str, float]]]
PLAIN_SIDE = 'plain inference'


# ---------------------------------------------------------------- sides in turns


def seconds(words: Sequence[str]) -> Tuple[float, float]:
    """Seconds on the clock, and of all its processors, that a process and those it starts take."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, used


def net(words_of: Side, number: int) -> Dict[str, float]:
    """Pictures a second, and processor seconds a picture, without the start and the first picture."""
    (whole, used), (first, used_first) = seconds(words_of(number)), seconds(words_of(1))
    return {'rate': (number - 1) / max(whole - first, 1e-9), 'cpu': (used - used_first) / (number - 1)}


def compare(sides: Dict[str, Side], number: int, pairs: int) -> Figures:
    """Figures of each side, alternately; whoever goes first in one round goes last in the next."""
    found: Figures = {name: [] for name in sides}
    for turn in range(pairs):
        for name in list(sides) if turn % 2 == 0 else reversed(list(sides)):
            found[name].append(net(sides[name], number))
            figures = {key: round(value, 4) for key, value in found[name][-1].items()}
            print(f'{turn + 1}/{pairs} {name}: {figures}', file=sys.stderr)
    return found


def ratio(found: Figures, name: str, key: str = 'rate') -> float:
    """Median over the pairs of a side's figure over that of plain inference."""
    return statistics.median(own[key] / plain[key] for own, plain in zip(found[name], found[PLAIN_SIDE]))


def rows_of(found: Figures, number: int) -> List[Dict[str, Any]]:
    """A row for each side."""
    rows = []
    for name in found:
        rates = statistics.median(each['rate'] for each in found[name])
        shares = dict(ratio=round(ratio(found, name), 3), cpu=round(ratio(found, name, 'cpu'), 3))
        rows.append(dict(name=name, number=number, pairs=len(found[name]), rate=round(rates, 2), **shares))
    return rows


def many_table(rows: Sequence[Dict[str, Any]]) -> str:
    """The rates of all sides, beside plain inference's."""
    columns = {
        '': lambda row: row['name'],
        'a second': lambda row: f'{row["rate"]:.1f}',
        'times plain inference': lambda row: f'{row["ratio"]:.2f}',
        "the processors' seconds, times plain inference": lambda row: f'{row["cpu"]:.2f}',
    }
    return table(rows, columns)


# ---------------------------------------------------------------- what they work on


def pictures_in(folder: Path, number: int) -> Path:
    """So many pictures of the shapes, written into a new folder."""
    import cv2

    folder.mkdir()
    for index, picture in zip(range(number), _scenes()):
        cv2.imwrite(str(folder / f'{index:04d}.png'), picture)
    return folder


def video_in(path: Path, number: int) -> Path:
    """A video of 1280 x 720 pixels: so many pictures of the shapes, each shown for ten frames."""
    import cv2

    from mmlens.cli.video import VideoWriter

    with VideoWriter(str(path), 25.0) as writer:
        for index, picture in zip(range((number + 9) // 10), _scenes()):
            frame = cv2.resize(picture, (1280, 720), interpolation=cv2.INTER_CUBIC)
            for _ in range(min(10, number - 10 * index)):
                writer.write(frame)
    return path


def _scenes() -> Iterator[Any]:
    sys.path.insert(0, str(ROOT))
    from projects.shapes.scenes import draw_scene

    index = 0
    while True:
        yield draw_scene(1, index).picture
        index += 1


def _sides(whole: Path, first: Path, out: Path, device: Optional[str], codes: Dict[str, Any]) -> Dict[str, Side]:
    """Sides by name: the code of a script, or the options of ``mmlens boxam``."""
    where = [device] if device else []

    def side(code: Any) -> Side:
        def words(number: int) -> List[str]:
            source = str(first if number == 1 else whole)
            if isinstance(code, str):
                return ['-c', code, source, *MODEL, str(out), *where]
            options = [*(['--device', *where] if where else []), '--out-dir', str(out), *code]
            return ['-m', 'mmlens', 'boxam', source, *MODEL, *options]

        return words

    return {name: side(code) for name, code in codes.items()}


GRADCAM = ('--method', 'gradcam', '--target-layers', 'neck')


def measure_pictures(options: argparse.Namespace) -> List[Dict[str, Any]]:
    """The part ``pictures``: a folder of them."""
    number = 8 if options.quick else 100
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'out').mkdir()
        whole, first = pictures_in(folder / 'whole', number), pictures_in(folder / 'first', 1)
        workers = ('--workers', str(options.workers))
        codes: Dict[str, Any] = {PLAIN_SIDE: PLAIN, 'evidencecam, one picture after the other': IN_ORDER}
        codes.update({'evidencecam, mmlens boxam': workers, 'gradcam, mmlens boxam': (*GRADCAM, *workers)})
        sides = _sides(whole, first, folder / 'out', options.device, codes)
        found = compare(sides, number, 1 if options.quick else options.pairs)
    return rows_of(found, number)


def measure_video(options: argparse.Namespace) -> List[Dict[str, Any]]:
    """The part ``video``."""
    number = 10 if options.quick else 60
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'out').mkdir()
        whole, first = video_in(folder / 'whole.mp4', number), video_in(folder / 'first.mp4', 1)
        codes: Dict[str, Any] = {
            PLAIN_SIDE: PLAIN,
            'gradcam, mmlens boxam': (*GRADCAM, '--workers', str(options.workers)),
        }
        codes['gradcam, mmlens boxam, one process'] = (*GRADCAM, '--workers', '1')
        sides = _sides(whole, first, folder / 'out', options.device, codes)
        found = compare(sides, number, 1 if options.quick else options.pairs)
    return rows_of(found, number)


# ---------------------------------------------------------------- through the network together


def measure_batches(options: argparse.Namespace) -> List[Dict[str, Any]]:
    """The part ``batches``: pictures of one size alone, and four at a time, in turns in this process."""
    import mmlens

    number, repeat = (4, 1) if options.quick else (16, options.repeat)
    detector = mmlens.load_detector(*MODEL, device=options.device)
    with tempfile.TemporaryDirectory() as name:
        paths = sorted(pictures_in(Path(name) / 'pictures', number).iterdir())
        rows = []
        for method in ('gradcam', 'evidencecam'):
            taken: Dict[int, List[float]] = {1: [], 4: []}
            for turn in range(repeat + 1):
                for size in sorted(taken, reverse=bool(turn % 2)):
                    begin = time.perf_counter()
                    boxes = sum(
                        len(found) for found in mmlens.explain_boxes(detector, paths, method=method, batch_size=size)
                    )
                    taken[size].append(time.perf_counter() - begin)
            ratios = [alone / together for alone, together in zip(taken[1][1:], taken[4][1:])]
            rows.append(dict(method=method, pictures=number, boxes=boxes, ratio=round(statistics.median(ratios), 3)))
    return rows


def batches_table(rows: Sequence[Dict[str, Any]]) -> str:
    """How many times as long pictures take alone."""
    columns = {
        'method': lambda row: f'`{row["method"]}`',
        'pictures': lambda row: str(row['pictures']),
        'boxes': lambda row: str(row['boxes']),
        'alone, times four at a time': lambda row: f'{row["ratio"]:.2f}',
    }
    return table(rows, columns)
