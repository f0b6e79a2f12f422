"""Draws what the transforms of a data pipeline did to a sample."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Iterator, List, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..choices import MODES
from ..errors import MmlensError
from .class_key import MOST_NAMES, Key
from .colours import GREY, INK, PAPER
from .drawing import Drawing, Place, moved, rect_at
from .marks import Mark, draw_within
from .panels import TITLE, Panel
from .predicted import VOID
from .sheets import MARGIN, NARROWEST, compose, panel_size, resize
from .text import put_text, shorten, text_size, wrap

if TYPE_CHECKING:
    from ..results.samples import Branch, SampleSteps, Step, View

_HEADING, _DETAIL = 18, 13
_LETTERS = 'abcdefghijklmnopqrstuvwxyz'


def draw_steps(
    sample: SampleSteps, mode: str = 'concat', edges: Optional[Tuple[int, int]] = None, bgr2rgb: bool = False
) -> np.ndarray:
    """Draw a sample of a dataset on its way through the pipeline.

    Args:
        sample: What the transforms left.
        mode: ``'original'``: the picture as it was loaded. ``'transformed'``: what the last transform left.
            ``'concat'``: both, side by side. ``'pipeline'``: what every transform left and, below, the steps
            of the pictures that were mixed in.
        edges: Shortest and longest edge, in pixels, that each picture is scaled to. Defaults to pictures in
            their own size, scaled down where a sheet of them would become too large.
        bgr2rgb: Whether the pictures' channels are swapped, for pipelines that load RGB.

    Returns:
        A new uint8 BGR picture: a sheet with a header for each picture. Boxes, labels, masks and segmentation
        maps are drawn in every picture that has them.

    Raises:
        MmlensError: If the mode is unknown.
    """
    return drawing_of_steps(sample, mode, edges, bgr2rgb).image


def drawing_of_steps(
    sample: SampleSteps, mode: str = 'concat', edges: Optional[Tuple[int, int]] = None, bgr2rgb: bool = False
) -> Drawing:
    """Draw a sample's steps, and say what lies where; for arguments and errors see :func:`draw_steps`."""
    if mode not in MODES:
        raise MmlensError(f"Unknown mode '{mode}': choose one of {', '.join(MODES)}.")
    sections = _sections(_swapped(sample) if bgr2rgb else sample, mode)
    key = Key.of(sample, [step for section in sections for _, step in section.steps])
    # Pictures that were mixed in are not shown larger than what they were mixed into.
    limits = list(accumulate(map(_limit, sections), min))
    columns = 2 if mode == 'concat' and len(sample.transformed.views) == 1 else None
    sheets = [compose(_panels(*each, edges, key), columns) for each in zip(sections, limits)]
    width = max(sheet.image.shape[1] for sheet in sheets)
    parts = [_strip('heading', _heading(*_words(sample), width))]
    for section, sheet in zip(sections, sheets):
        parts += [_strip('heading', _heading(section.heading, '', width))] if section.heading else []
        parts.append(sheet)
    return _stacked([*parts, _strip('key', key.draw(width))] if key.used else parts, width)


def _strip(kind: str, image: np.ndarray) -> Drawing:
    return Drawing(image, (Place(kind, rect_at(0, 0, image)),))


def _stacked(parts: Sequence[Drawing], width: int) -> Drawing:
    """Parts of a sheet, one below the other, on paper of this width."""
    images: List[np.ndarray] = []
    places: List[Place] = []
    y = 0
    for part in parts:
        room = width - part.image.shape[1]
        images.append(cv2.copyMakeBorder(part.image, 0, 0, 0, room, cv2.BORDER_CONSTANT, value=PAPER))
        places += moved(part.places, 0, y)
        y += len(part.image)
    return Drawing(np.vstack(images), tuple(places))


def _swapped(sample: SampleSteps) -> SampleSteps:
    """The sample with the pictures' channels reversed."""
    return replace(sample, steps=tuple(map(_swapped_step, sample.steps)))


