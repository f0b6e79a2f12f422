"""The soak's threads: explanations beside each other come out as they do alone."""

from __future__ import annotations

import copy
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List, Tuple

import cv2
import numpy as np
from soak_ground import SHAPES, say

METHODS: Dict[str, Any] = {
    'gradcam': None,
    'evidencecam': None,
    'layercam': None,
    'eigencam': None,
    'reciprocam': None,
    'drise': dict(num_masks=8),
    'ablationcam': dict(ratio_channels_to_ablate=0.1),
}
THREADS = 4


def networks() -> List[Any]:
    """Two detectors with post-processing of their own kinds, the first a second time."""
    from mmlens import open_network

    names = ('shapes_rtmdet', 'shapes_yolov5')
    opened = [
        open_network(SHAPES / 'configs' / f'{name}.py', SHAPES / 'checkpoints' / f'{name}.pth', device='cpu')
        for name in names
    ]
    return [*opened, copy.deepcopy(opened[0])]


def pictures() -> List[np.ndarray]:
    """Two small pictures."""
    found = sorted(Path(SHAPES / 'pictures').glob('*.jpg'))[:2]
    return [cv2.resize(cv2.imread(str(path)), (160, 128)) for path in found]


def soak_threads(rounds: int, seed: int = 0) -> Dict[str, Any]:
    """Explain in several threads at a time.

    Args:
        rounds: How often so many threads as :data:`THREADS` start together.
        seed: Same seed, same questions.
    """
    from mmlens import explain_boxes

    rng, known, bad = random.Random(seed), networks(), []
    seen = pictures()
    alone: Dict[Tuple[int, int, str], List[np.ndarray]] = {}

    def ask(question: Tuple[int, int, str]) -> List[np.ndarray]:
        network, picture, method = question
        found = explain_boxes(
            known[network], seen[picture], method=method, method_options=METHODS[method], score_thr=0.1, topk=2
        )
        return [box.raw for box in found]

    for number in range(rounds):
        questions = [(rng.randrange(3), rng.randrange(2), rng.choice(list(METHODS))) for _ in range(THREADS)]
        for question in questions:
            if question not in alone:
                alone[question] = ask(question)
        with ThreadPoolExecutor(THREADS) as pool:
            running = [pool.submit(ask, question) for question in questions]
        for question, future in zip(questions, running):
            fault = _fault(future, alone[question])
            if fault:
                bad.append(dict(number=number, question=list(question), faults=[fault], told=''))
                say(f'{number}: {question}: {fault}')
    return dict(cases=rounds * THREADS, rounds=rounds, bad=bad)


def _fault(future: Any, expected: List[np.ndarray]) -> str:
    error = future.exception()
    if error is not None:
        return f'{type(error).__name__}: {error}'
    found = future.result()
    same = len(found) == len(expected) and all(np.array_equal(a, b) for a, b in zip(found, expected))
    return '' if same else 'other maps'
