import base64
import html
import re
import urllib.parse
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from mmlens.cli import index as module
from mmlens.cli.commands.boxam import main as boxam
from mmlens.cli.index import Index

RED, BLUE = (np.full((120, 400, 3), colour, np.uint8) for colour in ((0, 0, 255), (255, 0, 0)))


class Page(HTMLParser):
    """What a page links to and shows, and the tags in it."""

    def __init__(self, path):
        super().__init__()
        self.text = path.read_text(encoding='utf-8')
        self.links, self.images, self.words, self.tags = [], [], [], set()
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.tags.add(tag)
        self.links += [known['href']] if tag == 'a' else []
        self.images += [known] if tag == 'img' else []

    def handle_data(self, data):
        self.words += [data.strip()] if data.strip() else []


def picture_of(source):
    """The pixels of an image that lies in its address."""
    assert source.startswith('data:image/jpeg;base64,')
    data = np.frombuffer(base64.b64decode(source.partition(',')[2]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def draw(folder, *names, title='mmlens boxam', picture=RED):
    with Index(folder, title) as index:
        for name in names:
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place), picture) if place.suffix != '.mp4' else place.write_bytes(b'')
            index.add(place, picture, f'2 boxes in {name}')
    return folder / module.NAME


def test_several_drawings_make_a_page_of_thumbnails(tmp_path):
    page = Page(draw(tmp_path, 'a.png', 'b.png'))
    assert page.links == ['a.png', 'b.png'] and all((tmp_path / link).is_file() for link in page.links)
    for image, name in zip(page.images, ('a.png', 'b.png')):
        thumbnail = picture_of(image['src'])
        assert thumbnail.shape == (96, 320, 3)  # 120 x 400, scaled by 0.8
        assert np.abs(thumbnail.astype(int) - (0, 0, 255)).max() < 4
        assert image['alt'] == f'{name}: 2 boxes in {name}'
    assert page.words[:3] == ['mmlens boxam', 'mmlens boxam', '2 results'] or '2 results' in page.words


def test_a_page_needs_no_script_and_no_network(tmp_path):
    page = Page(draw(tmp_path, 'a.png', 'b.png'))
    assert not page.tags & {'script', 'link', 'iframe', 'object'}
    assert not re.search(r'https?:|url\(|@import|\bon\w+=', page.text)


def test_one_drawing_has_no_page(tmp_path):
    assert not draw(tmp_path, 'a.png').exists()
    with Index(None, 'x') as index:
        index.add(tmp_path / 'a.png', RED, '')
        index.add(None, RED, '')
    assert not (tmp_path / module.NAME).exists()


def test_names_are_escaped(tmp_path):
    odd = '50% <b>"x"&#1; ü.png'
    page = Page(draw(tmp_path, odd, 'b.png', title='<i>'))
    assert urllib.parse.unquote(page.links[0]) == odd and (tmp_path / urllib.parse.unquote(page.links[0])).is_file()
    assert odd in page.words and '<i>' in page.words
    assert not page.tags & {'b', 'i'}
    again = Page(draw(tmp_path, 'c.png'))  # an odd name is read back from the page, too
    assert sorted(map(urllib.parse.unquote, again.links)) == sorted([odd, 'b.png', 'c.png'])


def test_what_an_earlier_command_drew_stays_while_it_is_there(tmp_path):
    draw(tmp_path, 'a.png', 'b.png', 'c.png')
    (tmp_path / 'b.png').unlink()
    page = Page(draw(tmp_path, 'a.png', 'd.png', title='mmlens featmap', picture=BLUE))
    assert page.links == ['a.png', 'd.png', 'c.png']
    assert picture_of(page.images[0]['src'])[0, 0, 0] > 250  # drawn again, and shown as it is now
    assert {'mmlens featmap', '2 results, and 1 that were here before', 'before'} <= set(page.words)


def test_a_page_of_somebody_else_stays(tmp_path, capsys):
    (tmp_path / module.NAME).write_text('<h1>my own</h1>')
    draw(tmp_path, 'a.png', 'b.png')
    assert (tmp_path / module.NAME).read_text() == '<h1>my own</h1>'
    assert 'is not of mmlens, and stays' in capsys.readouterr().out


def test_folders_are_sections(tmp_path):
    page = Page(draw(tmp_path, 'missed/1.png', 'missed/2.png', 'location/1.png'))
    assert page.links == ['missed/1.png', 'missed/2.png', 'location/1.png']
    assert [word for word in page.words if word in ('missed', 'location')] == ['missed', 'location']


def test_maps_and_videos_are_linked(tmp_path):
    np.savez(tmp_path / 'a.npz', maps=np.zeros(1))
    page = Page(draw(tmp_path, 'a.png', 'street.mp4'))
    assert page.links == ['a.png', 'a.npz', 'street.mp4']
    assert picture_of(page.images[1]['src']).shape == (96, 320, 3)


def test_a_large_folder_shows_its_drawings_as_they_scroll_into_view(tmp_path, monkeypatch):
    monkeypatch.setattr(module, '_MOST_INSIDE', 1)
    page = Page(draw(tmp_path, 'a.png', 'b c.png'))
    assert page.images[1]['src'] == 'b%20c.png'
    assert all(image['loading'] == 'lazy' for image in page.images)


def test_an_interrupted_run_has_its_page(tmp_path):
    with pytest.raises(KeyboardInterrupt), Index(tmp_path, 'x') as index:
        for name in ('a.png', 'b.png'):
            index.add(tmp_path / name, RED, '')
        raise KeyboardInterrupt
    assert (tmp_path / module.NAME).is_file()


@pytest.mark.parametrize('option', [[], ['--no-index']])
def test_a_command_writes_it_unless_told_not_to(pictures, model, option, capsys):
    assert boxam(['pics', *model, '--device', 'cpu', '--save-maps', *option]) == 1  # one picture is broken
    page = pictures / 'output' / module.NAME
    assert page.exists() == (not option)
    if not option:
        shown = Page(page)
        assert shown.links == ['a.png', 'a.npz', 'c.jpg', 'c.npz']
        assert 'mmlens boxam' in shown.words
        said = re.findall(r'^pics/\S+: (.*?) ->', capsys.readouterr().out, re.M)
        assert [html.unescape(image['alt']).partition(': ')[2] for image in shown.images] == said