def _swapped_step(step: Step) -> Step:
    views = tuple(replace(view, picture=view.picture[..., ::-1].copy()) for view in step.views)
    branches = tuple(replace(branch, steps=tuple(map(_swapped_step, branch.steps))) for branch in step.branches)
    return replace(step, views=views, branches=branches)


@dataclass(frozen=True)
class _Section:
    """Steps that are shown together, each with its number, which is empty where the name is enough."""

    heading: str
    steps: Tuple[Tuple[str, Step], ...]


def _sections(sample: SampleSteps, mode: str) -> List[_Section]:
    if mode == 'pipeline':
        return list(_way(sample.steps, '', ''))
    chosen = {
        'original': [('original', sample.original)],
        'transformed': [('transformed', sample.transformed)],
        'concat': [('original', sample.original), ('transformed', sample.transformed)],
    }[mode]
    return [_Section('', tuple(('', replace(step, name=title, within=())) for title, step in chosen))]


def _way(steps: Sequence[Step], prefix: str, heading: str) -> Iterator[_Section]:
    """The steps of one picture, then those of the pictures that were mixed in, in the order they were."""
    numbered = [(f'{prefix}{n}', step) for n, step in enumerate(steps, 1)]
    yield _Section(heading, tuple(numbered))
    for number, step in numbered:
        yield from _branches(number, step)


def _branches(number: str, step: Step) -> Iterator[_Section]:
    ways = [(f'{number}{_letter(n)}', _without_repeats(branch)) for n, branch in enumerate(step.branches)]
    together = tuple((f'{name}.{n}', each) for name, steps in ways for n, each in enumerate(steps, 1))
    if together:
        yield _Section(f'Inside {number} {step.name}', together)
    for inner, each in together:
        yield from _branches(inner, each)


def _letter(number: int) -> str:
    rest, letter = divmod(number, len(_LETTERS))
    return (_letter(rest - 1) if rest else '') + _LETTERS[letter]


def _without_repeats(branch: Branch) -> List[Step]:
    """The steps of a branch; those that leave the picture unchanged are merged into the one before."""
    kept: List[Step] = []
    for step in branch.steps:
        last = kept[-1] if kept else None
        if last and not step.branches and _same_pictures(last, step):
            # The later view has the annotations.
            notes = (*last.notes, f'then {step.name}', *step.notes)
            kept[-1] = replace(last, views=step.views, notes=notes)
        else:
            kept.append(step)
    words = [word for word in (branch.name, os.path.basename(branch.path)) if word]
    if kept and words:
        kept[0] = replace(kept[0], notes=(*words, *kept[0].notes))
    return kept


def _same_pictures(one: Step, other: Step) -> bool:
    return len(one.views) == len(other.views) and all(
        a.shape == b.shape and np.array_equal(a.picture, b.picture) for a, b in zip(one.views, other.views)
    )


def _limit(section: _Section) -> int:
    """How long a picture's longer side may be, so that a sheet of all pictures does not become too large."""
    pictures = [view.picture for _, step in section.steps for view in step.views]
    largest = max(pictures, key=lambda picture: max(picture.shape[:2]))
    if len(pictures) == 1:
        return max(largest.shape[:2])
    return max(panel_size(largest, len(pictures), widest=1280 if len(pictures) == 2 else 640))


def _panels(section: _Section, limit: int, edges: Optional[Tuple[int, int]], key: Key) -> List[Panel]:
    views = [(number, step, n) for number, step in section.steps for n in range(len(step.views))]
    panels = []
    for number, step, n in views:
        view, title = step.views[n], f'{number} {step.name}' if number else step.views[n].name or step.name
        drawn, note = _drawn(view, _size(view, limit, edges), key), _note(step, n, key)
        note = f'{view.name}; {note}' if number and view.name else note
        panels.append(Panel(drawn, title, note=note, kind='picture', item=number or step.name))
    names = [step.name if number else step.views[n].name or step.name for number, step, n in views]
    return _with_whole_names(panels, names)


