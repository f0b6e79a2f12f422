"""What a command makes of one picture or frame, and how it gets onto the disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable, List, Optional, Union

from ..files import picture_as_file, write_atomically, write_bytes, write_picture

if TYPE_CHECKING:
    import numpy as np

    Image = Union[np.ndarray, Callable[[], np.ndarray]]


@dataclass
class Drawn:
    """The result for one picture or frame.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR: the drawing; or what draws it, for drawing needs no turn of the network.
        summary: What was found, in a few words.
        details: Lines that follow the summary.
        notes: Sentences for the user; each is printed once per run.
        boxes: How many boxes there are.
        save_maps: Writes the arrays behind the drawing to a path.
        unfinished: Whether the user ended the work on it early.
        file: What the file of the drawing holds, if that is known already.
        seconds: How long it took to explain, without the drawing.
    """

    picture: Image
    summary: str
    details: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    boxes: int = 0
    save_maps: Optional[Callable[[Path], object]] = None
    unfinished: bool = False
    file: Optional[bytes] = None
    seconds: float = 0.0

    def image(self) -> np.ndarray:
        """The drawing, drawn when it is first asked for: (H, W, 3), uint8, BGR."""
        if callable(self.picture):
            self.picture = self.picture()
        return self.picture

    def write(self, place: Optional[Path]) -> None:
        """Draw, and write the drawing and the maps that belong to it.

        Args:
            place: Where to; ``None`` to write nothing.

        Raises:
            OutputError: If a file cannot be written.
        """
        if place is None:
            self.image()
            return
        if self.file is None:
            write_picture(place, self.image())
        else:
            write_bytes(place, self.file)
        if self.save_maps:
            self.save_maps(place.with_suffix('.npz'))

    def packed(self, place: Optional[Path], folder: Path) -> None:
        """Draw, and keep only what is to be written: so it can be sent to the process that writes it.

        Args:
            place: Where it will go; ``None`` for a frame of a video, which is kept as it is.
            folder: Where maps wait until they are written.

        Raises:
            OutputError: If the drawing cannot be a file of this kind.
        """
        image = self.image()
        if place is None:
            self.save_maps = None
            return
        self.file = picture_as_file(place, image)
        self.picture = smaller(image)
        if self.save_maps:
            waiting = folder / f'{place.stem}.npz'
            self.save_maps(waiting)
            self.save_maps = partial(_moved, waiting)


def smaller(image: np.ndarray) -> np.ndarray:
    """An image of at most 640 pixels a side, to be looked at only."""
    import cv2

    share = 640 / max(image.shape[:2])
    return image if share >= 1 else cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)


def _moved(waiting: Path, place: Path) -> None:
    with write_atomically(place) as temporary:
        shutil.copyfile(str(waiting), temporary)
    waiting.unlink()
