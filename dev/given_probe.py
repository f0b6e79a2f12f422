"""Gives one detector its own boxes back and prints whether they lead to the same maps; run by given_table.py.

python dev/given_probe.py '{"detector": "RetinaNet", "config": "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"}'
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Optional

from support_probe import Entry, enliven, reason, shrink, synthetic_picture

BOXES = 3


@dataclass
class Row:
    """What became of one config.

    Attributes:
        detector: What people call it.
        config: Its name, as mmlens takes it.
        boxes: How many detections were given back; those in the padding and those without area cannot be.
        candidate: Whether each led to a candidate with its box, and that to the detection's rank.
        score: Whether the candidate's score is the detection's; soft suppression lowers that of detections.
        same: Whether each raw map is the detection's, bit by bit.
        plain: Seconds of the maps of the detections.
        given: Seconds of the maps of the given boxes.
        remark: Why something is wrong.
    """

    detector: str
    config: str
    boxes: int = 0
    candidate: Optional[bool] = None
    score: Optional[bool] = None
    same: Optional[bool] = None
    plain: Optional[float] = None
    given: Optional[float] = None
    remark: str = ''

    @property
    def works(self) -> bool:
        """Whether everything holds."""
        return bool(self.boxes and self.candidate and self.score and self.same)


def probe(entry: Entry) -> Row:
    """Explain the best boxes of a detector with random weights, and then the same boxes as given ones."""
    import mmlens

    row = Row(entry.detector, entry.config)
    detector = mmlens.load_detector(shrink(entry), device='cpu')
    picture = synthetic_picture()
    enliven(detector, picture)
    started = time.perf_counter()
    found = mmlens.explain_boxes(detector, picture, score_thr=0.0, topk=BOXES)
    row.plain = round(time.perf_counter() - started, 1)
    boxes = [box for box in found if can_be_given(box.box, picture)]
    started = time.perf_counter()
    given = mmlens.explain_boxes(
        detector, picture, boxes=[box.box for box in boxes], labels=[box.label for box in boxes]
    )
    row.given = round(time.perf_counter() - started, 1)
    compare(row, boxes, list(given))
    return row


def can_be_given(box: Any, picture: Any) -> bool:
    """Whether a box has an area, a part of it in the picture."""
    x1, y1, x2, y2 = box
    return bool(x1 < x2 and y1 < y2 and x2 > 0 and y2 > 0 and x1 < picture.shape[1] and y1 < picture.shape[0])


def compare(row: Row, found: Any, given: Any) -> None:
    """Write into the row what the boxes of both have in common."""
    import numpy as np

    row.boxes = len(found)
    pairs = list(zip(found, given))
    row.candidate = all(same_box(one, other) and one.index == other.index for one, other in pairs)
    row.score = all(one.score == other.score for one, other in pairs)
    row.same = all(np.array_equal(one.raw, other.raw) for one, other in pairs)
    off = [f'{other.overlap:.4f}' for one, other in pairs if not same_box(one, other)]
    if off:
        row.remark += f'IoU with the candidate {", ".join(off)}. '
    apart = [np.abs(one.raw - other.raw).max() / max(one.raw.max(), 1e-30) for one, other in pairs]
    if any(apart):
        row.remark += f'Raw maps differ by {max(apart):.1g} of their maximum. '


def same_box(one: Any, other: Any) -> bool:
    """Whether a given box led to a candidate with the same edges."""
    import numpy as np

    return other.candidate is not None and np.allclose(one.box, other.candidate, atol=1e-2)


def probe_and_print(entry: Entry) -> None:
    """Write the row of one config as the last line on stdout; a failure becomes its remark."""
    with contextlib.redirect_stdout(sys.stderr):
        try:
            row = probe(entry)
        except Exception as error:  # the table is there to show whatever a detector raises
            row = Row(entry.detector, entry.config, candidate=False, remark=reason(error))
    print(json.dumps(asdict(row), default=float))


if __name__ == '__main__':
    probe_and_print(Entry(**json.loads(sys.argv[1])))
