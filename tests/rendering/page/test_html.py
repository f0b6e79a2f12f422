from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from mmlens.rendering.page import Budget, Kept, entry_of, head_and_tail, widget
from mmlens.rendering.page.html import _ASSETS, _PROGRAM

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>\u2028\'"&amp;'


class Elements(HTMLParser):
    """Collects tags with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.scripts, self.words = [], [], []
        self._open = ''
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ('script', 'style'):
            self.scripts.append((tag, dict(attributes), ''))
        self._open = tag

    def handle_endtag(self, tag):
        self._open = ''

    def handle_data(self, data):
        if self._open in ('script', 'style'):
            tag, attributes, text = self.scripts[-1]
            self.scripts[-1] = (tag, attributes, text + data)
        else:
            self.words.append(data)


def page_of(found, name='a.jpg', **others) -> str:
    kept = Kept()
    entry = dict(entry_of(found, kept, Budget()), name=name, id=name)
    index = dict(title=f'title {name}', pictures=[entry], methods=entry.pop('methods'), **others)
    head, tail = head_and_tail(index)
    return head + ''.join(kept.scripts) + tail


@pytest.fixture
def found(picture, box_map, explanation):
    return explanation(picture, box_map((20, 30, 120, 200), picture.shape[:2], name=EVIL))


def test_names_are_text_and_nothing_else(found):
    seen = Elements(
        page_of(found, EVIL, subtitle=EVIL, notes=[EVIL], summaries=[dict(title=EVIL, columns=[EVIL], rows=[[EVIL]])])
    )
    assert not [tag for tag, _ in seen.tags if tag == 'img']
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith('on')]
    ids = [attributes.get('id') for tag, attributes, _ in seen.scripts if tag == 'script']
    assert ids == ['index', None, 'b0', 'b1']
    index = json.loads(seen.scripts[1][2])
    assert index['pictures'][0]['items'][0]['name'] == EVIL and index['pictures'][0]['name'] == EVIL
    assert sum(EVIL in words for words in seen.words) >= 4


def test_the_maps_in_the_page_are_the_maps(found, picture):
    seen = Elements(page_of(found))
    texts = {attributes.get('id'): text for _, attributes, text in seen.scripts}
    index = json.loads(texts['index'])
    one = index['pictures'][0]['items'][0]['maps'][0]
    with Image.open(io.BytesIO(base64.b64decode(texts[f'b{one["data"]}']))) as image:
        values = np.asarray(image.convert('L')) / 255.0
    assert np.abs(values - found[0].normalised).max() <= 1 / 255
    assert set(index['tables']) >= {'turbo', 'blue-red'}
    assert all(len(base64.b64decode(table)) == 768 for table in index['tables'].values())


def test_the_page_asks_nobody_and_runs_only_its_own_program(found):
    page = page_of(found)
    assert not re.search(r'(?:https?:)?//(?!\s|[^\n]*$)\w', re.sub(r'(?m)//.*$', '', page.split('id="b0"')[0]))
    assert 'http://' not in page and 'https://' not in page and '@import' not in page and 'url(' not in page
    seen = Elements(page)
    (policy,) = [a['content'] for tag, a in seen.tags if tag == 'meta' and a.get('http-equiv')]
    assert policy.startswith("default-src 'none'; img-src data: blob:;") and 'unsafe' not in policy
    for kind, attributes, text in seen.scripts:
        if kind == 'style' or not attributes:  # data is not run
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
    for tag, attributes in seen.tags:
        assert tag not in ('iframe', 'object', 'embed') and not attributes.get('src')
        assert attributes.get('href', '#').startswith(('#', 'data:,')) and 'style' not in attributes


def test_every_file_of_the_program_is_in_the_page():
    assert {path.stem for path in _ASSETS.glob('*.js')} == set(_PROGRAM)


def test_a_notebook_gets_the_same_page_in_a_frame(found):
    framed = widget(found, 'dog.jpg', colormap='magma', alpha=0.25)
    (still, frame) = [attributes for _, attributes in Elements(framed).tags]
    with Image.open(io.BytesIO(base64.b64decode(still['src'].split(',')[1]))) as image:
        assert image.size[0] >= 320  # where there are no frames
    assert EVIL not in framed and 'gradcam at neck' in still['alt']
    inner = Elements(frame['srcdoc'])
    index = json.loads(next(text for _, attributes, text in inner.scripts if attributes.get('id') == 'index'))
    assert index['widget'] and index['pictures'][0]['name'] == 'dog.jpg'
    (told,) = index['methods'].values()
    assert (told['colormap'], told['alpha']) == ('magma', 0.25)
    assert framed.count('"') == 18
