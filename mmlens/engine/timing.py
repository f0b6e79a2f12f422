"""When to draw."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Tuple

from mmengine.runner import BaseLoop, IterBasedTrainLoop

from ..errors import MmlensError
from .options import is_whole

STAGES = ('train', 'val', 'test')


@dataclass(frozen=True)
class Timing:
    """When a hook draws, and which step it gives to what it has drawn.

    A step is the number of epochs or iterations done, so a resumed training continues where it left off.

    Attributes:
        interval: Draw whenever the number of epochs (iterations) done is a multiple of it, and after the last.
        by_epoch: Whether epochs are counted, or iterations.
        during: Some of ``'train'``, ``'val'`` and ``'test'``.
        at_start: Whether to draw before the first iteration too.

    Raises:
        MmlensError: If one of them is out of range.
    """

    interval: int
    by_epoch: bool
    during: Tuple[str, ...]
    at_start: bool

    def __post_init__(self) -> None:
        if not is_whole(self.interval, 1):
            raise MmlensError(f'interval must be an integer of at least 1, not {self.interval!r}.')
        if not self.during or not set(self.during) <= set(STAGES):
            raise MmlensError(
                f'during must name some of {", ".join(STAGES)}, not {", ".join(map(str, self.during)) or "nothing"}.'
            )

    def check_loop(self, loop: Any) -> None:
        """Make sure that a training loop counts what this hook counts.

        Raises:
            MmlensError: If it counts epochs and the loop has none.
        """
        if self.by_epoch and isinstance(loop, IterBasedTrainLoop):
            raise MmlensError(
                f'{type(loop).__name__} counts no epochs: set by_epoch=False, and an interval in iterations.'
            )

    def begins(self, runner: Any) -> bool:
        """Whether no iteration has been done yet; one has in a resumed training, even in its first epoch."""
        loop = _train_loop(runner)
        return loop.iter == 0 and loop.epoch == 0

    def after_epoch(self, runner: Any) -> bool:
        """Whether to draw right after an epoch that the Runner has not counted yet."""
        return self.by_epoch and self._is_due(runner, self.done(runner) + 1)

    def after_iter(self, runner: Any) -> bool:
        """Whether to draw right after an iteration that the Runner has not counted yet."""
        return not self.by_epoch and self._is_due(runner, self.done(runner) + 1)

    def after_loop(self, runner: Any) -> bool:
        """Whether to draw after a validation; one that ends the training early counts as the last."""
        return self._is_due(runner, self.done(runner)) or getattr(_train_loop(runner), 'stop_training', False)

    def done(self, runner: Any) -> int:
        """How many epochs (iterations) the Runner has counted; 0 where nothing is trained."""
        loop = _train_loop(runner)
        return 0 if loop is None else loop.epoch if self.by_epoch else loop.iter

    def file_name(self, step: int) -> str:
        """Name of a drawing's file: ``epoch_0003.png``, ``iter_000450.png``."""
        return f'epoch_{step:04d}.png' if self.by_epoch else f'iter_{step:06d}.png'

    def has_named(self, file_name: str) -> bool:
        """Whether :meth:`file_name` gives such a name."""
        return re.fullmatch(r'epoch_\d{4,}\.png' if self.by_epoch else r'iter_\d{6,}\.png', file_name) is not None

    def _is_due(self, runner: Any, done: int) -> bool:
        loop = _train_loop(runner)
        last = None if loop is None else loop.max_epochs if self.by_epoch else loop.max_iters
        return done % self.interval == 0 or done == last


def _train_loop(runner: Any) -> Any:
    # Not runner.train_loop, which would build the loop, and the training set, where only a test was asked for.
    loop = runner._train_loop
    return loop if isinstance(loop, BaseLoop) else None
