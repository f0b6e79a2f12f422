"""Several processes at one work: how they find each other, share it out, and end together when one fails."""

from __future__ import annotations

import contextlib
import itertools
import os
from typing import Any, Dict, Iterator, Optional, Tuple

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size, init_dist, is_distributed

from .errors import MmlensError, reason

# What a launcher tells the processes that it starts, and what it is started by.
_TOLD: Dict[str, Tuple[str, ...]] = {
    'pytorch': ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_NODELIST'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_LOCAL_RANK', 'OMPI_COMM_WORLD_SIZE', 'MASTER_ADDR'),
}
_STARTED_BY = {
    'pytorch': 'torchrun --nproc_per_node N -m mmlens',
    'slurm': 'srun python -m mmlens',
    'mpi': 'mpirun -x MASTER_ADDR=HOST python -m mmlens',
}
_LONG = 7 * 24 * 3600  # seconds: nobody gives up waiting for a picture that takes long
_STOPPED = 1 << 40
_rounds = itertools.count()


def is_first() -> bool:
    """Whether this process is the one that writes results and speaks; a process that works alone is."""
    return get_rank() == 0


@contextlib.contextmanager
def joined(launcher: str, device: Optional[str] = None) -> Iterator[Optional[str]]:
    """Let the processes that a launcher started find each other, as mmengine does, and part when the block ends.

    Args:
        launcher: One of :data:`mmlens.choices.LAUNCHERS`; ``'none'`` for a process that works alone.
        device: Where the model is to run; ``None`` for a GPU of its own for each process, if there are any.

    Yields:
        The device of this process; ``None`` for what is usual.

    Raises:
        MmlensError: If the launcher did not start this process, or the processes do not find each other.
    """
    if launcher == 'none':
        yield device
        return
    untold = [name for name in _TOLD[launcher] if name not in os.environ]
    if untold:
        raise MmlensError(
            f'No {launcher} launcher started this process ({untold[0]} is not set): '
            f'start it by `{_STARTED_BY[launcher]} ...`.'
        )
    own_gpu = device is None and torch.cuda.is_available()
    try:
        with contextlib.nullcontext() if own_gpu else _without_gpus():
            init_dist(launcher, backend='gloo', timeout=_LONG)
    except (RuntimeError, ValueError, KeyError) as error:  # ports, hosts, more processes than GPUs
        raise MmlensError(f'The processes that {launcher} started do not come together: {reason(error)}') from error
    try:
        yield f'cuda:{torch.cuda.current_device()}' if own_gpu else device
    finally:
        torch.distributed.destroy_process_group()


@contextlib.contextmanager
def _without_gpus() -> Iterator[None]:
    """mmengine gives each process a GPU, and fails where there is none."""
    kept = torch.cuda.set_device
    torch.cuda.set_device = lambda *_: None  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.cuda.set_device = kept  # type: ignore[assignment]


@contextlib.contextmanager
def alike_everywhere() -> Iterator[None]:
    """Raise an error in every process if one of them does; the others would wait for it forever.

    Every process has to come to the end of the block: all wait for each other there.

    Raises:
        MmlensError: With the sentence of the process that failed, which raises its own error itself.
    """
    failure: Optional[Exception] = None
    try:
        yield
    except Exception as error:
        failure = error
    said = None if failure is None else str(failure) or type(failure).__name__
    try:
        sentences = all_gather_object(said)
    except RuntimeError as error:
        raise failure or MmlensError(f'Another process has ended before its time: {reason(error)}') from error
    if failure is not None:
        raise failure
    for sentence in filter(None, sentences):
        raise MmlensError(sentence)


class Deal:
    """Numbers dealt out to processes, each number to one of them, in order, as they ask for work.

    A process that works alone gets them all. All processes have to make their deals in the same order.

    Args:
        number: How many there are, from 0 up.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._store: Any = None
        if is_distributed() and get_world_size() > 1:
            self._store = torch.distributed.distributed_c10d._get_default_store()
            self._key = f'mmlens deal {next(_rounds)}'

    def __iter__(self) -> Iterator[int]:
        for alone in itertools.count():
            # The store's `add` is atomic: no two processes get the same answer.
            number = alone if self._store is None else self._store.add(self._key, 1) - 1
            if number >= self._number:
                return
            yield number

    def stop(self) -> None:
        """Deal out no more, to any process."""
        self._number = 0
        if self._store is not None:
            self._store.add(self._key, _STOPPED)
