"""Precision search: the regions of the picture that make a box, in the order in which they are found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from ...errors import MethodError
from ..passes.altering import blurred, one_colour
from .kept import KeptFile
from .multi_pass import Maps, PassJob
from .regions import Regions, cut
from .registry import register_pass_method

_A_ROUND = 8  # passes of one box in one round, at most: two with gradients, and two scores of three choices
_SEARCHED = 0.64  # share of the picture that is searched; the rest keeps the order of the gradients
_AHEAD = 0.2  # how far towards the sharp, or the painted, picture gradients are taken
_GONE = 0.03  # share of the score below which a box counts as unmade
_OF_RANK = 0.02  # part of a region's value that is its rank alone
_STEADY = 0.5  # how much of the mean of earlier gradients stays in it

# Whose search it is, the regions picked (n,), and whether these alone are sharp; else they are painted over.
Altered = Tuple[int, np.ndarray, bool]


@register_pass_method(
    'precisionsearch',
    uses_layers=False,
    scores_only=True,
    logits=True,
    overlap=True,
    shows='which regions make the box when they appear, and unmake it when they go; decisive ones first',
    passes=160,
    regions=800,
    resume=None,
)
def precision_search(job: PassJob) -> List[Maps]:
    """Precision search: regions in the order in which a greedy search for ``F(S) = s(S) + 1 - s(V - S)`` picks them.

    ``s`` is how much of the object is found, overlap times score, relative to the whole input: on a blurred input in
    which the regions S are sharp (the paper's clue score), and on the input with S painted in its mean colour (the
    collaboration score). V are all regions. A region's value is what was left to be gained when it was picked,
    ``1 - (F - F_0) / (max F - F_0)``.

    The paper tries all regions in every step. Here step k of K picks regions up to the share ``(k / K)^2`` of what is
    searched, and gradients of the candidate's logit and overlap propose which, by first order, for all regions at once:
    those that gain most in both scores, in the first and in the second, or, once the box is unmade, in the first and in
    the mean of its gradients so far. The proposal with the largest F is picked. ``passes`` are those of a box.
    With ``resume``, what was picked is kept in that ``.npz`` file, and the search taken up again from there: the result
    is the same, bit for bit, as without the break.

    Source: Chen et al. 2025, section 3; https://arxiv.org/abs/2411.16198.
    """
    passes, count = job.options['passes'], job.options['regions']
    if passes < _A_ROUND or count < 2:
        raise MethodError(f'`passes` must be at least {_A_ROUND} and `regions` at least 2, not {passes} and {count}.')
    rounds = passes // _A_ROUND
    scene = _Scene(job.inputs, cut(job.inputs[0], count))
    searches = [_Search(scene.regions.areas) for _ in job.runs.reference]
    file = KeptFile(job, 'precisionsearch', 'searches', [rounds, count])
    kept = file.load()
    for search, state in zip(searches, [] if kept is None else kept):
        search.restore(state.numpy(), rounds)
    file.save(_states(searches, rounds))  # before any work: it may be a place that cannot be written to
    a_round = len(searches) * _A_ROUND
    first = searches[0].rounds
    job.done, job.total = first * a_round, rounds * a_round
    whole, hidden = (
        job.runs.similarity(picture[None])[0].double().cpu().numpy() for picture in (scene.sharp, scene.blurred)
    )
    whole = whole.clip(1e-9)
    for number in range(first, rounds):
        if not _one_round(job, scene, searches, whole, _SEARCHED * ((number + 1) / rounds) ** 2):
            break
        job.done = (number + 1) * a_round  # what need not be run is done too
        file.save_now_and_then(_states(searches, rounds))
    file.save(_states(searches, rounds))
    return [[scene.map_of(search.worth(at_first))] for search, at_first in zip(searches, hidden / whole)]


def _states(searches: Sequence[_Search], rounds: int) -> Tensor:
    return torch.from_numpy(np.stack([search.state(rounds) for search in searches]))


def _one_round(job: PassJob, scene: _Scene, searches: Sequence[_Search], whole: np.ndarray, share: float) -> bool:
    """Let each search pick regions up to a share of the picture; ``False`` if the user ended the job before."""
    asked = [(at, each.picked, sharp) for at, each in enumerate(searches) for sharp in (True, False)[: each.scores]]
    gains = _gains(job, scene, asked)
    if job.interrupted:
        return False
    proposals: List[Tuple[int, List[int]]] = []
    for at, search in enumerate(searches):
        of_search = [gain for gain, (whose, _, _) in zip(gains, asked) if whose == at]
        proposals += [(at, regions) for regions in search.proposals(of_search, share)]
    trials = [
        (at, searches[at].with_more(regions), sharp)
        for at, regions in proposals
        for sharp in (True, False)[: searches[at].scores]
    ]
    scores = iter(_scores(job, scene, trials, whole))
    if job.interrupted:
        return False
    results = [(at, regions, [next(scores) for _ in range(searches[at].scores)]) for at, regions in proposals]
    for at, search in enumerate(searches):
        search.pick([(regions, found) for whose, regions, found in results if whose == at])
    return True


def _gains(job: PassJob, scene: _Scene, asked: Sequence[Altered]) -> List[np.ndarray]:
    """What each region (n,) would add to the logit by being sharp, or take away by being painted, to first order."""
    gains: List[np.ndarray] = []
    for batch in job.batches(asked):
        now = torch.stack([scene.altered(picked, sharp) for _, picked, sharp in batch])
        goals = torch.stack([scene.sharp if sharp else scene.painted for _, _, sharp in batch])
        ahead = (now + _AHEAD * (goals - now)).requires_grad_()
        values = job.runs.with_graph(ahead)
        wanted = torch.zeros_like(values)
        for row, (whose, _, _) in enumerate(batch):
            wanted[row, whose] = 1
        (gradient,) = torch.autograd.grad(values, ahead, wanted, allow_unused=True)
        for row, (_, _, sharp) in enumerate(batch):
            lost = scene.sharp - (scene.blurred if sharp else scene.painted)
            change = torch.zeros_like(lost) if gradient is None else gradient[row].nan_to_num(0.0, 0.0, 0.0) * lost
            gains.append(scene.regions.sums(change.sum(0)))
    return gains


def _scores(job: PassJob, scene: _Scene, trials: Sequence[Altered], whole: np.ndarray) -> List[float]:
    """How much of its object each trial leaves, relative to the whole input."""
    scores: List[float] = []
    for batch in job.batches(trials):
        found = job.runs.similarity(torch.stack([scene.altered(picked, sharp) for _, picked, sharp in batch]))
        scores += [float(row[whose]) / whole[whose] for row, (whose, _, _) in zip(found, batch)]
    return scores


class _Scene:
    """The input (C, H, W): sharp, blurred, painted in its mean colour, and cut into regions."""

    def __init__(self, inputs: Tensor, regions: Regions) -> None:
        self.sharp = inputs[0].detach()
        self.blurred = blurred(self.sharp)
        self.painted = one_colour(self.sharp)
        self.regions = regions

    def altered(self, picked: np.ndarray, sharp: bool) -> Tensor:
        """Shape (C, H, W): only the picked regions (n,) sharp, or only they painted."""
        pixels = self.regions.pixels(picked)
        return torch.where(pixels, self.sharp, self.blurred) if sharp else torch.where(pixels, self.painted, self.sharp)

    def map_of(self, values: np.ndarray) -> Tensor:
        """A map (H, W), float32, of the regions' values (n,)."""
        return torch.from_numpy(values.astype(np.float32)).to(self.sharp.device)[self.regions.labels]


