"""Downloads arrive whole or not at all, over http(s) alone; a server of our own misbehaves in every way."""

import hashlib
import http.server
import os
import threading

import pytest

from mmlens import downloads
from mmlens.downloads import cached_name, download, file_name, is_address
from mmlens.errors import MmlensError, ModelError

CONTENT = b'weights' * 1000
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split('?')[0]
        if path == '/to-ftp':
            return self.answer(302, {'Location': 'ftp://127.0.0.1/x.pth'})
        if path == '/to-file':
            return self.answer(302, {'Location': 'file:///etc/hostname'})
        if path == '/away':
            return self.answer(302, {'Location': '/whole.pth'})
        if path == '/gone':
            return self.answer(404, {})
        length = len(CONTENT) + 500 if path == '/cut.pth' else len(CONTENT)
        self.answer(200, {} if path == '/unknown.pth' else {'Content-Length': str(length)})
        self.wfile.write(CONTENT)

    def answer(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith('_proxy'):
            monkeypatch.delenv(name)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{running.server_address[1]}'
        running.shutdown()


@pytest.mark.parametrize('path', ['/whole.pth', '/away', '/unknown.pth?token=1', f'/named-{DIGITS}.pth'])
def test_what_is_whole_is_kept(server, tmp_path, path):
    download(server + path, tmp_path / 'new' / 'a.pth')
    assert [file.read_bytes() for file in (tmp_path / 'new').iterdir()] == [CONTENT]


@pytest.mark.parametrize(
    ('path', 'why'),
    [
        ('/cut.pth', r'it ended after 7,000 of 7,500 bytes|IncompleteRead'),
        ('/gone', 'HTTP 404 Not Found'),
        ('/to-ftp', 'HTTP 302 .*ftp|unknown url type: ftp'),
        ('/to-file', 'HTTP 302 .*file|unknown url type: file'),
        ('/named-0123abcd.pth', f'its SHA-256 begins with {DIGITS}, and its name says 0123abcd'),
    ],
)
def test_what_is_not_leaves_nothing_behind(server, tmp_path, path, why):
    with pytest.raises(ModelError, match=f'{path} cannot be downloaded: .*({why})'):
        download(server + path, tmp_path / 'a.pth', ModelError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('path', ['/whole.pth', '/unknown.pth'])
def test_size_and_time_are_limited(server, tmp_path, path, monkeypatch):
    monkeypatch.setattr(downloads, 'MOST_BYTES', 1000)
    with pytest.raises(MmlensError, match='bytes'):
        download(server + path, tmp_path / 'a.pth')
    monkeypatch.setattr(downloads, 'MOST_BYTES', 10**6)
    monkeypatch.setattr(downloads, 'MOST_SECONDS', -1)
    with pytest.raises(MmlensError, match='takes longer than -1 s'):
        download(server + path, tmp_path / 'a.pth')
    assert list(tmp_path.iterdir()) == []


def test_names():
    assert file_name('http://h/a%20dog.jpg?size=large') == 'a dog.jpg'
    assert file_name('http://h') == 'download'
    assert file_name('http://h/..%5C..%5Cx.pth') == '.._.._x.pth'
    assert cached_name('http://h/ck-0123abcd.pth') == 'ck-0123abcd.pth'
    one, two = cached_name('http://h/one/ck.pth'), cached_name('http://h/two/ck.pth?token=secret')
    assert one != two and one.startswith('ck-') and one.endswith('.pth') and 'secret' not in two
    assert is_address('HTTPS://h/a') and not is_address('ftp://h/a') and not is_address('a.pth')


def test_progress_is_told(server, tmp_path):
    told = []
    download(f'{server}/whole.pth', tmp_path / 'a.pth', progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    download(f'{server}/unknown.pth', tmp_path / 'a.pth', progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(CONTENT), None)


def test_weights_are_kept_where_torch_keeps_its_own(tmp_path, monkeypatch):
    import torch

    for variable, value in (('TORCH_HOME', str(tmp_path / 'a')), ('XDG_CACHE_HOME', str(tmp_path / 'b'))):
        monkeypatch.delenv('TORCH_HOME', raising=False)
        monkeypatch.setenv(variable, value)
        place = downloads.weights_place('http://example.com/x-12345678.pth')
        assert str(place.parent.parent) == torch.hub.get_dir() and place.name == 'x-12345678.pth'
