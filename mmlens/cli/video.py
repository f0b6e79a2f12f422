"""Videos, frame by frame."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Iterator, Optional, Tuple, Type

from ..errors import OutputError, PictureError, count
from ..files import write_atomically
from ..whole_files import frames_of
from .video_codecs import Encoder, open_encoder

if TYPE_CHECKING:
    import numpy as np

USUAL_RATE = 25.0  # frames per second, for files that do not say


class VideoReader:
    """The frames of a video.

    Attributes:
        rate: Frames per second.
        frames: Number of frames the file claims to have; 0 if it does not say.
        size: ``(width, height)`` of its frames in pixels.
        first: The first frame.

    Args:
        path: The file.

    Raises:
        PictureError: If no frame can be read.
    """

    def __init__(self, path: Path) -> None:
        import cv2

        self._capture = cv2.VideoCapture(str(path))
        readable, self.first = self._capture.read()
        if not readable:
            self._capture.release()
            raise PictureError(f'{path} cannot be read as a video.')
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if math.isfinite(rate) and rate > 0 else USUAL_RATE
        self.size = (self.first.shape[1], self.first.shape[0])
        self.frames = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Read the frames once: (H, W, 3), uint8, BGR."""
        frame = self.first
        try:
            readable = True
            while readable:
                yield frame
                readable, frame = self._capture.read()
        finally:
            self._capture.release()


class VideoWriter:
    """Writes an .mp4 video; leaving the block closes the file properly, even after an error.

    Its codecs need even sizes: an odd last row or column is cut off.

    Args:
        path: The file; it has to end with ``.mp4``.
        rate: Frames per second.
        size: ``(width, height)`` in pixels. Defaults to the first frame's.

    Attributes:
        frames: Number of frames written.
    """

    def __init__(self, path: str, rate: float, size: Optional[Tuple[int, int]] = None) -> None:
        self._path, self._rate, self._size = path, rate, size
        self._encoder: Optional[Encoder] = None
        self.frames = 0

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._encoder:
            self._encoder.close()

    def write(self, frame: np.ndarray) -> None:
        """Append a frame; one of a different size is scaled to fit and padded with white.

        Args:
            frame: Shape (H, W, 3), uint8, BGR.

        Raises:
            OutputError: If no video of this size can be written.
        """
        from ..rendering import fit_canvas

        if self._encoder is None or self._size is None:
            self._size = self._size or (frame.shape[1], frame.shape[0])
            self._encoder = open_encoder(self._path, self._rate, _even(self._size))
        if (frame.shape[1], frame.shape[0]) != self._size:
            # Encoders refuse frames of another size, or drop them silently.
            frame = fit_canvas(frame, self._size)
        width, height = _even(self._size)
        self._encoder.write(frame[:height, :width])
        self.frames += 1

    @property
    def note(self) -> str:
        """What the user should know about the file; empty if nothing, or before the first frame."""
        return self._encoder.note if self._encoder else ''

    def check_readable(self, place: Path) -> None:
        """Check, after the block, that every frame can be read back: OpenCV does not say that the disk is full.

        Args:
            place: Where the file will be, for the sentence.

        Raises:
            OutputError: If not.
        """
        found = frames_of(self._path)
        if found != self.frames:
            raise OutputError(
                f'Cannot write {place}: of its {count(self.frames, "frame")}, {found} can be read back. Make room on '
                'the disk, or choose another output folder.'
            )


@contextlib.contextmanager
def video_file(place: Optional[Path], rate: float, size: Optional[Tuple[int, int]]) -> Iterator[Optional[VideoWriter]]:
    """Write a video whole or not at all: interrupted it keeps the frames it has, and one that failed leaves no file.

    Args:
        place: Where to; ``None`` for none.
        rate, size: See :class:`VideoWriter`.

    Raises:
        KeyboardInterrupt: With a sentence on what the file holds.
    """
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


def _even(size: Tuple[int, int]) -> Tuple[int, int]:
    """A size without an odd last row or column, unless nothing else is there."""
    return max(size[0] // 2 * 2, 1), max(size[1] // 2 * 2, 1)
