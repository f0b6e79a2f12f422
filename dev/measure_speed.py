"""Measures what box maps cost: the time of all maps of a picture over that of one plain inference of the same model.

python dev/measure_speed.py PICTURE CONFIG CHECKPOINT [--repeat 10] [--method gradcam]

Plain inferences (mmdet's ``inference_detector``) and explanations alternate, after a warm-up; both read the picture
from its file. The ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Sequence, Tuple

import torch

import mmlens
from mmlens.errors import MmlensError


@dataclass
class Timing:
    """Seconds of each run.

    Attributes:
        inferences: Of ``inference_detector``.
        explanations: Of ``explain_boxes``, all boxes.
        boxes: How many boxes were explained.
    """

    inferences: List[float]
    explanations: List[float]
    boxes: int

    @property
    def ratio(self) -> float:
        """Median explanation over median inference."""
        return statistics.median(self.explanations) / statistics.median(self.inferences)


def measure(model: Any, picture: Any, repeat: int = 10, warm_up: int = 3, **options: Any) -> Timing:
    """Time inferences and explanations alternately.

    Args:
        model: A detector as mmdet's ``init_detector`` or :func:`mmlens.load_detector` builds it.
        picture: File name, or (H, W, 3) uint8 BGR.
        repeat: Runs of each.
        warm_up: Runs of each beforehand, which do not count.
        **options: Of :func:`mmlens.explain_boxes`.
    """
    from mmdet.apis import inference_detector
    from mmengine.registry import init_default_scope

    init_default_scope(model.cfg.get('default_scope') or 'mmdet')
    timing = Timing([], [], 0)
    for turn in range(warm_up + repeat):
        inference, _ = seconds(inference_detector, model, picture)
        explanation, found = seconds(mmlens.explain_boxes, model, picture, **options)
        if turn >= warm_up:
            timing.inferences.append(inference)
            timing.explanations.append(explanation)
            timing.boxes = len(found)
    return timing


def seconds(function: Callable[..., Any], *args: Any, **options: Any) -> Tuple[float, Any]:
    """Wall time of a call, including work on the GPU, and what it returned."""
    start = time.perf_counter()
    result = function(*args, **options)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    parser.add_argument('picture', help='file name')
    parser.add_argument('config', help='config file, or mmdet::... for one of an installed package')
    parser.add_argument('checkpoint', help='file or URL of the weights')
    parser.add_argument('--repeat', type=int, default=10)
    parser.add_argument('--method', default='gradcam')
    parser.add_argument('--target-layers', nargs='+', metavar='LAYER', help='default: the neck')
    parser.add_argument('--score-thr', type=float, default=0.5, help='boxes to explain; default 0.5')
    parser.add_argument('--device', help='default: CUDA if there is any')
    return parser.parse_args(arguments)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Measure and print one line."""
    args = parse(arguments)
    model = mmlens.load_detector(args.config, args.checkpoint, device=args.device).model
    options = dict(method=args.method, layers=args.target_layers, score_thr=args.score_thr)
    timing = measure(model, args.picture, args.repeat, **options)
    inference, explanation = (1000 * statistics.median(t) for t in (timing.inferences, timing.explanations))
    print(
        f'one inference {inference:.1f} ms, maps of {timing.boxes} boxes {explanation:.1f} ms: '
        f'{timing.ratio:.2f} times (medians of {args.repeat}, {torch.get_num_threads()} threads)'
    )


if __name__ == '__main__':
    try:
        main()
    except MmlensError as error:
        raise SystemExit(f'measure_speed: error: {error}') from None
