"""Explanations in several threads take turns; what needs no turn is done ahead of it."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import repeat
from typing import Callable, Deque, Generator, Iterable, Tuple, TypeVar

# Explaining changes, for a while, what threads share: the model, mmcv's operators, mmengine's scope and the random
# states. Whoever does so holds this; a thread may take it again.
one_at_a_time = threading.RLock()

Item = TypeVar('Item')
Result = TypeVar('Result')


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], most: int = 2
) -> Generator[Tuple[Item, Future[Result]], None, None]:
    """Call a function for each of the items in another thread, a few items before their turn.

    The items are asked for in this thread, and come in their order. Closing the iterator ends the thread.

    Args:
        function: Called once an item, one call at a time.
        items: As many as there are; they may have no end.
        most: How many items, at most, are worked on before their turn, which bounds the memory.

    Yields:
        Each item with what becomes of it: ``result()`` waits, returns what the function returned, or raises what it
        raised.
    """
    waiting: Deque[Tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(1) as thread:
        try:
            for item in items:
                waiting.append((item, thread.submit(function, item)))
                if len(waiting) > most:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, future in waiting:
                future.cancel()


def taken_ahead(items: Iterable[Item], most: int = 2) -> Generator[Item, None, None]:
    """The items, asked for in another thread a few before their turn. Closing the iterator ends the thread.

    Args:
        items: As many as there are; they may have no end.
        most: How many items, at most, are there before their turn.
    """
    left, end = iter(items), object()
    with contextlib.closing(ahead(lambda _: next(left, end), repeat(None), most)) as asked:
        for _, item in asked:
            if item.result() is end:
                return
            yield item.result()  # type: ignore[misc]
