"""What boxes of a large picture and many pictures take, in memory and time: parts of benchmark.py.

Each number of boxes or pictures is measured in a process of its own. Time is the processor's, so that other work on the
machine counts little.

python dev/benchmark_memory.py '{"what": "boxes", "number": 10, "way": "evidencecam", "megapixels": 12}'
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import cv2
from benchmark_cell import of_process
from tables import ask_own_process, table

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / 'projects' / 'shapes'
# Lets boxes through that score next to nothing, and those that lie on each other. A threshold of 0 cuts YOLOv5's graph.
ALL = {'model.test_cfg.score_thr': 1e-9, 'model.test_cfg.nms.iou_threshold': 0.95, 'model.test_cfg.max_per_img': 300}
# Ways of explaining boxes: by mmlens as it is; with every map laid over the picture and kept; by pytorch-grad-cam.
LAID_OUT, PEER = 'evidencecam, maps laid out', 'grad-cam:GradCAM'
WAYS = {'evidencecam': (1, 10, 100), LAID_OUT: (1, 10), PEER: (1, 10)}  # 100 take 10 GB, or five minutes
PEERS_DETECTOR = 'shapes_yolov5'  # the post-processing of the other one cuts the graph, which GradCAM needs
DISTINCT = 50  # pictures, which repeat


def peak() -> int:
    """Most memory that this process has had, in MB; what it was started by does not count."""
    return round(of_process('VmHWM'))


def _load(name: str) -> Any:
    import torch

    import mmlens

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    files = str(SHAPES / 'configs' / f'{name}.py'), str(SHAPES / 'checkpoints' / f'{name}.pth')
    return mmlens.load_detector(*files, device='cpu', cfg_options=ALL)


def _scene(index: int) -> Any:
    sys.path.insert(0, str(ROOT))
    from projects.shapes.scenes import draw_scene

    return draw_scene(1, index).picture


# ---------------------------------------------------------------- boxes


def explain_boxes(number: int, megapixels: float, way: str) -> Dict[str, Any]:
    """Explain and draw boxes of an enlarged picture in this process: seconds of both, and the peak in MB."""
    detector = _load(PEERS_DETECTOR if way in (PEER, 'gradcam') else 'shapes_rtmdet')
    scene = _scene(0)
    scale = (megapixels * 1e6 / (scene.shape[0] * scene.shape[1])) ** 0.5
    picture = cv2.resize(scene, None, fx=scale, fy=scale)
    explain, draw = _peer(detector, picture, number) if way == PEER else _ours(detector, picture, number, way)
    begin = time.process_time()
    explained = explain()
    between = time.process_time()
    draw(explained)
    ended = time.process_time()
    found = dict(way=way, boxes=len(explained), explaining=round(between - begin, 3))
    return dict(found, drawing=round(ended - between, 3), peak=peak())


def _ours(detector: Any, picture: Any, number: int, way: str) -> Tuple[Callable[[], Any], Callable[[Any], Any]]:
    import mmlens

    def explain() -> Any:
        method = way.split(',')[0]
        explained = mmlens.explain_boxes(detector, picture, method=method, score_thr=0.0, topk=number)
        if way == LAID_OUT:
            for box in explained:
                box.raw, box.normalised = box.raw, box.normalised  # as arrays, not to be made when they are looked at
        return explained

    return explain, lambda explained: explained.draw()


def _peer(detector: Any, picture: Any, number: int) -> Tuple[Callable[[], Any], Callable[[Any], Any]]:
    """As pytorch-grad-cam's tutorials do: a map of the input's size for each box, each laid over the picture."""
    from benchmark_detectors import Subject
    from benchmark_others import gradcam_run
    from benchmark_rows import Cell
    from pytorch_grad_cam.utils.image import show_cam_on_image

    def explain() -> List[Any]:
        maps: List[Any] = []
        gradcam_run(Subject(detector, picture), Cell('', PEER, boxes=number), 'GradCAM', maps)(float('inf'))
        return maps

    def draw(maps: List[Any]) -> None:
        size = picture.shape[1::-1]
        for one in maps:
            show_cam_on_image(picture[..., ::-1] / 255.0, cv2.resize(one, size), use_rgb=True)

    return explain, draw


def measure_memory(options: argparse.Namespace) -> List[Dict[str, Any]]:
    """The part ``memory``: the boxes of a large picture, each number in each way in a process of its own."""
    rows = []
    for way, numbers in WAYS.items():
        megapixels, asked = (1, (1, 2)) if options.quick else (12, numbers)
        for turn, number in enumerate((asked[0], *asked)):
            job = dict(what='boxes', number=number, way=way, megapixels=megapixels)
            found, remark = ask_own_process('benchmark_memory.py', job, 600)
            if turn == 0:  # the first process spends time on finding memory that the next ones have at once
                continue
            rows.append(found or dict(way=way, boxes=number, remark=remark))
            print(f'memory {rows[-1]}', file=sys.stderr)
    return rows


def memory_table(rows: Sequence[Dict[str, Any]]) -> str:
    """A row for each way and number; memory and drawing beside those of the first number."""

    def first(row: Dict[str, Any]) -> Dict[str, Any]:
        return next(each for each in rows if each['way'] == row['way'])

    def a_further_box(row: Dict[str, Any]) -> str:
        more = row['boxes'] - first(row)['boxes']
        return f'{1000 * (row["drawing"] - first(row)["drawing"]) / more:.0f}' if more else ''

    def cell(value: Callable[[Dict[str, Any]], str]) -> Callable[[Dict[str, Any]], str]:
        return lambda row: '-' if row.get('remark') or first(row).get('remark') else value(row)

    columns = {
        'way': lambda row: row['way'],
        'boxes': lambda row: str(row['boxes']),
        'explaining, s': cell(lambda row: f'{row["explaining"]:.1f}'),
        'drawing, s': cell(lambda row: f'{row["drawing"]:.2f}'),
        'drawing a further box, ms': cell(a_further_box),
        'peak, MB': cell(lambda row: f'{row["peak"]:.0f}'),
        'more than the first, MB': cell(lambda row: f'{row["peak"] - first(row)["peak"]:.0f}'),
    }
    return table(rows, columns)


# ---------------------------------------------------------------- many pictures


def evaluate(number: int, method: str) -> Dict[str, Any]:
    """Evaluate some pictures and write all tables in this process; memory after the first, and the peak, in MB."""
    from mmlens import evaluation

    detector, peaks = _load('shapes_rtmdet'), []
    rows = [evaluation.read_row(method), *(row for row in evaluation.baselines(detector) if row.name == 'gaussian')]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [folder / f'{index}.png' for index in range(DISTINCT)]
        for index, path in enumerate(paths):
            cv2.imwrite(str(path), _scene(index))
        cases = [evaluation.bare_case(f'{index}', paths[index % DISTINCT]) for index in range(number)]
        options = dict(maps_only=True, folder=folder / 'kept', progress=lambda done, total: peaks.append(peak()))
        found = evaluation.evaluate_cases(detector, cases, rows, **options)
        means = evaluation.means_of(found)
        found.write_boxes(folder / 'boxes.csv')
        evaluation.write_pairs(evaluation.pairs_of(found), folder / 'pairs.csv')
        (folder / 'tables.md').write_text(evaluation.report(found, means), encoding='utf-8')
    return dict(pictures=number, boxes=len(found), after_some=peaks[len(peaks) // 10], peak=peak())


def measure_evaluate(options: argparse.Namespace) -> List[Dict[str, Any]]:
    """The part ``evaluate``: few pictures and many."""
    rows = []
    for number in (10, 20) if options.quick else (150, 600):
        asked = dict(what='evaluate', number=number, way='gradcam')
        found, remark = ask_own_process('benchmark_memory.py', asked, 1800)
        rows.append(found or dict(pictures=number, remark=remark))
        print(f'evaluate {rows[-1]}', file=sys.stderr)
    return rows


def evaluate_table(rows: Sequence[Dict[str, Any]]) -> str:
    """A row for each number of pictures."""
    columns = {
        'pictures': lambda row: str(row['pictures']),
        'boxes': lambda row: str(row.get('boxes', row.get('remark'))),
        'peak after a tenth, MB': lambda row: str(row.get('after_some', '-')),
        'peak, MB': lambda row: str(row.get('peak', '-')),
    }
    return table(rows, columns)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Be the process of one number."""
    (text,) = sys.argv[1:] if arguments is None else arguments
    asked = json.loads(text)
    if asked['what'] == 'boxes':
        print(json.dumps(explain_boxes(asked['number'], asked['megapixels'], asked['way'])))
    else:
        print(json.dumps(evaluate(asked['number'], asked['way'])))


if __name__ == '__main__':
    main()
