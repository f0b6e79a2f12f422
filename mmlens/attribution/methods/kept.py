"""The file in which a method of many passes keeps what it found so far, to be taken up again."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

import numpy as np
import torch
from torch import Tensor

from ...errors import MethodError, OutputError
from ...files import write_atomically
from .multi_pass import PassJob

_SAVE_EVERY = 1.0  # seconds: a slow disk must not hold up each pass


class KeptFile:
    """The ``.npz`` file that the option ``resume`` names; without one, nothing is kept.

    Args:
        job: What the method was given.
        title: The method, as sentences name it.
        array: Name of what is kept in the file.
        settings: The options that it depends on.
    """

    def __init__(self, job: PassJob, title: str, array: str, settings: Sequence[Any]) -> None:
        self.path = Path(job.options['resume']) if job.options['resume'] else None
        self._title, self._array = title, array
        self._made_for = _made_for(job, settings)
        self._saved = -_SAVE_EVERY

    def load(self) -> Optional[Tensor]:
        """What was kept; ``None`` if there is no file yet.

        Raises:
            MethodError: If the file holds something else.
        """
        path = self.path
        if path is None or not os.path.isfile(path):
            return None
        try:
            with np.load(path) as kept:
                values, made_for = torch.from_numpy(kept[self._array]), str(kept['made_for'])
        except Exception as error:  # whatever is wrong with the user's file
            raise MethodError(
                f'{path} holds no progress of {self._title}: delete it, or name another file with `resume`.'
            ) from error
        if made_for != self._made_for:
            raise MethodError(
                f'{path} was started with another picture, other boxes or other options: delete it, or name another '
                'file with `resume`.'
            )
        return values

    def save_now_and_then(self, values: Tensor) -> None:
        """Keep values, unless that was done a moment ago."""
        if time.monotonic() - self._saved > _SAVE_EVERY:
            self.save(values)

    def save(self, values: Tensor) -> None:
        """Keep values in place of what was kept.

        Raises:
            OutputError: If the file cannot be written.
        """
        if self.path is not None:
            try:
                with write_atomically(self.path, suffix='.npz') as temporary:
                    arrays: Dict[str, Any] = {self._array: values.numpy(), 'made_for': np.array(self._made_for)}
                    np.savez(temporary, **arrays)
            except OutputError as error:
                raise OutputError(f'Cannot write {self.path}: name another file with `resume`.') from error
        self._saved = time.monotonic()


def _made_for(job: PassJob, settings: Sequence[Any]) -> str:
    """What the values depend on: the input, the targets, the options and the size of a batch."""
    inputs = hashlib.sha256(job.inputs.detach().float().cpu().numpy().tobytes()).hexdigest()
    parts = [inputs, job.runs.identity, list(settings), job.runs.batch_size()]
    return hashlib.sha256(repr(parts).encode()).hexdigest()
