"""Passes with altered features or inputs: what a family measures in them, and how many run at a time."""

from __future__ import annotations

import contextlib
import math
from typing import Any, Dict, Iterator, List, Optional, Tuple

import torch
from torch import Tensor, nn

from ..tap import Level


def place_of(level: Optional[Level]) -> Tuple[str, int]:
    """Tell levels from each other, and from the input (``None``): layer and position among its levels."""
    return ('', 0) if level is None else (level.layer, level.index)


class Runs:
    """Passes with altered features or inputs, in which the same N targets are measured each time.

    Attributes:
        passes: How many were run so far.
        memory_of_one: Bytes of activations that one pass takes at least; the most of those tried.
        repeated: How many calls ran the network once more, as targets were not found where they were before.
    """

    passes: int = 0
    memory_of_one: int = 0
    repeated: int = 0

    @property
    def reference(self) -> Tensor:
        """Shape (N,): the targets, nothing altered."""
        raise NotImplementedError

    @property
    def notes(self) -> List[str]:
        """Sentences for the user on how the targets were measured."""
        return []

    @property
    def identity(self) -> str:
        """Tells the targets, and what else is measured by, from others."""
        raise NotImplementedError

    def batch_size(self, level: Optional[Level] = None, items: Optional[int] = None) -> int:
        """How many alterations of a level, or of the input, one call may hold.

        Args:
            level: The level; ``None`` for the input.
            items: How many alterations there are in total, if known; a larger batch would be pointless.
        """
        raise NotImplementedError

    def one_by_one(self) -> None:
        """Let a call hold one alteration from now on."""
        raise NotImplementedError

    def at_level(self, level: Level, altered: Tensor) -> Tensor:
        """Shape (B, N): the targets with B altered outputs of a level, stacked along its batch axis."""
        raise NotImplementedError

    def at_input(self, altered: Tensor) -> Tensor:
        """Shape (B, N): the targets on B altered inputs (B, 3, H, W)."""
        raise NotImplementedError

    def with_graph(self, altered: Tensor) -> Tensor:
        """Shape (B, N): the targets on B altered inputs (B, 3, H, W), with a graph that begins at these.

        B is at most :meth:`batch_size`: each pass that is kept for its gradient takes memory.
        """
        raise NotImplementedError

    def similarity(self, altered: Tensor) -> Tensor:
        """Shape (B, N), in [0, 1]: how much of what was found is found again on B altered inputs (B, 3, H, W).

        For this the network is a black box: an object found may come from any candidate.
        """
        raise NotImplementedError


@contextlib.contextmanager
def keeping_graph(model: nn.Module) -> Iterator[None]:
    """Keep the graph of what a model computes from its inputs, but not from its parameters.

    For a model that is given back as it was later, as :class:`~mmlens.attribution.passes.replay.Replay` does.
    """
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with torch.enable_grad():
        yield


# Bytes of activations that a batch may take where nothing else was asked for. On a CPU more saves no time: of whole
# networks, eight at a time take 0.4 to 0.5 times as long as one by one at 10 MB each, two 0.86 times at 160 MB.
MEMORY_ON_CPU = 48_000_000
MEMORY_ON_CPU_OF_INPUTS = 320_000_000
MEMORY_ON_GPU = 1_000_000_000
_MOST_INPUTS_ON_CPU = 8


def fitting(options: Dict[str, Any], each: int, device: torch.device, of_inputs: bool = False, most: int = 16) -> int:
    """How many passes to run at a time.

    Args:
        options: Of the method. ``batch_size`` is taken as it is, unless ``memory`` (MB) forbids.
        each: Bytes that one pass takes.
        device: Where it runs.
        of_inputs: Whether a pass runs the whole network.
        most: Largest number that is not asked for.
    """
    asked, memory = options['batch_size'], options['memory']
    if device.type == 'cuda':
        free = MEMORY_ON_GPU
    else:
        free = MEMORY_ON_CPU_OF_INPUTS if of_inputs else MEMORY_ON_CPU
        most = min(most, _MOST_INPUTS_ON_CPU) if of_inputs else most
    fits = max(1, int((free if memory is None else memory * 1e6) // max(each, 1)))
    if asked is None:
        # A power of two, as numbers of channels are multiples of one: batches that are not full cost as much.
        return 2 ** (min(fits, most).bit_length() - 1)
    return asked if memory is None else min(asked, fits)


def note_of_memory(options: Dict[str, Any], runs: Runs) -> List[str]:
    """A sentence for the user if one pass alone takes more memory than was allowed."""
    memory = options['memory']
    if memory is None or runs.memory_of_one <= memory * 1e6:
        return []
    needed = math.ceil(runs.memory_of_one / 1e6)
    return [f'One pass takes about {needed} MB, more than the {memory:g} MB allowed: they were run one at a time.']
