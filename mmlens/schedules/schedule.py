"""How the optimizer's settings change over a training run."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple, Union

import numpy as np

from ..files import write_atomically


@dataclass(frozen=True)
class Curve:
    """The values of a setting over a run, and the parameters they apply to.

    Attributes:
        label: What the parameters are: ``biases``, ``layer 3``, ``backbone``, or ``all parameters``.
        values: Shape (N,), float64: the setting at the schedule's iterations.
        tensors: Number of parameter tensors.
        parameters: Total number of values in them.
    """

    label: str
    values: np.ndarray
    tensors: int
    parameters: int


@dataclass(frozen=True)
class Schedule:
    """How a setting changes over a training run.

    Attributes:
        param: ``'lr'``, ``'momentum'`` or ``'weight_decay'``.
        iterations: Shape (N,), int64, ascending from 0: the iterations whose values are known, which is all of
            them unless there are very many. A value is the one the iteration's gradient step uses.
        curves: All different.
        total: Number of iterations in the run.
        by_epoch: Whether the run counts in epochs.
        epoch_length: Number of iterations per epoch; ``None`` if the size of the training set is unknown.
        dataset_size: Number of pictures in the training set; ``None`` if unknown.
        batch_size: Pictures per iteration on one GPU.
        ngpus: Number of GPUs.
        notes: Short remarks on what the curves do not show.
    """

    param: str
    iterations: np.ndarray
    curves: Tuple[Curve, ...]
    total: int
    by_epoch: bool
    epoch_length: Optional[int]
    dataset_size: Optional[int]
    batch_size: int
    ngpus: int
    notes: Tuple[str, ...] = ()

    @property
    def every_iteration(self) -> bool:
        """Whether the values of all iterations are known."""
        return len(self.iterations) == self.total

    def epochs(self) -> np.ndarray:
        """The iterations in units of epochs: shape (N,), float64.

        Raises:
            ValueError: If the length of an epoch is unknown.
        """
        if self.epoch_length is None:
            raise ValueError('The size of the training set is unknown.')
        return self.iterations / self.epoch_length

    def epoch_starts(self) -> np.ndarray:
        """Indexes into ``iterations`` at which epochs begin, int64.

        Raises:
            ValueError: If the length of an epoch is unknown.
        """
        return np.unique(np.floor(self.epochs()), return_index=True)[1]

    def save(self, path: Union[str, Path], by: str = 'iter') -> None:
        """Write a table (.csv): epoch, iteration, and one column per curve, headed by its label.

        Args:
            path: The file.
            by: ``'iter'`` for one row per known iteration (default), ``'epoch'`` for the first of each epoch only.

        Raises:
            ValueError: If ``by='epoch'`` and the length of an epoch is unknown.
            OutputError: If the file cannot be written.
        """
        places = self.epoch_starts() if by == 'epoch' else np.arange(len(self.iterations))
        columns = [self.iterations[places].tolist(), *(curve.values[places].tolist() for curve in self.curves)]
        head = ['iteration', *(f'{self.param}: {curve.label}' for curve in self.curves)]
        if self.epoch_length is not None:
            columns.insert(0, (self.iterations[places] // self.epoch_length).tolist())
            head.insert(0, 'epoch')
        with write_atomically(path) as temporary, open(temporary, 'w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file)
            writer.writerow(head)
            writer.writerows(zip(*columns))
