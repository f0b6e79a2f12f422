import http.server
import os
import threading
from pathlib import Path

import pytest

from mmlens.cli.sources import Source, find_sources
from mmlens.errors import PictureError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b'content of ' + name.encode())


def found(img, tmp_path, results=None):
    return find_sources(str(img), tmp_path / 'downloads', results)


def test_a_file_is_taken_whatever_its_ending(tmp_path):
    touch(tmp_path, 'a.jpg', 'b.dat')
    assert found(tmp_path / 'a.jpg', tmp_path) == [Source(tmp_path / 'a.jpg', 'a.jpg')]
    assert found(tmp_path / 'b.dat', tmp_path) == [Source(tmp_path / 'b.dat', 'b.dat')]


@pytest.mark.parametrize(('name', 'video'), [('a.mp4', True), ('a.AVI', True), ('a.webm', True), ('a.jpg', False)])
def test_videos_are_known_by_their_ending(name, video):
    assert Source(Path(name), name).is_video is video


def test_a_folder_gives_its_pictures_with_subfolders_sorted(tmp_path):
    touch(tmp_path, 'p/b.jpg', 'p/a.PNG', 'p/x/1.jpg', 'p/y/1.jpg', 'p/notes.txt', 'p/v.mp4', 'p/._b.jpg', 'p/.x/2.jpg')
    sources = found(tmp_path / 'p', tmp_path)
    assert [source.name for source in sources] == ['a.PNG', 'b.jpg', 'x_1.jpg', 'y_1.jpg']
    assert [source.path for source in sources][2] == tmp_path / 'p' / 'x' / '1.jpg'


def test_results_of_an_earlier_run_are_no_pictures_of_the_folder(tmp_path):
    touch(tmp_path, 'p/a.jpg', 'p/output/a.jpg', 'p/output/more/a.jpg')
    assert [source.name for source in found(tmp_path / 'p', tmp_path, tmp_path / 'p' / 'output')] == ['a.jpg']


def test_a_pattern(tmp_path):
    touch(tmp_path, 'x/1.jpg', 'y/1.jpg', 'y/2.mp4', 'y/3.txt')
    sources = found(tmp_path / '*' / '*', tmp_path)
    assert [source.name for source in sources] == ['x_1.jpg', 'y_1.jpg', 'y_2.mp4']


def test_a_name_with_brackets_is_a_file_if_there_is_one(tmp_path):
    touch(tmp_path, 'a[1].jpg')
    assert found(tmp_path / 'a[1].jpg', tmp_path)[0].path == tmp_path / 'a[1].jpg'


def test_a_list_is_relative_to_its_folder_then_to_the_working_folder(tmp_path, monkeypatch):
    touch(tmp_path, 'lists/near.jpg', 'both.jpg', 'lists/both.jpg', 'here.jpg', 'far/1.jpg')
    (tmp_path / 'lists' / 'l.txt').write_text(
        f'near.jpg\n\n both.jpg \r\nhere.jpg\n{tmp_path}/far/1.jpg\nmissing.jpg\n', encoding='utf-8-sig'
    )
    monkeypatch.chdir(tmp_path)
    paths = [source.path for source in found('lists/l.txt', tmp_path)]
    assert paths[0] == Path('lists/near.jpg')
    assert paths[1] == Path('lists/both.jpg')
    assert paths[2] == Path('here.jpg')
    assert paths[3] == tmp_path / 'far' / '1.jpg'
    assert paths[4] == Path('missing.jpg')  # told when its turn comes


def test_names_of_a_list_tell_folders_apart(tmp_path):
    touch(tmp_path, 'a/1.jpg', 'b/c/1.jpg')
    (tmp_path / 'l.txt').write_text('b/c/1.jpg\na/1.jpg\n')
    assert [source.name for source in found(tmp_path / 'l.txt', tmp_path)] == ['b_c_1.jpg', 'a_1.jpg']


@pytest.mark.parametrize(
    ('img', 'said'),
    [
        ('nothing.jpg', 'does not exist'),
        ('*.gif', 'No picture or video matches'),
        ('empty', 'has no pictures'),
        ('empty.txt', 'is empty'),
        ('binary.txt', 'cannot be read as text'),
    ],
)
def test_nothing_found_is_told(img, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty.txt').write_text('\n \n')
    (tmp_path / 'binary.txt').write_bytes(b'\xff\xfe\0\xfa')
    with pytest.raises(PictureError, match=said) as error:
        found(img, tmp_path)
    assert img in str(error.value)


@pytest.fixture
def server(tmp_path):
    served = tmp_path / 'served'
    touch(served, 'a dog.jpg', 'page')

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **options):
            super().__init__(*args, directory=str(served), **options)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{running.server_address[1]}'
        running.shutdown()


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith('_proxy'):
            monkeypatch.delenv(name)
    (tmp_path / 'downloads').mkdir()
    return tmp_path / 'downloads'


def test_an_address_is_downloaded(server, downloads, tmp_path):
    (source,) = found(f'{server}/a%20dog.jpg?size=large', tmp_path)
    assert source == Source(downloads / 'a dog.jpg', 'a dog.jpg')
    assert source.path.read_bytes() == b'content of a dog.jpg'


def test_an_address_without_a_file_name(server, downloads, tmp_path):
    assert found(server, tmp_path)[0].path == downloads / 'download'


@pytest.mark.parametrize(
    ('address', 'said'), [('/none.jpg', 'HTTP 404 File not found.'), ('/a b.jpg', 'control characters')]
)
def test_an_address_that_gives_nothing_is_told(server, downloads, tmp_path, address, said):
    with pytest.raises(PictureError, match=f'cannot be downloaded: .*{said}'):
        found(server + address, tmp_path)


def test_a_server_that_does_not_answer_is_told(downloads, tmp_path):
    with pytest.raises(PictureError, match='http://127.0.0.1:9/a.jpg cannot be downloaded: Connection refused'):
        found('http://127.0.0.1:9/a.jpg', tmp_path)
