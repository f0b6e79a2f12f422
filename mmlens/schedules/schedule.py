"""What the optimizer's settings will be over a training."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple, Union

import numpy as np

from ..files import write_atomically


@dataclass(frozen=True)
class Curve:
    """One course that a setting takes, and the parameters it is for.

    Attributes:
        label: What the parameters are: ``biases``, ``layer 3``, ``backbone``, or ``all parameters``.
        values: Shape (N,), float64: the setting at the schedule's iterations.
        tensors: Number of parameter tensors.
        parameters: How many numbers they hold.
    """

    label: str
    values: np.ndarray
    tensors: int
    parameters: int


@dataclass(frozen=True)
class Schedule:
    """The courses that a setting takes over a training.

    Attributes:
        param: ``'lr'``, ``'momentum'`` or ``'weight_decay'``.
        iterations: Shape (N,), int64, rising from 0: the iterations whose values are known. A value is the one
            that the iteration's gradient step works with. All iterations, unless there are very many.
        curves: No two with the same values.
        total: Number of iterations of the training.
        by_epoch: Whether the training counts in epochs.
        epoch_length: Number of iterations of an epoch; ``None`` if the size of the training set is not known.
        dataset_size: Number of pictures in the training set; ``None`` if that is not known.
        batch_size: Pictures of one iteration on one GPU.
        ngpus: Number of GPUs.
        notes: What the curves do not show, in a few words each.
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
        """Whether all iterations are known."""
        return len(self.iterations) == self.total

    def epochs(self) -> np.ndarray:
        """The iterations counted in epochs: shape (N,), float64.

        Raises:
            ValueError: If it is not known how long an epoch is.
        """
        if self.epoch_length is None:
            raise ValueError('The size of the training set is not known.')
        return self.iterations / self.epoch_length

    def epoch_starts(self) -> np.ndarray:
        """Where in ``iterations`` an epoch begins: indexes, int64.

        Raises:
            ValueError: If it is not known how long an epoch is.
        """
        return np.unique(np.floor(self.epochs()), return_index=True)[1]

    def save(self, path: Union[str, Path], by: str = 'iter') -> None:
        """Write a table (.csv): epoch, iteration, and a column a curve, headed by its label.

        Args:
            path: The file.
            by: ``'iter'`` for a row for each iteration known (default), ``'epoch'`` for the first one of each epoch.

        Raises:
            ValueError: If ``by='epoch'`` and it is not known how long an epoch is.
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
