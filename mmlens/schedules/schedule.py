"""How the optimizer's settings change over a training run."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Optional, Tuple, Union

import numpy as np

from ..errors import count
from ..files import write_text
from ..results.explanation import in_brackets
from ..results.exports import Table, Tabular

_SIZE = (7, 4)  # of a figure, in inches


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        return f'<Curve of {self.label}: {self.values[0]:.4g} at first, {self.values[-1]:.4g} at last>'


@dataclass(frozen=True, repr=False)
class Schedule(Tabular):
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

    def __repr__(self) -> str:
        curves = f'{count(len(self.curves), "curve")}{in_brackets([curve.label for curve in self.curves])}'
        return f'<Schedule of {self.param}: {curves} over {count(self.total, "iteration")}>'

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
        columns = self.table(by)
        with write_text(path) as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*(values.tolist() for values in columns.values())))

    def table(self, by: str = 'iter') -> Table:
        """See :class:`~mmlens.results.exports.Tabular`.

        Args:
            by: See :meth:`save`.

        Returns:
            ``epoch``, if the length of an epoch is known, ``iteration``, and the values of each curve.

        Raises:
            ValueError: If ``by='epoch'`` and the length of an epoch is unknown.
        """
        places = self.epoch_starts() if by == 'epoch' else np.arange(len(self.iterations))
        iterations = self.iterations[places]
        epochs = {} if self.epoch_length is None else {'epoch': iterations // self.epoch_length}
        values = {f'{self.param}: {curve.label}': curve.values[places] for curve in self.curves}
        return {**epochs, 'iteration': iterations, **values}

    def plot(self, ax: Any = None) -> Any:
        """Draw the curves into axes of matplotlib, over the iterations.

        Args:
            ax: ``matplotlib.axes.Axes``. Defaults to new ones.

        Returns:
            The axes.

        Raises:
            MmlensError: If matplotlib is not installed.
        """
        from ..rendering.plotting import new_axes

        ax = new_axes(_SIZE) if ax is None else ax
        for curve in self.curves:
            ax.plot(self.iterations, curve.values, label=curve.label)
        ax.set_xlabel('iteration')
        ax.set_ylabel(self.param)
        if len(self.curves) > 1:
            ax.legend()
        return ax

    def show(self) -> None:
        """Show the curves: in a notebook below the cell, else in a window of matplotlib, until it is closed.

        Where there is no display, a warning says what to do instead.
        """
        from ..rendering.plotting import show_axes

        show_axes(self.plot, repr(self).strip('<>'))

    def _repr_png_(self) -> bytes:
        from matplotlib.figure import Figure

        figure, file = Figure(figsize=_SIZE, layout='constrained'), BytesIO()
        self.plot(figure.add_subplot())
        figure.savefig(file, format='png')
        return file.getvalue()
