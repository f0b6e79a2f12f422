"""What all results share: they are saved and opened, compared, printed in a line, and show themselves."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Dict,
    Generic,
    Iterator,
    List,
    Sequence,
    Tuple,
    Type,
    TypeVar,
    Union,
)

import numpy as np

from ..errors import MmlensError, count
from .saving import Column, Stack, whole, write_npz

if TYPE_CHECKING:
    from ..rendering import Drawing

Item = TypeVar('Item')
AnySaved = TypeVar('AnySaved', bound='Saved')

_FORMAT = 1  # of saved files; raised when older versions of mmlens could no longer open them
_MOST_NAMED = 3  # in a line


class Record:
    """Base of dataclasses that hold arrays: two are equal if all their values are. NaN equals NaN."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)


class Shown:
    """Base of results that can be drawn. A notebook shows the drawing."""

    def drawing(self, *args: Any, **kwargs: Any) -> Drawing:
        """Draw the result, and say what lies where; the options are those of :meth:`draw`."""
        raise NotImplementedError

    def draw(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """Draw the result.

        Returns:
            A new uint8 BGR picture.
        """
        return self.drawing(*args, **kwargs).image

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the result into axes of matplotlib.

        Args:
            ax: ``matplotlib.axes.Axes``. Defaults to new ones, in a figure as large as the drawing and 10 inches wide
                at most.
            **options: Those of :meth:`draw`.

        Returns:
            The axes.

        Raises:
            MmlensError: If matplotlib is not installed.
        """
        from ..rendering.plotting import plot_picture

        return plot_picture(self.draw(**options), ax)

    def show(self, **options: Any) -> None:
        """Show the drawing: in a notebook below the cell, else in a window of matplotlib, until it is closed.

        Where there is no display, a warning says what to do instead.

        Args:
            **options: Those of :meth:`draw`.
        """
        from ..rendering.plotting import show_picture

        show_picture(self.draw(**options), repr(self).strip('<>'))

    def _repr_png_(self) -> bytes:
        return self.drawing().png()


class Saved:
    """Base of results that are written as arrays and opened again."""

    kind: ClassVar[str]  # what a saved file says it holds

    def columns(self) -> Dict[str, Column]:
        """What :meth:`save` writes, besides the kind of the result; stacks are never in memory as a whole."""
        raise NotImplementedError

    def arrays(self) -> Dict[str, np.ndarray]:
        """What :meth:`save` writes, besides the kind of the result; see :meth:`columns`."""
        return whole(self.columns())

    @classmethod
    def _from_arrays(cls: Type[AnySaved], saved: Dict[str, np.ndarray]) -> AnySaved:
        """The result whose :meth:`arrays` these are."""
        raise NotImplementedError

    def save(self, path: Union[str, Path]) -> Path:
        """Write all of it as a compressed ``.npz`` (see :meth:`columns`), whole or not at all.

        Raises:
            OutputError: If the file cannot be written.
        """
        from ..files import write_atomically

        columns = {'kind': np.array(self.kind), 'format': np.array(_FORMAT), **self.columns()}
        with write_atomically(path, suffix='.npz') as temporary:
            write_npz(temporary, columns)
        return Path(path)

    @classmethod
    def load(cls: Type[AnySaved], path: Union[str, Path]) -> AnySaved:
        """Open what :meth:`save` wrote. :func:`mmlens.load` opens a file of any kind.

        Nothing is unpickled, so files from strangers are safe to open.

        Raises:
            MmlensError: If the file is not there, is damaged, or holds something else.
        """
        return cls.opened(read_saved(path), path)

    @classmethod
    def opened(cls: Type[AnySaved], saved: Dict[str, np.ndarray], path: Union[str, Path]) -> AnySaved:
        """The result whose saved arrays these are; for errors see :meth:`load`."""
        if str(saved['kind']) != cls.kind:
            raise MmlensError(f'{path} holds {saved["kind"]}, not {cls.kind}: open it with `mmlens.load()`.')
        try:
            return cls._from_arrays(saved)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise MmlensError(
                f'{path} is damaged: arrays are missing or do not fit each other. Save it again.'
            ) from error


class Explanation(Record, Shown, Saved, Generic[Item]):
    """Base of what the front doors return: a sequence of maps of one picture, in the picture's coordinates.

    Subclasses are dataclasses.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR, as it was read.
        layers: Names of the layers, as the user wrote them.
        method: How activations became maps.
        notes: Sentences for the user.
        versions: Versions of the packages that made the maps.
        unfinished: Whether the work was ended early: the maps are those so far.
    """

    _noun: ClassVar[str]  # what it holds one or several of

    picture: np.ndarray
    layers: Tuple[str, ...]
    method: str
    notes: List[str]
    versions: Dict[str, str]
    unfinished: bool

    def _items(self) -> List[Item]:
        raise NotImplementedError

    def _named(self) -> List[str]:
        """What a line says of the items, of each a few words."""
        return []

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items())

    def __getitem__(self, position: int) -> Item:
        return self._items()[position]

    def __repr__(self) -> str:
        height, width = self.picture.shape[:2]
        what = f'{count(len(self), self._noun)} in {width} x {height} pixels{in_brackets(self._named())}'
        how = self.method + (f' at {listed(self.layers)}' if self.layers else '')
        return f'<{type(self).__name__} of {what}: {how}{", unfinished" if self.unfinished else ""}>'

    def columns(self) -> Dict[str, Column]:
        """What :meth:`save` writes, large arrays part by part.

        Returns:
            ``picture`` (H, W, 3) uint8, BGR; ``layers``, ``method``, ``notes``, ``versions`` (``name==version``)
            text; ``unfinished`` bool. Subclasses add their own.
        """
        return {
            'picture': self.picture,
            'layers': texts(self.layers),
            'method': np.array(self.method),
            'notes': texts(self.notes),
            'unfinished': np.array(self.unfinished),
            'versions': texts([f'{name}=={version}' for name, version in sorted(self.versions.items())]),
        }


def read_saved(path: Union[str, Path]) -> Dict[str, np.ndarray]:
    """Read the arrays of a file that :meth:`Explanation.save` wrote.

    Raises:
        MmlensError: If the file is not there, is damaged, or mmlens did not write it.
    """
    strange = f'{path} is not a result that mmlens saved: open an .npz that a `save()` wrote.'
    try:
        file = np.load(str(path), allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise MmlensError(strange)
        with file:
            saved = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise MmlensError(f'There is no file {path}: check the path.') from error
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise MmlensError(strange) from error
    except OSError as error:
        raise MmlensError(f'Cannot read {path}: {error.strerror or error}.') from error
    if 'kind' not in saved or 'format' not in saved:
        raise MmlensError(strange)
    if int(saved['format']) > _FORMAT:
        raise MmlensError(f'{path} was saved by a newer mmlens: upgrade mmlens to open it.')
    return saved


def shared(saved: Dict[str, np.ndarray]) -> Dict[str, Any]:
    """The fields that every explanation has, of its saved arrays."""
    return dict(
        picture=saved['picture'],
        layers=tuple(saved['layers'].tolist()),
        method=str(saved['method']),
        notes=saved['notes'].tolist(),
        versions=dict(pair.split('==', 1) for pair in saved['versions'].tolist()),
        unfinished=bool(saved['unfinished']),
    )


def optional(name: str, values: Sequence[Any], dtype: Any) -> Dict[str, np.ndarray]:
    """Arrays that some items have: ``name`` those there are, ``has_name`` (N,) bool which have one."""
    there = [value is not None for value in values]
    if not any(there):
        return {}
    return {name: np.array([v for v in values if v is not None], dtype), f'has_{name}': np.array(there)}


def maps_of(items: Sequence[Any], name: str, size: Sequence[int]) -> Stack:
    """The maps (N, H, W) that are called ``name``, of one item after the other."""
    return Stack(lambda: (getattr(item, name) for item in items), (len(items), *size))


def optional_maps(name: str, items: Sequence[Any], attribute: str, size: Sequence[int]) -> Dict[str, Column]:
    """Like :func:`optional`, for maps (H, W)."""
    there = [getattr(item, attribute) is not None for item in items]
    if not any(there):
        return {}
    own = [item for item, has in zip(items, there) if has]
    return {name: maps_of(own, attribute, size), f'has_{name}': np.array(there)}


def from_optional(saved: Dict[str, np.ndarray], name: str, number: int) -> List[Any]:
    """What :func:`optional` saved: an array or ``None`` for each of ``number`` items."""
    if name not in saved:
        return [None] * number
    there = saved[f'has_{name}']
    positions = np.cumsum(there) - 1
    return [saved[name][position] if has else None for has, position in zip(there, positions)]


def rows(*columns: Union[Sequence[Any], np.ndarray]) -> Iterator[Tuple[Any, ...]]:
    """The values of each item, of columns that must be equally long.

    Raises:
        ValueError: If they are not.
    """
    if len({len(column) for column in columns}) > 1:
        raise ValueError('columns of several lengths')
    return zip(*columns)


def texts(values: Sequence[str]) -> np.ndarray:
    """Texts as an array that needs no pickle, also if there are none."""
    return np.array(list(values), np.str_)


def listed(names: Sequence[str]) -> str:
    """``neck, backbone.stage4``; of many the first few."""
    more = len(names) - _MOST_NAMED
    return ', '.join(names[:_MOST_NAMED]) + (f' and {more} more' if more > 0 else '')


def in_brackets(items: Sequence[str]) -> str:
    """`` (cup 0.75, cup 0.63)``; of many the first few, and nothing of none."""
    return f' ({listed(items)})' if items else ''


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        # Only NaN does not equal itself.
        return one.shape == other.shape and bool(np.all((one == other) | ((one != one) & (other != other))))
    if isinstance(one, (list, tuple)) and type(one) is type(other):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)
