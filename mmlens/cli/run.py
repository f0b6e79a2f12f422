"""Goes through the pictures and videos: draws, writes and shows each, and says what became of it."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    ContextManager,
    Dict,
    Generator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from ..errors import MmlensError, PictureError, count
from ..threads import taken_ahead
from .drawn import Drawn
from .guard import CRASHED, DONE, explain_error, report_failures, tell
from .index import Index
from .interrupts import held_back
from .lines import CrewLine, Finish, Line, Outcome, Read, ThreadedLine, explained
from .progress import Passes, progress_bar
from .sources import Source
from .verbosity import detail
from .video import VideoReader, video_file
from .window import show_picture

if TYPE_CHECKING:
    import numpy as np
    from rich.progress import Progress

    from ..crew import Crew


Picture = Union[Path, 'np.ndarray']


class Task(NamedTuple):
    """A picture, or a frame of a video, and where its drawing goes; ``None`` for a frame, and to write nothing."""

    source: Source
    picture: Picture
    place: Optional[Path] = None


class Run:
    """One run over several sources.

    Args:
        draw: Draws a picture, given as a path, or a frame of a video, given as uint8 BGR (H, W, 3).
        same_size: Whether a video of drawings has the size of the original video; otherwise it has that of
            the first drawing. Defaults to ``True``.
        show: Whether to show results in a window. Defaults to ``False``.
        passes: Shows the passes over each picture, for methods that make many.
        index: Collects what is written. Defaults to one that is not written.
        read_ahead: Reads the pictures of tasks a little ahead of their turn, and yields the tasks. Defaults to one
            that leaves reading to ``draw``.
        workers: How many processes explain pictures; ``draw`` may then leave nothing behind but what it returns.
            Defaults to 1.
        as_fits: Whether fewer do if there is not the memory for so many. Defaults to ``False``.
        together: Draws several pictures that go through the network together. Defaults to ``None``: they go one by one.
        size: How many those are, at most.
        frames: How many they are of a video with frames such as this. Defaults to ``size``.
    """

    def __init__(
        self,
        draw: Callable[[Picture], Drawn],
        same_size: bool = True,
        show: bool = False,
        passes: Optional[Passes] = None,
        index: Optional[Index] = None,
        read_ahead: Read = taken_ahead,
        workers: int = 1,
        as_fits: bool = False,
        together: Optional[Callable[[List[Picture]], List[Drawn]]] = None,
        size: int = 1,
        frames: Optional[Callable[[np.ndarray], int]] = None,
    ) -> None:
        self._index = index or Index(None, '')
        self._draw = draw
        self._same_size = same_size
        self._show = show
        self._passes = passes
        self._read_ahead = read_ahead
        self._workers, self._as_fits = workers, as_fits
        self._together, self._size, self._frames = together, size, frames
        self._line = Line(self._explained, self._finished)
        self._noted: Dict[str, None] = {}
        self._shown_in_full = False

    def over(self, sources: List[Source], places: List[Optional[Path]]) -> int:
        """Work through the sources, skipping those that cannot be read.

        Args:
            sources: The pictures and videos.
            places: Where the result of each goes; ``None`` to write nothing.

        Returns:
            The exit status: 0 if every source could be read, 1 if some could not, 2 if none could.

        Raises:
            Exception: Whatever kept the only source from being drawn.
            MmlensError: If something is wrong that affects every source.
            KeyboardInterrupt: With a sentence that says what was done.
        """
        done, failures = 0, []
        long = sources[0].is_video or self._passes is not None

        def settle(source: Source, place: Optional[Path], outcome: Outcome) -> None:
            nonlocal done
            try:
                self._tell(source, place, outcome)
                done += 1
            except Exception as error:
                if len(sources) == 1 or _concerns_all(error):
                    raise
                failures.append(self._why_not_drawn(source, error))
            bar.advance(task)

        with contextlib.ExitStack() as undo:
            bar = undo.enter_context(progress_bar(2 if long else len(sources)))
            undo.enter_context(self._showing_passes(bar))
            undo.enter_context(self._index)
            task = bar.add_task('pictures', total=len(sources), visible=len(sources) > 1)
            try:
                with contextlib.closing(self._outcomes(sources, places, bar, undo)) as outcomes:
                    for each in outcomes:
                        with self._uninterrupted(each[0]):
                            settle(*each)
                        if done + len(failures) < len(sources) and self._stopped():
                            raise KeyboardInterrupt
            except KeyboardInterrupt as interrupt:
                for (source, _, place), outcome in self._line.rest():
                    settle(source, place, outcome)
                raise KeyboardInterrupt(
                    f'{"; ".join([f"{done} of {len(sources)} pictures were done", *interrupt.args])}.'
                ) from None
        return report_failures(failures, len(sources), 'picture') if failures else DONE

    def _outcomes(
        self, sources: List[Source], places: List[Optional[Path]], bar: Progress, undo: contextlib.ExitStack
    ) -> Generator[Tuple[Source, Optional[Path], Outcome], None, None]:
        """Each source with its place and what gives what came of it; ``undo`` ends the processes behind it."""
        number = min(self._workers, len(sources) - 1)
        if any(source.is_video for source in sources):
            number = self._workers
        crew = _Crews(self._packed, number, self._as_fits, undo)
        for is_video, group in itertools.groupby(zip(sources, places), lambda pair: pair[0].is_video):
            if is_video:
                for source, place in group:
                    yield source, place, partial(self._video, source, place, bar, crew)
                continue
            self._line = self._line_for(self._finished, self._read_ahead, crew, lambda: self._size)
            tasks = [Task(source, source.path, place) for source, place in group]
            with contextlib.closing(self._line.outcomes(tasks)) as outcomes:
                for (source, _, place), outcome in outcomes:
                    yield source, place, outcome

    def _line_for(self, finish: Finish, read: Read, crew: _Crews, how_many: Callable[[], int]) -> Line:
        """The way in which a run works through its pictures, or the frames of a video."""
        if self._passes is not None or self._show:  # which a user follows, and may end within a picture
            return Line(self._explained, finish)
        size = 1 if self._together is None else how_many()
        several = (self._explained_together, size) if size > 1 else (None, 1)
        # Pictures that go through the network together are read ahead there.
        threaded = ThreadedLine(self._explained, finish, read if size == 1 else taken_ahead, *several)
        return CrewLine(self._explained, finish, crew, threaded, *several) if crew.number > 1 else threaded

    def _explained(self, task: Task) -> Drawn:
        begin = time.perf_counter()
        drawn = self._draw(task.picture)
        drawn.seconds = time.perf_counter() - begin
        return drawn

    def _explained_together(self, tasks: Sequence[Task]) -> List[Drawn]:
        assert self._together is not None
        begin = time.perf_counter()
        found = self._together([task.picture for task in tasks])
        for drawn in found:
            drawn.seconds = (time.perf_counter() - begin) / len(tasks)
        return found

    def _finished(self, task: Task, drawn: Drawn) -> None:
        drawn.write(task.place)
        if self._show:
            show_picture(drawn.image(), task.source.name)

    def _packed(self, folder: Path, tasks: Sequence[Task]) -> List[Optional[Drawn]]:
        together = None if self._together is None else self._explained_together
        packed: List[Optional[Drawn]] = [None] * len(tasks)
        for number, outcome in enumerate(explained(tasks, self._explained, together)):
            with contextlib.suppress(Exception):  # told by the process that draws it again
                drawn = outcome()
                drawn.packed(tasks[number].place, folder)
                packed[number] = drawn
        return packed

    def _frames_together(self, frame: np.ndarray) -> int:
        return self._size if self._frames is None else self._frames(frame)

    def _why_not_drawn(self, source: Source, error: Exception) -> str:
        """A line for the list at the end; the first bug of ours is shown in full."""
        if isinstance(error, PictureError):
            return str(error)
        sentence, status = explain_error(error, bugs_in_full=not self._shown_in_full)
        self._shown_in_full = self._shown_in_full or status == CRASHED
        return f'{source.path}: {sentence}'

    def _stopped(self) -> bool:
        return self._passes is not None and self._passes.stopped

    def _uninterrupted(self, source: Source) -> ContextManager[None]:
        """Ctrl-C waits while a drawing is written and told, if that takes no time of a user."""
        return contextlib.nullcontext() if self._show or source.is_video else held_back()

    def _showing_passes(self, bar: Progress) -> Any:
        return self._passes.shown_on(bar) if self._passes else contextlib.nullcontext()

    def _tell(self, source: Source, place: Optional[Path], outcome: Outcome) -> None:
        try:
            drawn = outcome()
        except RuntimeError as error:
            # By name, because torch versions keep it in different places. A smaller picture may still fit.
            if type(error).__name__ != 'OutOfMemoryError':
                raise
            raise PictureError(f'{source.path}: the device ran out of memory; try --device cpu.') from error
        self._index.add(place, drawn.image(), drawn.summary)
        print(f'{source.path}: {drawn.summary}' + (f' -> {place}' if place else ''))
        if not source.is_video:
            detail(f'{source.path} took {drawn.seconds:.2f} s')
        for line in drawn.details:
            tell(f'  {line}')
        for note in drawn.notes:
            if note not in self._noted:
                self._noted[note] = None
                tell(f'note: {note}')
        if drawn.unfinished:
            raise KeyboardInterrupt(*([f'{place} holds what was found so far'] if place else []))

    def _video(self, source: Source, place: Optional[Path], bar: Progress, crew: _Crews) -> Drawn:
        reader = VideoReader(source.path)
        task = bar.add_task(source.name, total=reader.frames or None)
        whole = Drawn(reader.first, '')
        frames = 0

        def add(drawn: Drawn) -> None:
            nonlocal frames
            frames += 1
            whole.boxes += drawn.boxes
            whole.notes += [note for note in drawn.notes if note not in whole.notes]
            bar.advance(task)

        with video_file(place, reader.rate, reader.size if self._same_size else None) as writer:

            def finish(task: Task, drawn: Drawn) -> None:
                if writer:
                    writer.write(drawn.image())
                if self._show:
                    show_picture(drawn.image(), source.name, wait=False)

            line = self._line_for(finish, taken_ahead, crew, lambda: self._frames_together(reader.first))
            try:
                with contextlib.closing(line.outcomes(Task(source, frame) for frame in reader)) as outcomes:
                    for _, outcome in outcomes:
                        with held_back():
                            drawn = outcome()
                            add(drawn)
                        if drawn.unfinished or self._stopped():
                            raise KeyboardInterrupt
            except KeyboardInterrupt:
                for _, outcome in line.rest():
                    outcome()
                raise
            if writer and writer.note:
                whole.notes.append(writer.note)
        whole.picture, whole.summary = drawn.image(), f'{count(frames, "frame")}, {count(whole.boxes, "box")}'
        return whole


class _Crews:
    """The processes of a run, forked when they are first needed.

    Args:
        work: See :class:`Crew`; it gets a folder for files before the task.
        number: How many there are to be.
        as_fits: Whether fewer do if there is not the memory for so many.
        undo: Ends them.
    """

    def __init__(
        self, work: Callable[[Path, Sequence[Task]], Any], number: int, as_fits: bool, undo: contextlib.ExitStack
    ) -> None:
        self._work, self.number, self._as_fits, self._undo = work, number, as_fits, undo
        self._crew: Optional[Crew] = None

    def __call__(self) -> Optional[Crew]:
        """The processes; ``None`` if there is to be only this one."""
        if self._crew is None and self.number > 1:
            from ..crew import Crew, fitting_in_memory

            self.number = fitting_in_memory(self.number) if self._as_fits else self.number
            if self.number > 1:
                folder = self._undo.enter_context(tempfile.TemporaryDirectory(prefix='mmlens-'))
                self._crew = self._undo.enter_context(Crew(partial(self._work, Path(folder)), self.number))
        return self._crew


def _concerns_all(error: Exception) -> bool:
    """Whether the next picture would fail in the same way. A network may fail because of one picture's size alone."""
    return isinstance(error, (MmlensError, ImportError, OSError)) and not isinstance(error, PictureError)
