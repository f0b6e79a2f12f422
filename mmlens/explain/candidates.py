"""The class logits of the same candidates in passes with altered features or inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Optional, Sequence

import torch
from torch import Tensor

from ..attribution.class_scores import Candidate, ClassScores, Squashed

# Batches of other sizes round differently.
_TOLERANCE = 1e-3


class Candidates:
    """Finds candidates again in batches of a picture's copies, and reads their logits in each.

    Args:
        found: The candidate of each target, in a pass over the one picture; ``None`` for a target without one.
        seen: What the heads of that pass squashed.
        classes: How many classes there are.
    """

    def __init__(self, found: Sequence[Optional[Candidate]], seen: Sequence[Squashed], classes: int) -> None:
        self.found = list(found)
        self.rows = [None if each is None else each.logits(seen).detach() for each in found]
        self._shapes = [None if each is None else seen[each.number].logits.shape for each in found]
        self._classes = classes
        self._in_copies: List[List[Optional[Candidate]]] = []
        self.scores = ClassScores(classes)

    def renew(self) -> ClassScores:
        """What the next pass is watched with."""
        self.scores = ClassScores(self._classes)
        return self.scores

    def settle(self, copies: int) -> bool:
        """Look up the candidates in the pass just watched, of ``copies`` unaltered copies; whether all are there."""
        by_target = [self._places(n, copies) for n in range(len(self.found))]
        self._in_copies = [list(of_copy) for of_copy in zip(*by_target)]
        return all(each is not None or self.found[n] is None for row in self._in_copies for n, each in enumerate(row))

    def logits(self, copy: int) -> List[Optional[Tensor]]:
        """The logits (n,) of each target's candidate in one copy of the pass just watched."""
        return [None if each is None else each.logits(self.scores.seen) for each in self._in_copies[copy]]

    def _places(self, n: int, copies: int) -> List[Optional[Candidate]]:
        candidate, row, shape = self.found[n], self.rows[n], self._shapes[n]
        if candidate is None or row is None or shape is None:
            return [None] * copies
        # Heads squash either the whole batch at once, or picture after picture.
        whole, each = torch.Size((copies, *shape[1:])), []
        for number, squashed in enumerate(self.scores.seen):
            if copies > 1 and shape[0] == 1 and candidate.axis > 0 and squashed.logits.shape == whole:
                found = [replace(candidate, number=number, places=_of_copy(candidate.places, i)) for i in range(copies)]
                if all(_same(one, squashed, row) for one in found):
                    return list(found)
            found = [replace(candidate, number=number)]
            if squashed.logits.shape == shape and _same(found[0], squashed, row):
                each.append(found[0])
        per_copy = len(each) // copies
        return [each[i * per_copy] for i in range(copies)] if per_copy else [None] * copies


def _of_copy(places: Tensor, copy: int) -> Tensor:
    moved = places.clone()
    moved[:, 0] = copy
    return moved


def _same(candidate: Candidate, squashed: Squashed, row: Tensor) -> bool:
    return torch.allclose(candidate.rows(squashed.logits), row, rtol=_TOLERANCE, atol=_TOLERANCE)
