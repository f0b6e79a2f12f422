"""Who writes a video: whatever is installed that makes files which browsers play, else OpenCV.

Browsers play H.264 with colours at half the resolution (yuv420p), and begin at once if the index comes first
(faststart). imageio-ffmpeg and PyAV bring an encoder of it with them; prebuilt OpenCV writes MPEG-4 Part 2, which
browsers do not play.
"""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Callable, Tuple

from ..errors import OutputError, reason

if TYPE_CHECKING:
    import numpy as np

NOTE = (
    'browsers do not play this video, which OpenCV wrote as MPEG-4: run `pip install imageio-ffmpeg` to have H.264 '
    'written.'
)

_QUALITY = 20  # x264's constant rate factor: fine lines and letters of drawings stay sharp

Size = Tuple[int, int]


class Encoder:
    """Writes the frames of a video to a file.

    Args:
        path: The file, ``.mp4``.
        rate: Frames per second.
        size: ``(width, height)`` of the frames in pixels, both even.

    Attributes:
        note: What the user should know about the file; empty if nothing.

    Raises:
        OutputError: If no video of this size can be written.
    """

    note = ''

    def __init__(self, path: str, rate: float, size: Size) -> None:
        raise NotImplementedError

    def write(self, frame: np.ndarray) -> None:
        """Append a frame: shape (height, width, 3), uint8, BGR."""
        raise NotImplementedError

    def close(self) -> None:
        """Finish the file."""
        raise NotImplementedError


class ImageioFfmpeg(Encoder):
    """H.264 by the ffmpeg that imageio-ffmpeg brings, which gets the frames through a pipe."""

    def __init__(self, path: str, rate: float, size: Size) -> None:
        from imageio_ffmpeg import write_frames

        self._frames = write_frames(
            path,
            size,
            pix_fmt_in='bgr24',
            pix_fmt_out='yuv420p',
            fps=rate,
            codec='libx264',
            quality=None,
            macro_block_size=2,
            ffmpeg_log_level='error',
            output_params=['-crf', str(_QUALITY), '-movflags', '+faststart'],
        )
        self._frames.send(None)

    def write(self, frame: np.ndarray) -> None:
        """See :meth:`Encoder.write`."""
        import numpy as np

        try:
            self._frames.send(np.ascontiguousarray(frame))
        except OSError as error:  # the disk is full, or somebody ended ffmpeg
            raise OutputError(f'ffmpeg, which writes the video, has ended: {reason(error)}') from error

    def close(self) -> None:
        """See :meth:`Encoder.close`."""
        self._frames.close()


class PyAV(Encoder):
    """H.264 by the libraries of ffmpeg that PyAV brings."""

    def __init__(self, path: str, rate: float, size: Size) -> None:
        import av

        self._file = av.open(path, 'w', options={'movflags': '+faststart'})
        self._stream: Any = self._file.add_stream('libx264', rate=Fraction(rate).limit_denominator(1001))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = 'yuv420p'
        self._stream.options = {'crf': str(_QUALITY)}

    def write(self, frame: np.ndarray) -> None:
        """See :meth:`Encoder.write`."""
        import av

        self._file.mux(self._stream.encode(av.VideoFrame.from_ndarray(frame, format='bgr24')))

    def close(self) -> None:
        """See :meth:`Encoder.close`."""
        self._file.mux(self._stream.encode())
        self._file.close()


class OpenCV(Encoder):
    """MPEG-4 Part 2, which every prebuilt OpenCV can write."""

    note = NOTE

    def __init__(self, path: str, rate: float, size: Size) -> None:
        import cv2

        self._writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*'mp4v'), rate, size)
        if not self._writer.isOpened():
            raise OutputError(f'A video of {size[0]} x {size[1]} pixels cannot be written as .mp4.')

    def write(self, frame: np.ndarray) -> None:
        """See :meth:`Encoder.write`."""
        self._writer.write(frame)

    def close(self) -> None:
        """See :meth:`Encoder.close`."""
        self._writer.release()


# Package -> who writes with it, the best first.
_WITH: Tuple[Tuple[str, Callable[[str, float, Size], Encoder]], ...] = (('imageio_ffmpeg', ImageioFfmpeg), ('av', PyAV))


def open_encoder(path: str, rate: float, size: Size) -> Encoder:
    """Open the best encoder that is there and takes such videos; for arguments and errors see :class:`Encoder`."""
    for package, encoder in _WITH:
        if min(size) >= 2 and _is_installed(package):
            try:
                return encoder(path, rate, size)
            except Exception:  # no encoder of H.264 in this build, or no ffmpeg for this machine
                continue
    return OpenCV(path, rate, size)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
