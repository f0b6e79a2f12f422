"""A report: results become entries of a page as they come, and the page is written at the end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from ..errors import MmlensError
from ..files import UniqueNames, write_atomically
from ..metrics import SHARES
from ..rendering.page import Budget, digest_of, entry_of, head_and_tail
from ..version import __version__
from .judging import Object, judge, known_values
from .merging import find_item, merge_items
from .spool import Spool

Record = Dict[str, Any]


class Report:
    """Results of many pictures as one HTML file, to be looked at in a browser without any network.

    Each result is encoded as soon as it is added and then let go of, so a report of any length needs little memory.
    Results of the same picture become one entry: its boxes have a map for each method.

    Args:
        results: A result, or several: a list or generator of :class:`~mmlens.BoxExplanation`,
            :class:`~mmlens.ClassExplanation` or :class:`~mmlens.BoxComparison`, of paths of saved ones, or of pairs of
            a name and one of these; or a dict of them by name.
        title: What the page is headed with.
        subtitle: What stands below.
        number: How many pictures there will be, which tells how large each may be in the page. Defaults to the number
            of results, and for a generator to 200.
        colormap, alpha: The look at first; see :func:`mmlens.rendering.draw_box_maps`.

    Raises:
        MmlensError: If a result is of another kind, or a saved one cannot be opened.

    Example:
        >>> Report([explain_boxes(model, path) for path in paths], title='YOLOX-Nano').save('report.html')
        >>> Report(Path('results').glob('*.npz')).save('report.html')
    """

    def __init__(
        self,
        results: Any = (),
        *,
        title: str = 'What the network looks at',
        subtitle: str = '',
        number: Optional[int] = None,
        colormap: Optional[str] = None,
        alpha: Optional[float] = None,
    ) -> None:
        given = _named(results)
        known = len(given) if isinstance(given, list) and given else None
        self.title, self.subtitle = title, subtitle
        self._budget = Budget.of(known if number is None else number)
        self._look = dict(colormap=colormap, alpha=alpha)
        self._spool, self._unique = Spool(), UniqueNames()
        self._pictures: List[Record] = []
        self._by_name: Dict[Tuple[str, str], Record] = {}
        self._methods: Dict[str, Record] = {}
        self._notes: Dict[str, None] = {}
        self._summaries: List[Record] = []
        for name, result in given:
            self.add(result, name)

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self._pictures)

    def __repr__(self) -> str:
        boxes = sum(len(picture['items']) for picture in self._pictures)
        return f'<Report of {len(self)} pictures: {boxes} boxes or classes>'

    def add(
        self,
        result: Any,
        name: str = '',
        *,
        label: str = '',
        truth: Optional[Sequence[Object]] = None,
    ) -> List[Object]:
        """Add a result.

        Args:
            result: See the class; or an error with its maps, from :meth:`mmlens.ErrorReport.explain`.
            name: Name of the picture. Results of one name and one picture become one entry; without a name, those of
                one picture.
            label: What the maps are called, where the name of their method does not tell them apart.
            truth: The annotated objects, a box and the name of its class each: boxes are then told by what is wrong
                with them, and missed objects are shown.

        Returns:
            The objects that were missed, of those in ``truth``.

        Raises:
            MmlensError: If the result is of another kind, or a saved one cannot be opened.
        """
        result, name = _opened(result, name)
        picture = getattr(result, 'picture', None)
        key = (name, '' if picture is None else digest_of(picture))
        known = self._by_name.get(key)
        entry = entry_of(result, self._spool, self._budget, self._look, label, known['picture'] if known else None)
        self._methods.update(entry.pop('methods'))
        if known is None:
            entry['name'] = entry['id'] = self._unique(name or f'picture {len(self._pictures) + 1}')
            self._pictures.append(entry)
            known = self._by_name[key] = entry
        else:
            merge_items(known['items'], entry['items'])
            known['notes'] = list(dict.fromkeys([*known['notes'], *entry['notes']]))
        return [] if truth is None else judge(known['items'], truth)

    def add_figures(self, name: str, boxes: Iterable[Mapping[str, Any]]) -> None:
        """Add what was measured on the boxes of a picture.

        Args:
            name: Name of the picture.
            boxes: Of each ``box`` (4,), picture pixels, and ``class_name``; ``error``, what is wrong with it, if known;
                by the label or method of its maps ``figures`` (name -> value) and ``curves`` (``'deletion'`` and
                ``'insertion'`` -> relative scores at :data:`mmlens.metrics.SHARES`). Boxes that were not explained are
                left out.
        """
        items = [item for (known, _), entry in self._by_name.items() if known == name for item in entry['items']]
        for each in boxes:
            item = find_item(items, each['class_name'], [float(edge) for edge in each['box']])
            if item is None:
                continue
            if each.get('error') is not None:
                item['error'] = each['error']
            for one in item['maps']:
                told = self._methods[one['method']]['name']
                for what in ('figures', 'curves'):
                    values = known_values(each.get(what, {}).get(told, {}))
                    if values:
                        one[what] = values

    def note(self, sentence: str) -> None:
        """Add a sentence that concerns the whole report."""
        self._notes[sentence] = None

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add a table above the pictures; its cells are text."""
        cells = [[str(cell) for cell in row] for row in rows]
        self._summaries.append(dict(title=title, columns=list(columns), rows=cells))

    def save(self, path: Union[str, Path]) -> Path:
        """Write the page, whole or not at all.

        Args:
            path: The file; its name should end with ``.html``.

        Raises:
            MmlensError: If there is nothing in the report, or jinja2 is missing.
            OutputError: If the file cannot be written.
        """
        if not self._pictures:
            raise MmlensError('There is nothing to report: add a result first.')
        head, tail = head_and_tail(self._index())
        with write_atomically(path) as temporary, open(temporary, 'wb') as file:
            file.write(head.encode('utf-8', 'surrogateescape'))
            self._spool.copy_to(file)
            file.write(tail.encode('utf-8', 'surrogateescape'))
        return Path(path)

    def _index(self) -> Record:
        names = [told['name'] for told in self._methods.values()]
        methods = {
            key: dict(told, label=', '.join([told['name'], told['detail']][: min(names.count(told['name']), 2)]))
            for key, told in self._methods.items()
        }
        return dict(
            title=self.title,
            subtitle=self.subtitle,
            version=__version__,
            notes=list(self._notes),
            summaries=self._summaries,
            methods=methods,
            pictures=self._pictures,
            shares=[round(float(share), 4) for share in SHARES],
        )


def _named(results: Any) -> Union[List[Tuple[str, Any]], Iterator[Tuple[str, Any]]]:
    """Pairs of a name, which may be empty, and a result or path."""
    if isinstance(results, (str, os.PathLike)) or hasattr(results, 'picture'):
        return [('', results)]
    if isinstance(results, Mapping):
        return list(results.items())
    pairs = (each if isinstance(each, tuple) else ('', each) for each in results)
    return list(pairs) if isinstance(results, (list, tuple)) else pairs


def _opened(result: Any, name: str) -> Tuple[Any, str]:
    if not isinstance(result, (str, os.PathLike)):
        return result, name
    from ..results.loading import load

    return load(Path(result)), name or Path(result).stem
