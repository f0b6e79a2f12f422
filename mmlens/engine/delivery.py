"""Where drawings go: to every backend of the Runner's visualizer and a local folder. Warnings are logged once."""

from __future__ import annotations

import os
import re
import traceback
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Optional, Set, Union

import numpy as np
from mmengine.visualization import DVCLiveVisBackend, LocalVisBackend, MLflowVisBackend, WandbVisBackend

from ..files import write_picture
from ..results.boxes import BoxExplanation
from ..results.classes import ClassExplanation

Notes = Dict[str, str]


@dataclass
class Delivery:
    """What a hook drew of one picture, to be delivered.

    Attributes:
        tag: ``boxam/000005``: the name of the picture's history.
        picture: Shape (H, W, 3), uint8, BGR; ``None`` if it could not be drawn.
        notes: Sentences for the log, by kind: only the first of each kind is logged.
    """

    tag: str
    picture: Optional[np.ndarray] = None
    notes: Notes = field(default_factory=dict)


def notes_of(hook: str, picture: str, found: Union[BoxExplanation, ClassExplanation]) -> Notes:
    """What the log should say about an explanation, by kind: why maps are blank, and its other notes.

    Args:
        hook: Name of the hook that drew it.
        picture: Name of the picture.
        found: The explanation.
    """
    blank: Notes = {
        each.blank: f'{hook}: the map of {each.class_name} in {picture} is blank: {each.blank}.'
        for each in found
        if each.blank
    }
    others = [note for note in found.notes if not any(why in note for why in blank)]
    return {**blank, **{re.sub(r'\d+', '', note): f'{hook}: {picture}: {note}' for note in others}}


class OnceLogger:
    """Logs one sentence of each kind per training, as a warning."""

    def __init__(self) -> None:
        self._said: Set[str] = set()

    def warn(self, logger: Any, kind: str, sentence: str) -> None:
        """Log a sentence unless one of its kind was logged before."""
        if kind not in self._said:
            self._said.add(kind)
            logger.warning(sentence)


def kind_of(work: str, error: BaseException) -> str:
    """The kind of an error, whatever its words, which hold paths, sizes and addresses: see :class:`OnceLogger`.

    Args:
        work: What was being done.
        error: Errors of one type that one line of code raises are of one kind.
    """
    frames = traceback.extract_tb(error.__traceback__)
    place = f'{frames[-1].filename}:{frames[-1].lineno}' if frames else ''
    return f'{work}: {type(error).__name__} {place}'


def deliver(drawing: Delivery, runner: Any, step: int, folder: Optional[Path], file_name: str) -> Dict[str, Exception]:
    """Hand a drawing to every backend of the visualizer, and write it to a local folder; one failure stops no other.

    Args:
        drawing: With a picture.
        runner: Has the visualizer.
        step: The step that backends record.
        folder: Where a subfolder is named after the tag; ``None`` writes no file.
        file_name: Name of the file there.

    Returns:
        Where it did not arrive, and why.
    """
    assert drawing.picture is not None
    rgb = np.ascontiguousarray(drawing.picture[..., ::-1])
    places: Dict[str, Callable[[], None]] = {
        name: partial(_hand_over, backend, drawing.tag, rgb, step, file_name)
        for name, backend in runner.visualizer._vis_backends.items()
    }
    if folder is not None:
        places['its folder'] = partial(write_picture, folder / drawing.tag / file_name, drawing.picture)
    failed: Dict[str, Exception] = {}
    for name, send in places.items():
        try:
            send()
        except Exception as error:  # disks are full, trackers are out of reach
            failed[name] = error
    return failed


def remove_files(folders: Iterable[Path], is_one: Callable[[str], bool]) -> int:
    """Remove the files with wanted names from folders that need not exist; returns how many there were."""
    files = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if is_one(path.name)]
    for path in files:
        path.unlink()
    return len(files)


def _hand_over(backend: Any, tag: str, picture: np.ndarray, step: int, file_name: str) -> None:
    """Give a picture (RGB) to a backend."""
    if isinstance(backend, LocalVisBackend):
        # It creates no folder for a tag with a slash, and cv2 does not say that it wrote nothing.
        backend.experiment  # noqa: B018  makes the backend decide where it writes
        os.makedirs(os.path.dirname(os.path.join(backend._img_save_dir, tag)), exist_ok=True)
    if isinstance(backend, WandbVisBackend):
        # It counts every call as a step, scalars too, and drops ours.
        wandb = backend.experiment
        wandb.log({tag: wandb.Image(picture, caption=Path(file_name).stem)}, commit=backend._commit)
        return
    # These two have no steps, and the name becomes a file's: each step needs its own.
    if isinstance(backend, MLflowVisBackend):
        tag = f'{tag}/{file_name}'  # with an extension, which DVCLive's backend adds by itself
    elif isinstance(backend, DVCLiveVisBackend):
        tag = f'{tag}/{step}'
    backend.add_image(tag, picture, step)
