"""Ctrl-C waits for what is nearly done."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Any, Callable, Dict, Iterator, List


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM have its effect only when the block ends, the second one at once.

    So nothing is written that is not counted: the block is to be short.
    """
    came: List[int] = []
    handlers: Dict[int, Callable[[int, Any], Any]] = {}

    def wait(number: int, frame: Any) -> None:
        came.append(number)
        if len(came) > 1:
            handlers[number](number, frame)

    # Only the main thread receives signals, and may say what they do.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler: Any = signal.getsignal(number)
            if callable(handler):
                handlers[number] = handler
                signal.signal(number, wait)
    try:
        yield
    finally:
        for known, handler in handlers.items():
            signal.signal(known, handler)
        if len(came) == 1:
            handlers[came[0]](came[0], None)
