"""Does a box's map peak on the mark that defines its class? A table by method and layer.

    python -m projects.shapes.mark_pointing shapes_rtmdet [--methods gradcam eigencam] [--layers neck backbone.stage2]
    python -m projects.shapes.mark_pointing shapes_rtmdet --methods evidencecam --layers auto --against pair

Only a mark distinguishes the classes of a pair, so the evidence for such a class is known. What counts are correct
detections of mark classes on held-out pictures: score at least 0.5, and IoU at least 0.5 with an object of that class.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mmlens
from mmlens import metrics
from mmlens.metrics.evidence import distance_to, size_of
from mmlens.metrics.regions import pixels_in

from .scenes import CLASSES, MARK_CLASSES, PAIRS, Scene, draw_scene
from .train import HERE, NAMES

METHODS = ('gradcam', 'gradcam++', 'layercam', 'hirescam', 'xgradcam', 'eigengradcam', 'eigencam')
LAYERS = ('neck', 'backbone.stage3', 'backbone.stage2', 'backbone.stage1')
HELD_OUT_SEED = 1
AUTO, PAIR = 'auto', 'pair'


@dataclass
class Tally:
    """The tally over the boxes of one method and layer.

    Attributes:
        peaks: For each box, the distance from the map's peak to the mark, in units of the object's size (0: on it).
        shares: For each box, the share of the map's sum that lies on the mark.
        blank: How many maps were blank; they count as misses.
    """

    peaks: List[float]
    shares: List[float]
    blank: int = 0


def object_of(box: np.ndarray, label: int, scene: Scene) -> Optional[int]:
    """The object of a scene that a detection of a mark class found; ``None`` if the detection is wrong."""
    if label not in MARK_CLASSES or not len(scene.boxes):
        return None
    matches = np.where(scene.labels == label, metrics.iou(box, scene.boxes), 0)
    best = int(matches.argmax())
    return best if matches[best] >= 0.5 else None


def right_maps(explanation: mmlens.BoxExplanation, scene: Scene) -> Iterator[Tuple[mmlens.BoxMap, int]]:
    """The maps of correct detections of mark classes, each with the index of its object."""
    for found in explanation:
        number = object_of(found.box, found.label, scene)
        if number is not None:
            yield found, number


def explained(
    detector: object, scene: Scene, against: Optional[str], **options: Any
) -> Iterator[mmlens.BoxExplanation]:
    """The boxes of a scene: all at once, or class by class, each against the other of its pair.

    What is contrasted with another class of the same body has its evidence in the mark alone. The class that scores
    second, ``'auto'``, may be one of another body, which speaks from the outline as well.
    """
    if against != PAIR:
        yield mmlens.explain_boxes(detector, scene.picture, score_thr=0.5, against=against, **options)
        return
    for pair in PAIRS:
        for label, other in (pair, pair[::-1]):
            wanted: Dict[str, Any] = dict(classes=[CLASSES[label]], against=[CLASSES[other]])
            yield mmlens.explain_boxes(detector, scene.picture, score_thr=0.5, **wanted, **options)


def tally(detector: object, scenes: Sequence[Scene], method: str, layer: str, against: Optional[str] = None) -> Tally:
    """Explain the scenes' pictures with one method at one layer, and compare the maps with the marks."""
    counted = Tally([], [])
    for scene in track(scenes, f'{method} {layer}', transient=True, console=Console(stderr=True)):
        for explanation in explained(detector, scene, against, method=method, layers=[layer]):
            for found, number in right_maps(explanation, scene):
                hit = metrics.evidence_hit(found.raw, scene.mark_masks[number], scene.boxes[number])
                counted.peaks.append(hit.distance)
                counted.shares.append(hit.share)
                counted.blank += bool(found.blank)
    return counted


def chance(scenes: Sequence[Scene]) -> Tuple[float, float]:
    """How often a random pixel of a box lies on its mark, and within :data:`mmlens.metrics.NEAR` of it.

    The mean over all marked objects, each with every pixel of its box as the peak.
    """
    exact, near = [], []
    for scene in scenes:
        for box, mark in zip(scene.boxes, scene.mark_masks):
            if mark.any():
                rows, columns = pixels_in(box, mark.shape)
                inside = distance_to(mark)[rows, columns] / size_of(box)
                exact.append(float((inside == 0).mean()))
                near.append(float((inside <= metrics.NEAR).mean()))
    return float(np.mean(exact)), float(np.mean(near))


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='How often do maps of mark classes peak on the mark?')
    parser.add_argument('name', choices=NAMES)
    parser.add_argument('--checkpoint', type=Path, help='default: the one in the repository')
    parser.add_argument('--methods', nargs='+', default=METHODS, help='default: all of one forward pass')
    parser.add_argument('--layers', nargs='+', default=LAYERS, help='default: the neck and three backbone stages')
    parser.add_argument('--count', type=int, default=60, help='held-out pictures; default: %(default)s')
    parser.add_argument(
        '--against', choices=(AUTO, PAIR), help='contrast each box with the class that scores second, or with its twin'
    )
    parser.add_argument('--start', type=int, default=0, help='number of the first picture; default: %(default)s')
    wishes = parser.parse_args(arguments)
    checkpoint = wishes.checkpoint or HERE / 'checkpoints' / f'{wishes.name}.pth'
    detector = mmlens.load_detector(HERE / 'configs' / f'{wishes.name}.py', checkpoint)
    scenes = [draw_scene(HELD_OUT_SEED, index) for index in range(wishes.start, wishes.start + wishes.count)]

    table = Table(title=f'{wishes.name}: maps of mark classes, {wishes.count} held-out pictures')
    for heading in (
        'method',
        'layer',
        'boxes',
        'blank',
        'peak on the mark',
        f'within {metrics.NEAR} of it',
        'share on it',
    ):
        table.add_column(heading, justify='left' if heading in ('method', 'layer') else 'right')
    exact, near = chance(scenes)
    table.add_row('chance', 'within the box', '', '', f'{exact:.2f}', f'{near:.2f}', f'{exact:.2f}', end_section=True)
    for layer in wishes.layers:
        for method in wishes.methods:
            counted = tally(detector, scenes, method, layer, wishes.against)
            peaks = np.array(counted.peaks)
            figures = (
                ((peaks == 0).mean(), (peaks <= metrics.NEAR).mean(), np.mean(counted.shares)) if len(peaks) else ()
            )
            table.add_row(method, layer, str(len(peaks)), str(counted.blank), *(f'{figure:.2f}' for figure in figures))
        table.add_section()
    Console(width=110).print(table)


if __name__ == '__main__':
    main()
