"""Progress bars."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Iterator, Optional

from .verbosity import is_quiet

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def progress_bar(number: int) -> Progress:
    """A progress bar on stderr; hidden for a single thing, with ``-q``, and where stderr is not a terminal.

    Args:
        number: How many things there are to do.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=number < 2 or is_quiet() or not console.is_terminal,
        # Results that go to a file or a pipe must not end up in the bar's terminal.
        redirect_stdout=sys.stdout.isatty(),
    )


def download_bar() -> Progress:
    """A progress bar of bytes on stderr; hidden with ``-q``, and where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=is_quiet() or not console.is_terminal,
    )


class Passes:
    """Shows the progress of the many passes over one picture, and ends them early on Ctrl-C.

    The first Ctrl-C lets the running batch finish, so that the maps so far can be written; a second one
    interrupts at once.

    Args:
        what: What is counted, as the bar says.
    """

    def __init__(self, what: str = 'passes') -> None:
        self._what = what
        self._bar: Optional[Progress] = None
        self._task: Optional[TaskID] = None
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether Ctrl-C was pressed during the passes over the last picture, even if too late to end them early."""
        return self._stopped

    @contextlib.contextmanager
    def shown_on(self, bar: Progress) -> Iterator[None]:
        """Show progress on a bar."""
        self._bar = bar
        try:
            yield
        finally:
            self._bar = None

    @contextlib.contextmanager
    def of_a_picture(self) -> Iterator[None]:
        """Wraps the passes over one picture."""
        self._stopped = False
        # Only the main thread receives signals; what a shell runs in the background should ignore Ctrl-C.
        before: Any = signal.getsignal(signal.SIGINT)
        heeds = threading.current_thread() is threading.main_thread() and before not in (None, signal.SIG_IGN)
        if heeds:
            signal.signal(signal.SIGINT, self._stop)
        try:
            yield
        finally:
            if heeds:
                signal.signal(signal.SIGINT, before)
            if self._bar is not None and self._task is not None:
                self._bar.remove_task(self._task)
            self._task = None

    def _stop(self, number: int, frame: Any) -> None:
        if self._stopped:
            raise KeyboardInterrupt
        self._stopped = True

    def __call__(self, done: int, total: int) -> bool:
        """Show that ``done`` of ``total`` passes are done.

        Returns:
            Whether to go on.
        """
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task(self._what, total=total)
            self._bar.update(self._task, completed=done, total=total)
        return not self._stopped
