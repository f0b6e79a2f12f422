"""Do maps show what a box's class was told by: what stands beside it, both of its marks, or a watermark?

    python -m projects.shapes.evidence_pointing evidence_rtmdet [--method layercam --layers backbone.stage1]

What counts are detections on held-out pictures of the evidence set with a score of at least 0.5, one an object: the
best of those that overlap it by an IoU of at least 0.5 and have one of the classes that share its body. Half of the
cards bear the watermark, whatever their class.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mmlens
from mmlens.metrics import NEAR, EvidenceHit, bootstrap, evidence_hit, iou

from .evidence import CLASSES, KINDS, EvidenceScene, draw_scene, kind_of
from .evidence_dataset import SPLITS
from .train import EVIDENCE, HERE

OPTIONS = ('method', 'layers', 'fusion', 'against')
"""What is handed on to :func:`mmlens.explain_boxes`, if it is given."""

LIT = 0.5
"""A mark is shown if the map reaches this share of its maximum on it."""


@dataclass
class Shown:
    """What one box's map shows of what is known about its object.

    Attributes:
        picture: Number of the picture.
        kind: The object's kind of evidence.
        label: Its class.
        named: The class of the detection.
        evidence: How the map lies to all that tells the class.
        lit: For how many of the object's pieces of evidence the map reaches half of its maximum.
        parts: How many there are.
        stamped: Whether the object bears the watermark.
        stamp: How the map lies to where the watermark is or would be; ``None`` for objects that never bear it.
    """

    picture: int
    kind: str
    label: int
    named: int
    evidence: EvidenceHit
    lit: int
    parts: int
    stamped: bool
    stamp: Optional[EvidenceHit]


def object_of(found: mmlens.BoxMap, scene: EvidenceScene) -> Optional[int]:
    """The object of a scene that a detection lies on, if it has one of the classes that share the object's body."""
    overlap = iou(found.box, scene.boxes) * np.isin(scene.labels, KINDS[kind_of(found.label)])
    return int(overlap.argmax()) if len(overlap) and overlap.max() >= 0.5 else None


def shown(explanation: mmlens.BoxExplanation, scene: EvidenceScene, picture: int) -> Iterator[Shown]:
    """Compare the maps of a picture with the truth, one map an object."""
    best: Dict[int, mmlens.BoxMap] = {}
    for found in explanation:  # the best score first
        number = object_of(found, scene)
        if number is not None:
            best.setdefault(number, found)
    for number, found in best.items():
        box, parts = scene.boxes[number], [part for part in scene.part_masks[number] if part.any()]
        reached = [found.raw[part].max() >= LIT * found.raw.max() > 0 for part in parts]
        stamp = scene.stamp_masks[number]
        yield Shown(
            picture,
            kind_of(found.label),
            int(scene.labels[number]),
            found.label,
            evidence_hit(found.raw, scene.mark_masks[number], box),
            int(np.sum(reached)),
            len(parts),
            bool(scene.stamped[number]),
            evidence_hit(found.raw, stamp, box) if stamp.any() else None,
        )


def explained(detector: Any, pictures: Sequence[int], options: Dict[str, Any]) -> List[Shown]:
    """Explain held-out pictures, and compare the maps with the truth."""
    found: List[Shown] = []
    for index in track(pictures, transient=True, console=Console(stderr=True)):
        scene = draw_scene(SPLITS['held_out'][0], index)
        explanation = mmlens.explain_boxes(detector, scene.picture, score_thr=0.5, **options)
        found += shown(explanation, scene, index)
    return found


def _interval(values: Sequence[float], boxes: Sequence[Shown]) -> str:
    interval = bootstrap(values, [box.picture for box in boxes])
    return f'{interval.mean:.2f} ({interval.low:.2f} to {interval.high:.2f})'


def evidence_table(found: Sequence[Shown]) -> Table:
    """How right detections' maps lie to the evidence, a row a kind."""
    table = Table(title='Maps of right detections, and the evidence for their class; 95 % intervals')
    table.add_column('evidence')
    for heading in ('boxes', 'blank', 'peak on it', f'within {NEAR}', 'share on it', 'all parts lit'):
        table.add_column(heading, justify='right')
    for kind in KINDS:
        boxes = [box for box in found if box.kind == kind and box.named == box.label]
        if boxes:
            hits = [box.evidence for box in boxes]
            columns: List[List[float]] = [[getattr(hit, name) for hit in hits] for name in ('exact', 'near', 'share')]
            columns.append([float(box.lit == box.parts) for box in boxes])
            blank = sum(np.isinf(hit.distance) for hit in hits)
            table.add_row(kind, str(len(boxes)), str(blank), *(_interval(column, boxes) for column in columns))
    return table


def watermark_table(found: Sequence[Shown]) -> Table:
    """How the maps of cards lie to their own mark and to the watermark, a row for each case that occurs."""
    table = Table(title='Maps of cards: their own mark, and where the watermark is or would be')
    for heading in ('named', 'mark of', 'watermark'):
        table.add_column(heading)
    for heading in ('cards', 'peak on mark', 'share on mark', 'peak on watermark', 'share on watermark'):
        table.add_column(heading, justify='right')
    for key in sorted({(box.named, box.label, box.stamped) for box in found if box.stamp is not None}):
        boxes = [box for box in found if (box.named, box.label, box.stamped) == key]
        hits = [(box.evidence, box.stamp) for box in boxes]
        means = np.mean([(own.exact, own.share, stamp.exact, stamp.share) for own, stamp in hits], axis=0)
        named, label, stamped = key
        row = (CLASSES[named], CLASSES[label], 'yes' if stamped else 'no', str(len(boxes)))
        table.add_row(*row, *(f'{mean:.2f}' for mean in means))
    return table


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Do maps show the evidence for a class, and the watermark?')
    parser.add_argument('name', choices=EVIDENCE)
    parser.add_argument('--checkpoint', type=Path, help='default: the one in the repository')
    parser.add_argument('--method', help="default: mmlens's own")
    parser.add_argument('--layers', nargs='+', help="default: the method's own")
    parser.add_argument('--fusion', help="default: the method's own")
    parser.add_argument('--against', help='explain why the class and not this one, or auto; default: no other')
    parser.add_argument('--first', type=int, default=0, help='number of the first picture; default: %(default)s')
    parser.add_argument('--count', type=int, default=60, help='held-out pictures; default: %(default)s')
    wishes = parser.parse_args(arguments)
    checkpoint = wishes.checkpoint or HERE / 'checkpoints' / f'{wishes.name}.pth'
    detector = mmlens.load_detector(HERE / 'configs' / f'{wishes.name}.py', checkpoint)
    options = {name: getattr(wishes, name) for name in OPTIONS if getattr(wishes, name)}
    found = explained(detector, range(wishes.first, wishes.first + wishes.count), options)
    console = Console(width=130)
    console.print(evidence_table(found))
    console.print(watermark_table(found))


if __name__ == '__main__':
    main()
