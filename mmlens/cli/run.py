"""Goes through the pictures and videos: draws, writes and shows each, and says what became of it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from ..errors import MmlensError, PictureError, count
from ..files import write_atomically, write_picture
from .guard import CRASHED, DONE, explain_error, report_failures, tell
from .index import Index
from .progress import Passes, progress_bar
from .sources import Source
from .verbosity import detail
from .video import VideoReader, VideoWriter
from .window import show_picture

if TYPE_CHECKING:
    import numpy as np
    from rich.progress import Progress


Picture = Union[Path, 'np.ndarray']


@dataclass
class Drawn:
    """The result for one picture or frame.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR: the drawing.
        summary: What was found, in a few words.
        details: Lines that follow the summary.
        notes: Sentences for the user; each is printed once per run.
        boxes: How many boxes there are.
        save_maps: Writes the arrays behind the drawing to a path.
        unfinished: Whether the user ended the work on it early.
    """

    picture: np.ndarray
    summary: str
    details: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    boxes: int = 0
    save_maps: Optional[Callable[[Path], object]] = None
    unfinished: bool = False


class Run:
    """One run over several sources.

    Args:
        draw: Draws a picture, given as a path, or a frame of a video, given as uint8 BGR (H, W, 3).
        same_size: Whether a video of drawings has the size of the original video; otherwise it has that of
            the first drawing. Defaults to ``True``.
        show: Whether to show results in a window. Defaults to ``False``.
        passes: Shows the passes over each picture, for methods that make many.
        index: Collects what is written. Defaults to one that is not written.
    """

    def __init__(
        self,
        draw: Callable[[Picture], Drawn],
        same_size: bool = True,
        show: bool = False,
        passes: Optional[Passes] = None,
        index: Optional[Index] = None,
    ) -> None:
        self._index = index or Index(None, '')
        self._draw = draw
        self._same_size = same_size
        self._show = show
        self._passes = passes
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
        failures: List[str] = []
        finished = 0
        long = sources[0].is_video or self._passes is not None
        with progress_bar(2 if long else len(sources)) as bar, self._showing_passes(bar), self._index:
            task = bar.add_task('pictures', total=len(sources), visible=len(sources) > 1)
            try:
                for source, place in zip(sources, places):
                    begin = time.perf_counter()
                    try:
                        self._one(source, place, bar)
                        detail(f'{source.path} took {time.perf_counter() - begin:.2f} s')
                    except Exception as error:
                        if len(sources) == 1 or _concerns_all(error):
                            raise
                        failures.append(self._why_not_drawn(source, error))
                    finished += 1
                    bar.advance(task)
                    if finished < len(sources) and self._stopped():
                        raise KeyboardInterrupt
            except KeyboardInterrupt as interrupt:
                done = f'{finished - len(failures)} of {len(sources)} pictures were done'
                raise KeyboardInterrupt(f'{"; ".join([done, *interrupt.args])}.') from None
        return report_failures(failures, len(sources), 'picture') if failures else DONE

    def _why_not_drawn(self, source: Source, error: Exception) -> str:
        """A line for the list at the end; the first bug of ours is shown in full."""
        if isinstance(error, PictureError):
            return str(error)
        sentence, status = explain_error(error, bugs_in_full=not self._shown_in_full)
        self._shown_in_full = self._shown_in_full or status == CRASHED
        return f'{source.path}: {sentence}'

    def _stopped(self) -> bool:
        return self._passes is not None and self._passes.stopped

    def _showing_passes(self, bar: Progress) -> Any:
        return self._passes.shown_on(bar) if self._passes else contextlib.nullcontext()

    def _one(self, source: Source, place: Optional[Path], bar: Progress) -> None:
        try:
            drawn = self._video(source, place, bar) if source.is_video else self._picture(source, place)
        except RuntimeError as error:
            # By name, because torch versions keep it in different places. A smaller picture may still fit.
            if type(error).__name__ != 'OutOfMemoryError':
                raise
            raise PictureError(f'{source.path}: the device ran out of memory; try --device cpu.') from error
        self._index.add(place, drawn.picture, drawn.summary)
        print(f'{source.path}: {drawn.summary}' + (f' -> {place}' if place else ''))
        for line in drawn.details:
            tell(f'  {line}')
        for note in drawn.notes:
            if note not in self._noted:
                self._noted[note] = None
                tell(f'note: {note}')
        if drawn.unfinished:
            raise KeyboardInterrupt(*([f'{place} holds what was found so far'] if place else []))

    def _picture(self, source: Source, place: Optional[Path]) -> Drawn:
        drawn = self._draw(source.path)
        if place:
            write_picture(place, drawn.picture)
            if drawn.save_maps:
                drawn.save_maps(place.with_suffix('.npz'))
        if self._show:
            show_picture(drawn.picture, source.name)
        return drawn

    def _video(self, source: Source, place: Optional[Path], bar: Progress) -> Drawn:
        reader = VideoReader(source.path)
        task = bar.add_task(source.name, total=reader.frames or None)
        frames = boxes = 0
        notes: Dict[str, None] = {}
        with _video_file(place, reader.rate, reader.size if self._same_size else None) as writer:
            for frame in reader:
                drawn = self._draw(frame)
                if writer:
                    writer.write(drawn.picture)
                if self._show:
                    show_picture(drawn.picture, source.name, wait=False)
                frames += 1
                if drawn.unfinished or self._stopped():
                    raise KeyboardInterrupt
                boxes += drawn.boxes
                notes.update(dict.fromkeys(drawn.notes))
                bar.advance(task)
            if writer and writer.note:
                notes[writer.note] = None
        return Drawn(drawn.picture, f'{count(frames, "frame")}, {count(boxes, "box")}', notes=list(notes), boxes=boxes)


def _concerns_all(error: Exception) -> bool:
    """Whether the next picture would fail in the same way. A network may fail because of one picture's size alone."""
    return isinstance(error, (MmlensError, ImportError, OSError)) and not isinstance(error, PictureError)


@contextlib.contextmanager
def _video_file(place: Optional[Path], rate: float, size: Optional[Tuple[int, int]]) -> Iterator[Optional[VideoWriter]]:
    # An interrupted video keeps the frames it has; one that failed leaves no file.
    if place is None:
        yield None
        return
    interrupted = False
    with write_atomically(place) as temporary:
        with VideoWriter(temporary, rate, size) as writer:
            try:
                yield writer
            except KeyboardInterrupt:
                if not writer.frames:
                    raise
                interrupted = True
        writer.check_readable(place)
    if interrupted:
        raise KeyboardInterrupt(f'{place} holds the first {writer.frames} frames')
