"""Measures one method on one detector and prints what it found as a line of JSON; run by benchmark.py.

python dev/benchmark_cell.py '{"detector": "shapes-rtmdet", "method": "gradcam"}'
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from benchmark_rows import Cell, Row
from support_probe import Entry, dicts_in, enliven, reason, scale_pictures, shrink

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / 'projects' / 'shapes'
SIDE = 320  # pixels of the inputs of detectors with random weights
CANDIDATES = 50  # detections that a detector with random weights keeps


@dataclass
class Outcome:
    """What a run of a method did: see :class:`Row`."""

    boxes: int
    maps: int
    passes: Optional[int] = None
    all_passes: Optional[int] = None
    pace: Optional[float] = None


class Clock:
    """Watches a method's passes, and tells when to end.

    Args:
        deadline: When to end, by :func:`time.perf_counter`; but not before passes came in twice.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._seen: List[Tuple[float, int]] = []

    @property
    def passes(self) -> int:
        """How many were made."""
        return self._seen[-1][1] if self._seen else 0

    def see(self, passes: int) -> bool:
        """Note that so many passes are made.

        Returns:
            Whether to go on.
        """
        self._seen.append((time.perf_counter(), passes))
        return len(self._seen) < 2 or self._seen[-1][0] < self.deadline

    @property
    def pace(self) -> Optional[float]:
        """Seconds a pass, what comes before the first ones left out; ``None`` if they came in once at most."""
        if len(self._seen) < 2:
            return None
        (begin, first), (end, last) = self._seen[0], self._seen[-1]
        return (end - begin) / max(last - first, 1)


@dataclass
class Subject:
    """A detector with a picture."""

    detector: Any
    picture: Any


NEVER = float('inf')

# Ends when the clock shows the time that it is given.
Run = Callable[[float], Outcome]

