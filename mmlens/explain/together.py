"""Several pictures in one forward pass, and in as many backward passes as the picture with the most boxes has.

In a network that predicts, pictures of a batch do not touch each other: the gradient of a sum of scores, one of each
picture, is at each picture's part of a layer the gradient of that picture's own score.
"""

from __future__ import annotations

from typing import List, Optional, Sequence

import numpy as np
from torch import Tensor

from ..attribution.attribute import attribute, blank_if_flat, gradients_of_one, gradients_of_sum
from ..attribution.gates import held_gates_of
from ..attribution.methods import OnePassMethod
from ..attribution.tap import Level, Tap
from ..errors import LayerError
from ..models.network import Network
from .job import Attributions, Job

# Pixels of all inputs together: as many as a usual input has, which bounds the memory; with more, no time is saved.
_PIXELS = 1 << 19
_PIXELS_OF_FRAMES = 1 << 24
_MOST = 8


def how_many_frames(network: Network, frame: np.ndarray) -> int:
    """How many frames of a video had best go through a network together.

    Args:
        network: The network.
        frame: One of them; the others have its size.
    """
    if network.needs_words:
        return 1
    try:
        height, width = network.prepare(frame).input_size
    except Exception:  # told when the frame is explained
        return 1
    return max(1, min(_MOST, _PIXELS // (height * width), _PIXELS_OF_FRAMES // (frame.shape[0] * frame.shape[1])))


def go_together(one: Job, other: Job) -> bool:
    """Whether two pictures of which the same is asked can go through the network together."""
    return (
        isinstance(one.method, OnePassMethod)
        and one.noise is None
        and not one.eigen_smooth
        and type(one.targets) is type(other.targets)
        and all(job.targets.go_together for job in (one, other))
        and one.targets.prepared.batch['inputs'].shape == other.targets.prepared.batch['inputs'].shape
        and one.layers.keys() == other.layers.keys()
    )


def explain_together(jobs: Sequence[Job]) -> List[Optional[Attributions]]:
    """Explain the boxes, or the classes, of several pictures; see :func:`go_together`.

    Returns:
        What comes of each picture; ``None`` for one that has to be explained alone: where layers do not keep pictures
        apart, and where a map is blank, to find out why.
    """
    alone: List[Optional[Attributions]] = [None] * len(jobs)
    if len(jobs) < 2:
        return alone
    first = jobs[0]
    assert isinstance(first.method, OnePassMethod)
    with Tap(first.targets.network.model, first.layers) as tap:
        with held_gates_of(first.method, tap):
            scalars = first.targets.scalars_together([job.targets for job in jobs], tap)
        try:
            levels = tap.levels_of_each(len(jobs), first.targets.prepared.input_size, first.targets.extra_tokens)
        except LayerError:  # told of a single picture
            levels = None
        if levels is None:
            return alone
        return _attributed(jobs, tap, scalars, levels)


def _attributed(
    jobs: Sequence[Job], tap: Tap, scalars: Sequence[Sequence[Tensor]], levels: Sequence[Sequence[Level]]
) -> List[Optional[Attributions]]:
    first = jobs[0]
    method = first.method
    assert isinstance(method, OnePassMethod)
    found: List[Optional[Attributions]] = [Attributions() for _ in jobs]
    rounds = max(map(len, scalars))
    for turn in range(rounds):
        its = [position for position, own in enumerate(scalars) if turn < len(own)]
        gradients = gradients_of_sum([scalars[n][turn] for n in its], tap.tensors, method, turn < rounds - 1)
        for n in its:
            one, so_far = scalars[n][turn], found[n]
            if so_far is None:
                continue
            explained = attribute(
                one,
                levels[n],
                method,
                first.targets.prepared.input_size,
                spatial=first.targets.spatial,
                max_shape=first.max_shape,
                fuse=first.fuse,
                both_ways=first.both_ways and method.uses_gradients,
                known=gradients_of_one(gradients, n, levels[n], tap.tensors),
            )
            explained = blank_if_flat(explained)
            so_far.maps.append(explained)
            if explained.blank:
                found[n] = None
    return found
