"""Boxes that the user gives, on the command line or in an annotation file of COCO's kind."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Tuple

from ..errors import MmlensError, PictureError, count, why
from .guard import tell
from .run import Picture

if TYPE_CHECKING:
    from ..models.detector import Detector

# A box x1, y1, x2, y2 in picture pixels, and the name of its class.
Object = Tuple[List[float], str]


@dataclass
class Given:
    """What is to be explained instead of the detections: nothing, some boxes, or the annotated objects.

    Attributes:
        boxes: Of ``--boxes``, the same for every picture.
        annotations: Of ``--ann``.
    """

    boxes: List[Object] = field(default_factory=list)
    annotations: Optional[Annotations] = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> Given:
        """Read the options ``--boxes`` and ``--ann``, before any model is loaded.

        Raises:
            MmlensError: If a number is none, a box has no area, the file is none of COCO's kind, or both are given.
        """
        if args.boxes and args.ann:
            raise MmlensError('--boxes and --ann both say which boxes to explain: leave out one.')
        return cls([_box(words) for words in args.boxes or []], Annotations(Path(args.ann)) if args.ann else None)

    def check(self, pictures: Iterable[Path]) -> None:
        """Check before any model is loaded that the annotations know one of the pictures.

        Raises:
            PictureError: If not.
        """
        if self.annotations is not None:
            self.annotations.check(pictures)

    def of_picture(self, detector: Detector, picture: Picture) -> Dict[str, Any]:
        """The arguments ``boxes`` and ``labels`` of :func:`mmlens.explain_boxes`; none to explain the detections.

        Raises:
            PictureError: If the annotations do not know the picture.
            MmlensError: If the detector knows none of their classes.
        """
        objects = self.boxes
        if self.annotations is not None:
            objects = self.annotations.objects(picture, detector.class_names)
        elif not objects:
            return {}
        return dict(boxes=[box for box, _ in objects], labels=[name for _, name in objects])


class Annotations:
    """The objects of an annotation file of COCO's kind, by the file names of its pictures.

    Raises:
        MmlensError: If the file is not of COCO's kind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._objects: Dict[str, List[Object]] = defaultdict(list)
        self._told = False
        self._no_boxes = 0
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
            self._files = {each['id']: str(each['file_name']) for each in content['images']}
            names = {each['id']: str(each['name']) for each in content['categories']}
            for each in content['annotations']:
                if not isinstance(each, dict):
                    raise ValueError(f'an annotation is {str(each)[:60]}')
                if not each.get('iscrowd'):
                    x, y, width, height = (float(edge) for edge in each['bbox'])
                    box, name = [x, y, x + width, y + height], names[each['category_id']]
                    if _why_no_box(box):  # files of real data sets have some
                        self._no_boxes += 1
                    else:
                        self._objects[self._files[each['image_id']]].append((box, name))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MmlensError(f'{path} is no annotation file of COCO: {why(error)}') from error
        self.names = list(names.values())
        if self._no_boxes:
            tell(f'note: {count(self._no_boxes, "object")} of {path} left out: no box with an area.')

    def check(self, pictures: Iterable[Path]) -> None:
        """Check that the file knows one of some pictures.

        Raises:
            PictureError: If not.
        """
        unknown: Optional[PictureError] = None
        for picture in pictures:
            try:
                self._file(Path(picture))
                return
            except PictureError as error:
                unknown = unknown or error
        if unknown is not None:
            raise unknown

    def objects(self, picture: Any, class_names: List[str]) -> List[Object]:
        """The annotated objects of a picture, of the classes that a detector knows.

        Args:
            picture: Its path.
            class_names: The detector's; none if it has no names.

        Raises:
            PictureError: If the file does not know the picture, or several of that name.
            MmlensError: If the detector knows none of the classes.
        """
        known = set(class_names) & set(self.names)
        if not known:
            raise MmlensError(
                f'The detector knows none of the classes of {self.path} ({", ".join(self.names[:5])}): it knows '
                f'{", ".join(class_names[:5]) or "none by name"}.'
            )
        found = self._objects.get(self._file(Path(picture)), [])
        strange = Counter(name for _, name in found if name not in known)
        if strange and not self._told:
            self._told = True
            objects = count(sum(strange.values()), 'object')
            tell(f'note: {objects} of {", ".join(strange)} left out: unknown to the model.')
        return [(box, name) for box, name in found if name in known]

    def _file(self, picture: Path) -> str:
        """The name of the picture in the file: by as much of the path as the file tells."""
        parts = picture.resolve().parts
        fits = {name for name in self._files.values() if parts[-len(Path(name).parts) :] == Path(name).parts}
        if not fits:
            raise PictureError(f'{self.path} knows no picture {picture.name}: its pictures are of other names.')
        longest = max(len(Path(name).parts) for name in fits)
        return next(name for name in sorted(fits) if len(Path(name).parts) == longest)


def _box(words: List[str]) -> Object:
    said = f'--boxes {" ".join(words)}'
    try:
        box = [float(edge) for edge in words[:4]]
    except ValueError:
        raise MmlensError(f'{said}: four numbers and a class are needed, X1 Y1 X2 Y2 CLASS.') from None
    nothing = _why_no_box(box)
    if nothing:
        raise MmlensError(f'{said}: {nothing}.')
    return box, words[4]


def _why_no_box(box: List[float]) -> str:
    """What is wrong with a box, whatever its picture; empty if nothing is."""
    if not all(map(math.isfinite, box)):
        return 'its edges must be finite numbers'
    if box[2] <= box[0] or box[3] <= box[1]:
        return 'it has no area: X1 must be less than X2, and Y1 less than Y2'
    return ''
