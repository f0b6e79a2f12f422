"""What goes into benchmark.py and comes out: cells, rows, and the file of rows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import List, Optional, Sequence


@dataclass
class Cell:
    """What to measure.

    Attributes:
        detector: A key of benchmark_detectors.DETECTORS.
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


@dataclass
class Row:
    """What was measured.

    Attributes:
        detector, method, ratio: As in :class:`Cell`.
        section: What grows, if this is part of a series: ``boxes``, ``channels`` or ``side``.
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


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the figures as JSON."""
    from mmlens.files import write_atomically

    with write_atomically(path) as temporary:
        Path(temporary).write_text(json.dumps([asdict(row) for row in rows], indent=1) + '\n', encoding='utf-8')


def read_rows(path: Path) -> List[Row]:
    """What :func:`write_rows` wrote."""
    return [Row(**row) for row in json.loads(path.read_text(encoding='utf-8'))]