@dataclass
class _Search:
    """The search of one box: what it picked so far, and what that scores.

    Attributes:
        areas: Shape (n,): each region's share of the picture.
        order: Regions in the order in which they were picked.
        history: After each round: how many were picked, what they score alone, and what is left without them.
        steady: Shape (n,): the mean of the gains in the first score so far, later ones counting more.
    """

    areas: np.ndarray
    order: List[int] = field(default_factory=list)
    history: List[Tuple[float, float, float]] = field(default_factory=list)
    steady: Optional[np.ndarray] = None
    _steadier: Optional[np.ndarray] = None  # what it becomes when this round's regions are picked

    @property
    def rounds(self) -> int:
        """How many rounds were made."""
        return len(self.history)

    @property
    def picked(self) -> np.ndarray:
        """Shape (n,), bool."""
        return self.with_more([])

    def with_more(self, regions: Sequence[int]) -> np.ndarray:
        """Shape (n,), bool: what is picked, and these."""
        picked = np.zeros(len(self.areas), bool)
        picked[[*self.order, *regions]] = True
        return picked

    @property
    def scores(self) -> int:
        """How many scores are looked at: once the box is unmade, what is left without the regions says no more."""
        return 2 if not self.history or self.history[-1][2] > _GONE else 1

    def proposals(self, gains: Sequence[np.ndarray], share: float) -> List[List[int]]:
        """Regions to pick next: one list a proposal.

        Args:
            gains: Of each region (n,) in the first score, and in the second if it is looked at.
            share: How much of the picture is to be picked in all.
        """
        free = ~self.picked
        scaled = [gain / max(float(np.abs(gain[free]).sum()), 1e-12) for gain in gains]
        self._steadier = scaled[0] if self.steady is None else _STEADY * self.steady + (1 - _STEADY) * scaled[0]
        if len(scaled) == 1:
            ways = [scaled[0], self._steadier]
        else:
            _, found, left = self.history[-1] if self.history else (0, 0.0, 1.0)
            ways = [max(1 - found, 0.05) * scaled[0] + left * scaled[1], *scaled]
        unlike: List[List[int]] = []
        for way in ways:
            regions = self._best(way / self.areas, free, share)
            if regions not in unlike:
                unlike.append(regions)
        return unlike

    def _best(self, density: np.ndarray, free: np.ndarray, share: float) -> List[int]:
        regions: List[int] = []
        area = float(self.areas[~free].sum())
        for region in np.argsort(-density, kind='stable'):
            if area >= share or regions and density[region] <= 0:
                break
            if free[region]:
                regions.append(int(region))
                area += self.areas[region]
        return regions

    def pick(self, results: Sequence[Tuple[List[int], List[float]]]) -> None:
        """Pick one of the proposals by what it scores."""
        left = self.history[-1][2] if self.history else 1.0
        regions, scores = max(results, key=lambda result: result[1][0] - (result[1][1] if self.scores == 2 else 0))
        self.order += regions
        self.steady = self._steadier
        self.history.append((len(self.order), scores[0], scores[1] if len(scores) == 2 else left))

    def worth(self, at_first: float) -> np.ndarray:
        """Shape (n,): each region's value, in [0, 1]; all zero where no regions made or unmade anything.

        Args:
            at_first: The first score where no region is picked.
        """
        found = np.maximum.accumulate([0.0, *(alone - at_first + 1 - left for _, alone, left in self.history)])
        values = np.zeros(len(self.areas))
        if found[-1] <= 0:
            return values
        assert self.steady is not None
        rest = [region for region in np.argsort(-self.steady / self.areas, kind='stable') if not self.picked[region]]
        ends = [0, *(int(number) for number, _, _ in self.history)]
        values[self.order] = 1 - np.interp(np.arange(len(self.order)), ends, found / found[-1])
        ranks = np.empty(len(values))
        ranks[[*self.order, *rest]] = np.arange(len(values))
        # No two regions are equal: the order found is the map's order.
        return (1 - _OF_RANK) * values + _OF_RANK * (1 - ranks / len(ranks))

    def state(self, rounds: int) -> np.ndarray:
        """All that the search knows, as numbers, with room for that many rounds."""
        count = len(self.areas)
        numbers = np.full(1 + 3 * rounds + 2 * count, -1.0)
        numbers[0] = self.rounds
        history = np.array(self.history).reshape(-1)
        numbers[1 : 1 + len(history)] = history
        numbers[1 + 3 * rounds :][: len(self.order)] = self.order
        numbers[-count:] = 0 if self.steady is None else self.steady
        return numbers

    def restore(self, numbers: np.ndarray, rounds: int) -> None:
        """Go on from what :meth:`state` returned."""
        count = len(self.areas)
        history = numbers[1 : 1 + 3 * int(numbers[0])].reshape(-1, 3)
        self.history = [(float(number), float(alone), float(left)) for number, alone, left in history]
        order = numbers[1 + 3 * rounds : -count]
        self.order = [int(region) for region in order[order >= 0]]
        self.steady = numbers[-count:] if self.history else None
