"""``python -m mmlens`` and the ``mmlens`` command."""

from __future__ import annotations

import os
import signal
from typing import Any, Optional


def _end_before_commands(number: int, frame: Any) -> None:
    os.write(2, b'mmlens: interrupted: nothing was written.\n')
    os._exit(130)


def run(command: Optional[str] = None) -> None:
    """Be the process of ``mmlens``; Ctrl-C ends it without a traceback, even while its first modules are imported."""
    # What a shell runs in the background ignores Ctrl-C, and should go on doing so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_before_commands)
    from .cli.main import run as run_main

    run_main(command)


if __name__ == '__main__':
    run()
