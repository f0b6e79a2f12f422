"""``--report``: what a command explains, as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Type, Union

from ..errors import OutputError, count
from .arguments import Parser
from .guard import quiet, tell
from .outputs import Inputs, check_writable
from .sources import Source

if TYPE_CHECKING:
    from ..report import Report

ENDINGS = ('.html', '.htm')


def add_report(parser: Parser) -> None:
    """Add ``--report``."""
    parser.group('results').add_argument(
        '--report',
        metavar='FILE.html',
        help='also write one HTML file in which all results can be looked at with a browser, without any network',
    )


class Reporting:
    """The report of a run: results are added as they come, and it is written when the block ends, even early.

    Args:
        path: The file; ``None`` for no report.
        title: What the page is headed with.
        subtitle: What stands below.
        colormap, alpha: The look at first.

    Raises:
        OutputError: If the file cannot be written there, or its name does not end with ``.html``.
    """

    def __init__(
        self,
        path: Optional[str],
        title: str = '',
        subtitle: str = '',
        colormap: Optional[str] = None,
        alpha: Optional[float] = None,
    ) -> None:
        self._path = Path(path) if path else None
        self._options: Dict[str, Any] = dict(title=title, subtitle=subtitle, colormap=colormap, alpha=alpha)
        self._names: Dict[Path, str] = {}
        self._report: Optional[Report] = None
        self._number: Optional[int] = None
        if self._path is not None:
            if self._path.suffix.lower() not in ENDINGS or self._path.is_dir():
                raise OutputError(f'A report is an HTML file: give it a name that ends with .html, not {self._path}.')
            check_writable(self._path.parent)

    @classmethod
    def of(cls, args: argparse.Namespace, path: Optional[str] = None, **options: Any) -> Reporting:
        """That of the arguments of a command, with the names of its model."""
        model = ' · '.join(str(name) for name in (args.config, args.checkpoint) if name)
        look = {name: getattr(args, name, None) for name in ('colormap', 'alpha')}
        known = dict(title=Path(args.config).stem, subtitle=model, **look)
        return cls(path or getattr(args, 'report', None), **{**known, **options})

    def __bool__(self) -> bool:
        return self._path is not None

    @property
    def report(self) -> Report:
        """The report itself, made when it is first asked for."""
        if self._report is None:
            with quiet():
                from ..report import Report
            self._report = Report(number=self._number, **self._options)
        return self._report

    def expect(self, sources: Sequence[Source]) -> None:
        """Say which pictures will come, before the work.

        Raises:
            OutputError: If there is a video, or the report would replace a picture.
        """
        if self._path is None:
            return
        videos = [source.path for source in sources if source.is_video]
        if videos:
            raise OutputError(f'A report shows pictures, but {videos[0]} is a video: save its frames as pictures.')
        Inputs(source.path for source in sources).check_kept(self._path)
        self._names = {source.path: source.name for source in sources}
        self._number = len(sources)

    def expect_number(self, number: int) -> None:
        """Say how many pictures will come."""
        self._number = number

    def add(self, result: Any, picture: Union[str, Path], **options: Any) -> List[Any]:
        """Add a result, if there is to be a report; for options and what comes back see :meth:`mmlens.Report.add`."""
        if self._path is None:
            return []
        name = self._names.get(picture, picture.name) if isinstance(picture, Path) else picture
        return self.report.add(result, name, **options)

    def __enter__(self) -> Reporting:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._path is None or self._report is None or not len(self._report):
            return
        self._report.save(self._path)
        size = self._path.stat().st_size / 1e6
        tell(f'report of {count(len(self._report), "picture")}, {size:.1f} MB -> {self._path}')
