"""The index of a results folder: one page of thumbnails that link to the drawings, readable without a network."""

from __future__ import annotations

import base64
import contextlib
import html
import os
import re
import urllib.parse
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Dict, List, Optional, Type

from ..errors import count
from ..files import write_text
from ..version import __version__
from .guard import tell

if TYPE_CHECKING:
    import numpy as np

NAME = 'index.html'

_OURS = '<meta name="generator" content="mmlens'
_CARD = re.compile(r'^<figure data-file="([^"]*)">.*</figure>$', re.M)
_THUMBNAIL = (320, 240)  # pixels, at most
# Thumbnails lie in the page itself, some 10 kB each; beyond this many it shows the drawings, as they scroll into view.
_MOST_INSIDE = 500

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{ours} {version}">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.4 system-ui, sans-serif; margin: 0 auto; padding: 1rem 1.5rem 3rem; max-width: 90rem }}
h1 {{ font-size: 1.3rem; margin: .5rem 0 }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem }}
p {{ margin: 0 0 1rem; opacity: .75 }}
div {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.2rem }}
figure {{ margin: 0; min-width: 0 }}
figure img {{ width: 100%; height: 11rem; object-fit: contain; background: #8882; border-radius: 4px; display: block }}
figcaption {{ padding-top: .3rem; overflow-wrap: anywhere }}
small {{ display: block; opacity: .75 }}
a {{ color: inherit }}
a:hover img, a:focus-visible img {{ outline: 2px solid #48f }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{summary}</p>
{sections}
</main>
</body>
</html>
"""


class Index:
    """Collects what a command draws, and writes the page when the block ends, even early.

    There is one where there are several drawings, or was one before: what an earlier command drew into the folder,
    and is still there, stays on it. An ``index.html`` that is not ours is left alone.

    Args:
        folder: Where the page goes; links are relative to it. ``None`` to write none.
        title: What the page says it shows, such as ``mmlens boxam``.
    """

    def __init__(self, folder: Optional[Path], title: str) -> None:
        self._folder = folder
        self._title = title
        self._cards: Dict[str, str] = {}

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.write()

    def add(self, place: Optional[Path], picture: np.ndarray, words: str) -> None:
        """Add a drawing.

        Args:
            place: The file that was written; nothing is added without one.
            picture: Shape (H, W, 3), uint8, BGR: the drawing; of a video, one of its frames.
            words: What it shows.
        """
        if self._folder is None or place is None:
            return
        file = Path(os.path.relpath(place, self._folder)).as_posix()
        inside = len(self._cards) < _MOST_INSIDE or place.suffix.lower() == '.mp4'
        self._cards[file] = _card(file, _thumbnail(picture) if inside else _link(file), words, self._extra(place))

    def write(self) -> None:
        """Write the page, if there is reason to."""
        if self._folder is None or not self._cards:
            return
        page = self._folder / NAME
        earlier = self._earlier(page)
        if earlier is None:
            tell(f'note: {page} is not of mmlens, and stays: these results have no index.')
        elif len(self._cards) > 1 or earlier:
            earlier = {file: card for file, card in earlier.items() if file not in self._cards}
            with write_text(page) as written:
                written.write(_page(self._title, self._cards, earlier))

    def _extra(self, place: Path) -> str:
        """The link to the arrays behind a drawing, if they were saved."""
        arrays = place.with_suffix('.npz')
        if self._folder is None or not arrays.is_file():
            return ''
        file = Path(os.path.relpath(arrays, self._folder)).as_posix()
        return f' · <a href="{_link(file)}">maps (.npz)</a>'

    def _earlier(self, page: Path) -> Optional[Dict[str, str]]:
        """The cards of the page that is there and whose drawings are; ``None`` if that page is not ours."""
        if not page.exists():
            return {}
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = page.read_text(encoding='utf-8', errors='surrogateescape')
            if _OURS in text:
                cards = {html.unescape(match[1]): match[0] for match in _CARD.finditer(text)}
                return {file: card for file, card in cards.items() if (page.parent / file).is_file()}
        return None


def _card(file: str, image: str, words: str, extra: str) -> str:
    """One drawing, in one line: lines are what an earlier page is read by."""
    name, shown = html.escape(Path(file).name), html.escape(' '.join(words.split()))
    return (
        f'<figure data-file="{html.escape(file)}"><a href="{_link(file)}"><img src="{image}" alt="{name}: {shown}" '
        f'loading="lazy"></a><figcaption>{name}<small>{shown}{extra}</small></figcaption></figure>'
    )


def _link(file: str) -> str:
    return html.escape(urllib.parse.quote(file, errors='surrogateescape'))


def _thumbnail(picture: np.ndarray) -> str:
    """A small JPEG of a drawing, as the address of an image."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(_THUMBNAIL[0] / width, _THUMBNAIL[1] / height, 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode('.jpg', small, [int(cv2.IMWRITE_JPEG_QUALITY), 80])
    return 'data:image/jpeg;base64,' + base64.b64encode(data.tobytes()).decode()


def _page(title: str, cards: Dict[str, str], earlier: Dict[str, str]) -> str:
    summary = count(len(cards), 'result') + (f', and {len(earlier)} that were here before' if earlier else '')
    sections: Dict[str, List[str]] = {}
    for before, group in (('', cards), ('before', earlier)):
        for file, card in group.items():
            heading = ', '.join(filter(None, [Path(file).parent.name, before]))
            sections.setdefault(heading, []).append(card)
    parts: List[str] = []
    for heading, group_cards in sections.items():
        parts += [f'<h2>{html.escape(heading)}</h2>'] if heading else []
        parts += ['<div>', *group_cards, '</div>']
    return _PAGE.format(
        ours=_OURS, version=__version__, title=html.escape(title), summary=summary, sections='\n'.join(parts)
    )
