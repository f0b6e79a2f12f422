"""Measures how good box maps are, on a picture and a detector of your own.

python dev/measure_quality.py PICTURE CONFIG CHECKPOINT [--methods gradcam layercam ...]

Four figures a box, none of which depends on how its map was made:

EPG        share of the map's energy that lies in the box; higher is better
pointing   1 if the map's maximum lies in the box
deletion   area under the score as the picture is greyed out, most important pixels first; lower is better
insertion  area under the score as a blurred picture is sharpened again in that order; higher is better

The score is the best IoU * confidence among detections of the box's class, relative to the whole picture's. It is
measured at (i / 10) ** 2 of the pixels, i from 0 to 10, because the first pixels matter most.
"""

from __future__ import annotations

import argparse
from typing import Any, Callable, Dict, List, Optional, Sequence

import cv2
import numpy as np
import torch

import mmlens
from mmlens.errors import MmlensError

FIGURES = ('EPG', 'pointing', 'deletion', 'insertion')
GREY = 114
BLUR = 20.0  # standard deviation, pixels
STEPS = 10

# The score of the box in question, on a uint8 picture (H, W, 3).
Score = Callable[[np.ndarray], float]


def energy_in_box(values: np.ndarray, box: Sequence[float]) -> float:
    """Share of a map's sum that lies in a box; 0 for a blank map.

    Args:
        values: Shape (H, W), >= 0.
        box: ``x1, y1, x2, y2`` in pixels, rounded to whole ones.
    """
    left, top, right, bottom = (max(0, int(round(float(edge)))) for edge in box)
    total = values.sum(dtype=np.float64)
    return float(values[top:bottom, left:right].sum(dtype=np.float64) / total) if total > 0 else 0.0


def points_at_box(values: np.ndarray, box: Sequence[float]) -> float:
    """1.0 if the first of a map's largest values (H, W) lies in a box or on its edge, else 0.0."""
    row, column = divmod(int(values.argmax()), values.shape[1])
    return float(box[0] <= column <= box[2] and box[1] <= row <= box[3])


def area_under_score(score: Score, start: np.ndarray, end: np.ndarray, values: np.ndarray) -> float:
    """Area under the score while ``start`` becomes ``end``, pixel by pixel, largest values first.

    Args:
        score: Returns the score of a picture.
        start: Shape (H, W, 3), uint8.
        end: Shape (H, W, 3), uint8.
        values: Shape (H, W): the order; of equal values, the one further up and left comes first.
    """
    order = np.argsort(values.reshape(-1) * -1, kind='stable')
    shares = (np.arange(STEPS + 1) / STEPS) ** 2
    scores = []
    for share in shares:
        picture = start.copy()
        rows, columns = np.unravel_index(order[: round(len(order) * share)], values.shape)
        picture[rows, columns] = end[rows, columns]
        scores.append(score(picture))
    heights = (np.array(scores[1:]) + np.array(scores[:-1])) / 2
    return float((heights * np.diff(shares)).sum())


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box (4,) with others (N, 4): shape (N,)."""
    left, top = np.maximum(boxes[:, 0], box[0]), np.maximum(boxes[:, 1], box[1])
    right, bottom = np.minimum(boxes[:, 2], box[2]), np.minimum(boxes[:, 3], box[3])
    shared = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return shared / np.maximum((box[2] - box[0]) * (box[3] - box[1]) + areas - shared, 1e-9)


def best_match(detector: Any, picture: np.ndarray, box: np.ndarray, label: int) -> float:
    """The best IoU * confidence among a picture's detections of a class; 0 if there is none."""
    with torch.no_grad():
        found = detector.predict(detector.prepare(picture))
    same = found.labels.cpu().numpy() == label
    if not same.any():
        return 0.0
    return float((overlaps(box, found.boxes.cpu().numpy()[same]) * found.scores.cpu().numpy()[same]).max())


def measure(detector: Any, picture: np.ndarray, found: mmlens.BoxMap) -> Dict[str, float]:
    """The four figures of one box's map."""
    box = found.box.astype(np.float64)
    whole = max(best_match(detector, picture, box, found.label), 1e-9)

    def score(changed: np.ndarray) -> float:
        return best_match(detector, changed, box, found.label) / whole

    blurred = cv2.GaussianBlur(picture, (0, 0), BLUR)
    return dict(
        EPG=energy_in_box(found.raw, box),
        pointing=points_at_box(found.raw, box),
        deletion=area_under_score(score, picture, np.full_like(picture, GREY), found.raw),
        insertion=area_under_score(score, blurred, picture, found.raw),
    )


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    parser.add_argument('picture', help='file name')
    parser.add_argument('config', help='config file, or mmdet::... for one of an installed package')
    parser.add_argument('checkpoint', help='file or URL of the weights')
    parser.add_argument('--methods', nargs='+', default=['gradcam'], metavar='METHOD')
    parser.add_argument('--target-layers', nargs='+', metavar='LAYER', help='default: the neck')
    parser.add_argument('--target', default='score', choices=['score', 'box', 'both'])
    parser.add_argument('--score-thr', type=float, default=0.5, help='boxes to measure; default 0.5')
    parser.add_argument('--device', help='default: CUDA if there is any')
    return parser.parse_args(arguments)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Measure and print one line per box, and the mean of each method."""
    args = parse(arguments)
    detector = mmlens.load_detector(args.config, args.checkpoint, device=args.device)
    print(f'{"method":<14}{"box":<22}' + ''.join(f'{name:>11}' for name in FIGURES))
    for method in args.methods:
        explanation = mmlens.explain_boxes(
            detector,
            args.picture,
            method=method,
            layers=args.target_layers,
            target=args.target,
            score_thr=args.score_thr,
        )
        rows: List[Dict[str, float]] = []
        for box in explanation:
            rows.append(measure(detector, explanation.picture, box))
            print_row(method, f'{box.class_name} {box.score:.2f}', rows[-1])
        if rows:
            means = {name: float(np.mean([row[name] for row in rows])) for name in FIGURES}
            print_row(method, f'mean of {len(rows)}', means)
        else:
            print(f'{method:<14}no detection scores {args.score_thr} or more')


def print_row(method: str, box: str, figures: Dict[str, float]) -> None:
    """Print one line of the table."""
    print(f'{method:<14}{box:<22}' + ''.join(f'{figures[name]:>11.3f}' for name in FIGURES))


if __name__ == '__main__':
    try:
        main()
    except MmlensError as error:
        raise SystemExit(f'measure_quality: error: {error}') from None
