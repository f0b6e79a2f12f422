"""Writes arrays into an ``.npz`` without ever holding them all."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, Mapping, Tuple, Union

import numpy as np


@dataclass(frozen=True)
class Stack:
    """An array (N, ...) of which one part at a time is in memory.

    Attributes:
        parts: Returns the N parts, each anew.
        shape: Of the whole.
        dtype: Of the whole.
    """

    parts: Callable[[], Iterable[np.ndarray]]
    shape: Tuple[int, ...]
    dtype: type = np.float32

    def __iter__(self) -> Iterator[np.ndarray]:
        """The parts.

        Raises:
            ValueError: If one is not of the size of the others.
        """
        for part in self.parts():
            if part.shape != self.shape[1:]:
                raise ValueError(f'an array {part.shape} among arrays {self.shape[1:]}')
            yield np.ascontiguousarray(part, self.dtype)

    def array(self) -> np.ndarray:
        """The whole."""
        return np.array(list(self), self.dtype).reshape(self.shape)


Column = Union[np.ndarray, Stack]


def whole(columns: Mapping[str, Column]) -> Dict[str, np.ndarray]:
    """The arrays themselves."""
    return {name: each.array() if isinstance(each, Stack) else each for name, each in columns.items()}


def write_npz(path: Union[str, Path], columns: Mapping[str, Column]) -> None:
    """Write a compressed ``.npz`` that ``np.load`` opens, as ``np.savez_compressed`` does, stacks part by part."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, each in columns.items():
            with archive.open(f'{name}.npy', 'w', force_zip64=True) as file:
                if not isinstance(each, Stack):
                    np.lib.format.write_array(file, np.asanyarray(each), allow_pickle=False)
                    continue
                header = {
                    'descr': np.lib.format.dtype_to_descr(np.dtype(each.dtype)),
                    'fortran_order': False,
                    'shape': each.shape,
                }
                np.lib.format.write_array_header_1_0(file, header)
                for part in each:
                    # As bytes: Python 3.8 takes the first length of a view for its size in the file.
                    file.write(part.reshape(-1).view(np.uint8).data)
