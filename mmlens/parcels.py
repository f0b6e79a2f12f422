"""Objects between a process and one that it forked: arrays lie in memory that both share, the rest goes through a pipe.

A frame of a video that goes through a pipe is copied half a dozen times, in bits of 64 kB.
"""

from __future__ import annotations

import mmap
import multiprocessing
import pickle
from multiprocessing.connection import Connection
from typing import Any, List, Optional, Tuple

# Of memory that is there once it is written to. What does not fit goes through the pipe.
ROOM = 1 << 28
_ALIGNED = 64

Places = List[Tuple[int, int]]


class Parcels:
    """One end of the way between two processes: one object at a time goes each way.

    Args:
        connection: For the rest.
        outgoing: The memory for arrays that are sent.
        incoming: The memory in which they arrive.
        kept: Whether arrays stay what they are when the next object comes; else they are a view of the memory.
    """

    def __init__(self, connection: Connection, outgoing: mmap.mmap, incoming: mmap.mmap, kept: bool) -> None:
        self.connection = connection
        self._outgoing, self._incoming, self._kept = outgoing, incoming, kept

    @classmethod
    def pair(cls, room: int = ROOM) -> Tuple[Parcels, Parcels]:
        """Both ends: of the process that asks, whose arrays stay, and of the one that it forks.

        Args:
            room: Bytes for the arrays of an object.
        """
        ours, theirs = multiprocessing.Pipe()
        there, back = mmap.mmap(-1, room), mmap.mmap(-1, room)
        return cls(ours, there, back, kept=True), cls(theirs, back, there, kept=False)

    def send(self, whatever: Any) -> None:
        """Send an object, which is pickled."""
        arrays: List[pickle.PickleBuffer] = []
        rest = pickle.dumps(whatever, protocol=5, buffer_callback=arrays.append)
        places = self._put([array.raw() for array in arrays])
        if places is None:
            places, rest = [], pickle.dumps(whatever, protocol=5)
        self.connection.send_bytes(pickle.dumps((places, rest)))

    def _put(self, arrays: List[memoryview]) -> Optional[Places]:
        """Copy arrays into the memory, and tell where they lie: begin and end; ``None`` if they do not fit."""
        places: Places = []
        begin = 0
        for array in arrays:
            places.append((begin, begin + array.nbytes))
            begin += -(-array.nbytes // _ALIGNED) * _ALIGNED
        if begin > len(self._outgoing):
            return None
        for array, (first, last) in zip(arrays, places):
            self._outgoing[first:last] = array  # type: ignore[assignment]
        return places

    def receive(self) -> Any:
        """Wait for an object.

        Raises:
            EOFError: If the other process has ended.
        """
        places, rest = pickle.loads(self.connection.recv_bytes())
        memory = memoryview(self._incoming)
        parts = [memory[begin:end] for begin, end in places]
        return pickle.loads(rest, buffers=[bytearray(part) for part in parts] if self._kept else parts)
