"""What benchmark_cell.py times: plain inference, and the box maps of mmlens."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Tuple

from benchmark_detectors import Subject
from benchmark_rows import Cell


@dataclass
class Outcome:
    """The outcome of running a method: see :class:`Row`."""

    boxes: int
    maps: int
    passes: Optional[int] = None
    all_passes: Optional[int] = None
    pace: Optional[float] = None


class Clock:
    """Watches a method's passes, and says when to stop.

    Args:
        deadline: When to stop, by :func:`time.perf_counter`, but not before two reports of passes.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._seen: List[Tuple[float, int]] = []

    @property
    def passes(self) -> int:
        """Number of passes made."""
        return self._seen[-1][1] if self._seen else 0

    def see(self, passes: int) -> bool:
        """Report the number of passes made.

        Returns:
            Whether to go on.
        """
        self._seen.append((time.perf_counter(), passes))
        return len(self._seen) < 2 or self._seen[-1][0] < self.deadline

    @property
    def pace(self) -> Optional[float]:
        """Seconds per pass, without what precedes the first ones; ``None`` before the second report."""
        if len(self._seen) < 2:
            return None
        (begin, first), (end, last) = self._seen[0], self._seen[-1]
        return (end - begin) / max(last - first, 1)


NEVER = float('inf')

# Runs until the time that it is given.
Run = Callable[[float], Outcome]


def seconds(function: Callable[..., Any], *args: Any) -> Tuple[float, Any]:
    """Seconds of a call, and what it returned; on a GPU between two events, when all that was queued has ended."""
    import torch

    if not torch.cuda.is_initialized():
        begin = time.perf_counter()
        result = function(*args)
        return time.perf_counter() - begin, result
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begun.record()
    result = function(*args)
    ended.record()
    ended.synchronize()
    return begun.elapsed_time(ended) / 1000, result


def mixed(run: Run, autocast: Optional[str], device: str) -> Run:
    """A run in torch's mixed precision: ``bf16`` or ``fp16``; ``None`` leaves it as it is."""
    if autocast is None:
        return run
    import torch

    kind = {'bf16': torch.bfloat16, 'fp16': torch.float16}[autocast]

    def within(deadline: float) -> Outcome:
        with torch.autocast(device, kind):
            return run(deadline)

    return within


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
        # A one-pass method with gradients makes backward passes only.
        return Outcome(len(found), len(found), found.passes or None, max(totals) or None, clock.pace)

    return run