def _with_whole_names(panels: Sequence[Panel], names: Sequence[str]) -> List[Panel]:
    """The panels; a name that is too long for its header is repeated in the note."""
    room = max(NARROWEST, *(panel.picture.shape[1] for panel in panels))
    return [
        panel
        if shorten(panel.title, TITLE, room, bold=True) == panel.title
        else replace(panel, note=f'{name}; {panel.note}')
        for panel, name in zip(panels, names)
    ]


def _size(view: View, limit: int, edges: Optional[Tuple[int, int]]) -> Tuple[int, int]:
    """Width and height at which a picture is shown."""
    height, width = view.picture.shape[:2]
    scale = min(1.0, limit / max(height, width))
    if edges:
        scale = max(1.0, edges[0] / min(height, width))
        scale = min(scale, edges[1] / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _note(step: Step, number: int, key: Key) -> str:
    view = step.views[number]
    parts = [f'{" × ".join(map(str, view.shape))} {view.dtype}']
    parts += [f'{number + 1} of {len(step.views)}'] if len(step.views) > 1 else []
    parts += ['unchanged'] if not step.changed else []
    parts += [f'in {" › ".join(step.within)}'] if step.within else []
    if step.changed and len(view.boxes) > MOST_NAMES:
        parts.append(f'{len(view.boxes)} boxes: {key.counts(view)}')
    return '; '.join([', '.join(parts), *view.notes, *step.notes])


def _drawn(view: View, size: Tuple[int, int], key: Key) -> np.ndarray:
    """The picture at a size, with all that belongs to it."""
    picture = resize(view.picture, size)
    if view.seg_map is not None:
        picture = _with_seg_map(picture, view.seg_map, key)
    if view.hidden is not None:
        hidden = cv2.resize(view.hidden.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
        picture[hidden] //= 4
    if not len(view.boxes):
        return picture
    scale = np.array([size[0] / view.picture.shape[1], size[1] / view.picture.shape[0]] * 2)
    marks = [
        Mark(
            box=view.boxes[n] * scale,
            colour=key.colour(int(view.labels[n]), bool(view.ignored[n])),
            text=key.tag(view, n),
            mask=None if view.masks is None else resize(view.masks[n].astype(np.uint8), size) > 0,
        )
        for n in np.argsort(_areas(view.boxes), kind='stable')  # the first ends up on top
    ]
    return draw_within(picture, marks)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _with_seg_map(picture: np.ndarray, seg_map: np.ndarray, key: Key) -> np.ndarray:
    labels = cv2.resize(seg_map.astype(np.int16), picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    drawn = picture.copy()
    for label in np.unique(labels):
        if label != VOID:
            where = labels == label
            drawn[where] = np.rint(0.5 * picture[where] + 0.5 * np.array(key.colour(int(label), False)))
    return drawn


def _words(sample: SampleSteps) -> Tuple[str, str]:
    """The words on the sample as a whole: a title, and details."""
    title = os.path.basename(sample.path) or f'sample {sample.index}'
    classes = sample.transformed.views[0].classes
    details = [f'sample {sample.index}'] if sample.path else []
    details += [f'label: {", ".join(map(sample.name_of, classes))}'] if classes else []
    return title, ' · '.join([*details, *sample.notes])


def _heading(title: str, detail: str, width: int) -> np.ndarray:
    """A strip with a title and, below it, details in as many lines as they need."""
    room = width - 2 * MARGIN
    lines = wrap(detail, _DETAIL, room) if detail else []
    title_height, step = text_size('', _HEADING)[1], text_size('', _DETAIL)[1]
    strip = np.full((MARGIN + title_height + step * len(lines), width, 3), PAPER, np.uint8)
    put_text(strip, shorten(title, _HEADING, room, bold=True), (MARGIN, MARGIN), _HEADING, INK, bold=True)
    for row, line in enumerate(lines):
        put_text(strip, line, (MARGIN, MARGIN + title_height + row * step), _DETAIL, GREY)
    return strip
