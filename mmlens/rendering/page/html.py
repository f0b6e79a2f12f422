"""The page as text: template, style, program, and bytes in places that the program finds by number."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Tuple

from ...errors import MmlensError
from ..look import Look
from .encoding import Budget, colour_tables, encode_picture
from .entries import Keep, entry_of

Record = Dict[str, Any]

_ASSETS = Path(__file__).parent / 'assets'
_PROGRAM = ('blobs', 'look', 'marks', 'cards', 'figures', 'view', 'filters', 'keys', 'start')
_STILL = Budget(60_000)
_OF_A_NOTEBOOK = Budget(120_000, 20_000, 256)  # which keeps what it shows
_SPLIT = '\x00blobs\x00'

__all__ = ['Keep', 'Kept', 'head_and_tail', 'script_of', 'widget']


class Kept:
    """Bytes of a page, in memory."""

    def __init__(self) -> None:
        self.scripts: List[str] = []

    def __call__(self, data: bytes) -> int:
        """Keep them; their number."""
        self.scripts.append(script_of(len(self.scripts), data))
        return len(self.scripts) - 1


def script_of(number: int, data: bytes) -> str:
    """The place of bytes in a page. The browser neither runs nor decodes it; base64 cannot end it early."""
    return f'<script type="text/plain" id="b{number}">{base64.b64encode(data).decode()}</script>\n'


def head_and_tail(index: Record) -> Tuple[str, str]:
    """What stands in a page before and after the bytes.

    Args:
        index: ``title``, ``pictures`` (see :func:`~mmlens.rendering.page.entries.entry_of`, each with a ``name``),
            ``methods`` and whatever the program reads; ``widget`` for one picture without filters.

    Raises:
        MmlensError: If jinja2 is missing.
    """
    looks = [Look(told['colormap'], told['alpha'], told['rooted']) for told in index['methods'].values()]
    tables = {
        name: base64.b64encode(table.tobytes()).decode() for name, table in colour_tables(looks or [_plain()]).items()
    }
    style, program = _text('page.css'), _program()
    page = _template().render(
        index=index,
        data=_json({**index, 'tables': tables, 'signed': Look.of('', None, None, True).colormap}),
        style=style,
        program=program,
        style_hash=_hash(style),
        program_hash=_hash(program),
        blobs=_SPLIT,
    )
    head, tail = page.split(_SPLIT)
    return head, tail


def widget(result: Any, name: str = '', **look: Any) -> str:
    """A result as HTML that a notebook shows: the page of its one picture, in a frame of its own.

    Before the frame stands a drawing, which the page takes away: it is what is seen where notebooks are shown without
    frames, on code hosts and before they are trusted.

    Args:
        result: See :func:`~mmlens.rendering.page.entries.entry_of`.
        name: Name of the picture.
        **look: ``colormap`` and ``alpha``.
    """
    kept = Kept()
    entry = entry_of(result, kept, _OF_A_NOTEBOOK, look)
    entry.update(name=name, id=name or 'picture')
    methods = entry.pop('methods')
    head, tail = head_and_tail(dict(title=name or repr(result), pictures=[entry], methods=methods, widget=True))
    page = ''.join([head, *kept.scripts, tail])
    shape = min(entry['h'] / max(entry['w'], 1), 1.2)
    escaped = page.replace('&', '&amp;').replace('"', '&quot;')
    still = base64.b64encode(encode_picture(result.draw(), _STILL)).decode()
    return (
        f'<img src="data:image/webp;base64,{still}" alt="{html.escape(repr(result))}" style="max-width:100%">'
        f'<iframe srcdoc="{escaped}" title="maps of a picture" width="100%" height="{round(260 + 620 * shape)}" '
        'style="border:0;display:block" loading="lazy"></iframe>'
    )


def _json(value: Any) -> str:
    """JSON that no text in it can make into markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(',', ':'), allow_nan=False)
    for character in '<>&\u2028\u2029':
        text = text.replace(character, f'\\u{ord(character):04x}')
    return text


def _plain() -> Look:
    return Look.of('', None, None)


@lru_cache(maxsize=None)
def _text(name: str) -> str:
    return (_ASSETS / name).read_text(encoding='utf-8')


def _program() -> str:
    parts = '\n'.join(_text(f'{name}.js') for name in _PROGRAM)
    return f"(() => {{\n'use strict';\n{parts}\n}})();\n"


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode()


@lru_cache(maxsize=None)
def _template() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise MmlensError('jinja2 is missing, which makes pages: pip install jinja2.') from error
    loader = jinja2.FileSystemLoader(str(_ASSETS))
    return jinja2.Environment(loader=loader, autoescape=True, keep_trailing_newline=True).get_template('page.html')
