"""A bar for what takes a while."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


def progress_bar(number: int) -> Progress:
    """A progress bar on stderr; silent for a single thing, and where stderr is no terminal.

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
        disable=number < 2 or not console.is_terminal,
        # Results that go to a file or a pipe must not be diverted to the bar's terminal.
        redirect_stdout=sys.stdout.isatty(),
    )
