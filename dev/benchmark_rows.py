"""What goes into the parts ``methods`` and ``series`` of benchmark.py, and comes out: cells and rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional, Sequence


@dataclass
class Cell:
    """What to measure.

    Attributes:
        detector: A key of benchmark_detectors.DETECTORS, or ``own``.
        method: ``inference``, a method of mmlens, ``grad-cam:NAME``, ``mmyolo:NAME``, or a method of mmlens with
            the gradients of all boxes at once (``vmap:NAME``), or by whole backward passes (``whole:NAME``).
        boxes: How many detections to explain, the best ones.
        side: Sides of the input in pixels. Defaults to the config's, and to 320 for random weights.
        ratio: Share of the channels that AblationCAM ablates.
        repeat: Runs of the method and of plain inference each, at most.
        budget: Seconds after which no further run begins and a method of many passes is ended.
        device: Where to run. Defaults to CUDA if there is any.
        real: Folder of the trained detector and the photograph.
        old_gradcam: Folder with a grad-cam before 1.5, for MMYOLO.
        section: See :class:`Row`.
        own: Picture, config and checkpoint of the detector ``own``.
        autocast: ``bf16`` or ``fp16``: run all in torch's mixed precision.
    """

    detector: str
    method: str
    boxes: int = 3
    side: Optional[int] = None
    ratio: float = 1.0
    repeat: int = 5
    budget: float = 60.0
    device: Optional[str] = None
    real: Optional[str] = None
    old_gradcam: Optional[str] = None
    section: str = ''
    own: Optional[List[str]] = None
    autocast: Optional[str] = None


@dataclass
class Row:
    """What was measured.

    Attributes:
        detector, method, ratio: As in :class:`Cell`.
        section: What grows, if this is part of a series: ``boxes``, ``channels`` or ``side``; or ``windows``.
        boxes: How many detections were explained.
        maps: How many maps that made: MMYOLO makes one of all boxes.
        side: Pixels of the input's longer side.
        channels: Of all levels of the neck.
        inference: Median seconds of a plain inference.
        seconds: Median seconds of the method; of what it did until it was ended, if that is less than all.
        passes: How often the network, or what follows the layer, was run, in ``seconds``.
        all_passes: How often the method would run it if it was not ended early.
        pace: Seconds that such a pass took, after the first ones.
        memory: MB above the loaded detector, at the method's peak.
        inference_memory: The same of a plain inference.
        multiplications: How many times those of a plain inference the method makes; ``None`` if it was ended early.
        reads: How often it reads a value from a tensor, beyond what a plain inference reads; each waits on a GPU.
        waits: How often it waits for the GPU, by torch's own count; ``None`` without one.
        remark: Why there are no figures.
    """

    detector: str
    method: str
    ratio: float = 1.0
    section: str = ''
    boxes: int = 0
    maps: int = 0
    side: int = 0
    channels: int = 0
    inference: Optional[float] = None
    seconds: Optional[float] = None
    passes: Optional[int] = None
    all_passes: Optional[int] = None
    pace: Optional[float] = None
    memory: Optional[float] = None
    inference_memory: Optional[float] = None
    multiplications: Optional[float] = None
    reads: Optional[int] = None
    waits: Optional[int] = None
    remark: str = ''

    @property
    def ended_early(self) -> bool:
        """Whether the time of the whole method is an estimate."""
        return self.passes is not None and self.all_passes is not None and self.passes < self.all_passes

    @property
    def whole(self) -> Optional[float]:
        """Seconds of the whole method, with what the passes that were not made would take; ``None`` if unknown."""
        if self.seconds is None or self.passes is None or self.all_passes is None or not self.ended_early:
            return self.seconds
        return None if self.pace is None else self.seconds + (self.all_passes - self.passes) * self.pace

    @property
    def ratio_to_inference(self) -> Optional[float]:
        """How many plain inferences the whole method costs."""
        return None if self.whole is None or not self.inference else self.whole / self.inference


def merged(old: List[Any], new: List[Any]) -> List[Any]:
    """Rows of several runs: those measured now take the places of older ones of the same kind, further ones follow."""

    def kind(row: Any) -> Any:
        return row.section, row.detector, row.method, row.ratio, row.section and (row.boxes, row.side)

    now = {kind(row): row for row in new}
    return [now.pop(kind(row), row) for row in old] + list(now.values())


def in_order(rows: List[Any], detectors: Sequence[str], methods: Sequence[str]) -> List[Any]:
    """Rows by detector, and of each by method, in the order of these; unknown ones last."""

    def place(names: Sequence[str], name: str) -> int:
        return list(names).index(name) if name in names else len(names)

    return sorted(rows, key=lambda row: (place(detectors, row.detector), place(methods, row.method)))