# Name -> config, checkpoint and picture; a detector without checkpoint gets random weights.
DETECTORS: Dict[str, Tuple[str, Optional[str], str]] = {
    'yolox-nano': ('mmdet::yolox/yolox_nano_8xb8-300e_coco.py', 'yolox_nano_coco.pth', 'dog.jpg'),
    **{
        name.replace('_', '-'): (
            str(SHAPES / 'configs' / f'{name}.py'),
            str(SHAPES / 'checkpoints' / f'{name}.pth'),
            str(SHAPES / 'pictures' / '000005.jpg'),
        )
        for name in ('shapes_rtmdet', 'shapes_yolov5')
    },
    **{
        name: (config, None, str(SHAPES / 'pictures' / '000005.jpg'))
        for name, config in (
            ('yolov5-s', 'mmyolo::yolov5/yolov5_s-v61_syncbn_fast_8xb16-300e_coco.py'),
            ('rtmdet-s', 'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py'),
            ('faster-rcnn', 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'),
            ('dino', 'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'),
        )
    },
}


def load(cell: Cell) -> Subject:
    """Build the cell's detector; one with random weights is the same in each process."""
    import torch

    import mmlens
    from mmlens.models.loading import read_config

    torch.manual_seed(0)  # weights that no init_cfg sets are drawn when modules are made
    config, checkpoint, picture = DETECTORS[cell.detector]
    if checkpoint is None:
        cfg = shrink(Entry(cell.detector, config))
        scale_pictures(cfg, cell.side or SIDE)
        detector = mmlens.load_detector(cfg, device=cell.device)
        enliven(detector, picture)
        keep_the_best(detector, picture)
        return Subject(detector, picture)
    cfg = read_config(config)
    if cell.side:
        scale_pictures(cfg, cell.side)
    folder = Path(cell.real or '')  # a path that begins at the root stays as it is
    return Subject(mmlens.load_detector(cfg, folder / checkpoint, device=cell.device), str(folder / picture))


def keep_the_best(detector: Any, picture: Any) -> None:
    """Raise the thresholds so that as many candidates are left as with trained weights.

    Random weights score everything alike: with thresholds of 0 hundreds of thousands of candidates would be sorted.
    """
    import torch

    with torch.no_grad():
        scores = detector.predict(detector.prepare(picture)).scores
    threshold = float(scores[:CANDIDATES][-1]) * (1 - 1e-6)
    for module in detector.model.modules():
        for node in dicts_in(getattr(module, 'test_cfg', None) or {}):
            if 'score_thr' in node:
                node['score_thr'] = threshold


def measure(cell: Cell) -> Row:
    """Time a method and plain inference in turns, after a run of each that does not count unless it is all there is."""
    from measure_speed import seconds

    subject = load(cell)
    row = Row(cell.detector, cell.method, cell.ratio)
    memory = Memory(next(subject.detector.model.parameters()).device)
    inference = plain_inference(subject)
    _, row.inference_memory = memory.peak_of(lambda: inference(NEVER))
    run = run_of(subject, cell)
    started = time.perf_counter()
    deadline = started + cell.budget
    (warm_up, outcome), row.memory = memory.peak_of(lambda: seconds(run, deadline))
    inferences: List[float] = []
    runs: List[float] = []
    while len(inferences) < cell.repeat:
        # What comes first in a turn comes last in the next.
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
    return row


def sizes(subject: Subject) -> Tuple[int, int]:
    """The input's longer side, and how many channels all levels of the neck have."""
    import mmlens

    (layer,) = subject.detector.default_layers
    found = mmlens.feature_maps(subject.detector, subject.picture, layers=[layer], score_thr=1.1)
    size = subject.detector.prepare(subject.picture).input_size
    return max(size), sum(level.shape[0] for level in found)


def run_of(subject: Subject, cell: Cell) -> Run:
    """What runs a cell's method once."""
    import benchmark_others

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


def plain_inference(subject: Subject) -> Run:
    """mmdet's own function."""
    from mmdet.apis import inference_detector
    from mmengine.registry import init_default_scope

    model = subject.detector.model
    init_default_scope(model.cfg.get('default_scope') or 'mmdet')

    def run(deadline: float) -> Outcome:
        inference_detector(model, subject.picture)
        return Outcome(0, 0, 1, 1)

    return run


def mmlens_run(subject: Subject, cell: Cell) -> Run:
    """``explain_boxes``, all boxes by one call."""
    import mmlens

    options = {'ratio_channels_to_ablate': cell.ratio} if cell.method == 'ablationcam' else None

    def run(deadline: float) -> Outcome:
        clock, totals = Clock(deadline), [0]

        def progress(done: int, total: int) -> bool:
            totals.append(total)
            return clock.see(done)

        found = mmlens.explain_boxes(
            subject.detector,
            subject.picture,
            method=cell.method,
            score_thr=0.0,
            topk=cell.boxes,
            method_options=options,
            progress=progress,
        )
        # A method of one pass with gradients has its backward passes only.
        return Outcome(len(found), len(found), found.passes or None, max(totals) or None, clock.pace)

    return run


class Memory:
    """Peaks above what is in use when it is made, in MB: of the process, or of the GPU's tensors."""

    def __init__(self, device: Any) -> None:
        self._cuda = device if device.type == 'cuda' else None
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # glibc alone keeps what was freed, and has this
            ctypes.CDLL(None).malloc_trim(0)
        self._before = self._now()

    def peak_of(self, function: Callable[[], Any]) -> Tuple[Any, float]:
        """What a function returns, and the peak while it runs."""
        self._forget_peak()
        result = function()
        return result, round(self._peak() - self._before, 1)

    def _now(self) -> float:
        if self._cuda:
            import torch

            return torch.cuda.memory_allocated(self._cuda) / 1e6
        return _of_process('VmRSS')

    def _peak(self) -> float:
        if self._cuda:
            import torch

            return torch.cuda.max_memory_allocated(self._cuda) / 1e6
        return _of_process('VmHWM')

    def _forget_peak(self) -> None:
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats(self._cuda)
        elif os.access('/proc/self/clear_refs', os.W_OK):
            Path('/proc/self/clear_refs').write_text('5', encoding='ascii')


def _of_process(name: str) -> float:
    """A figure of this process in MB: on Linux the one named, elsewhere the largest ever."""
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
        except Exception as error:  # whatever a method of anybody's raises on a detector is what the table is for
            row = Row(cell.detector, cell.method, cell.ratio, remark=reason(error))
    print(json.dumps(asdict(row)))


if __name__ == '__main__':
    measure_and_print(Cell(**json.loads(sys.argv[1])))
