"""Models by name on the command line, with weights from a server that the test starts."""

import hashlib
import http.server
import os
import sys
import threading
from pathlib import Path

import pytest

from mmlens.cli.commands.boxam import main
from mmlens.cli.commands.compare import _is_config
from mmlens.cli.model_files import fetch_weights

METAFILE = """
Models:
  - Name: tiny_8x1
    Config: configs/tiny/tiny_1xb8.py
    Weights: {address}/{name}
  - Name: gone_8x1
    Config: configs/tiny/gone_1xb8.py
    Weights: {address}/gone.pth
"""


@pytest.fixture
def named(model, pictures, monkeypatch):
    """The tiny detector as a model of an installed mmocr, with its weights on a server; the words of its requests."""
    asked = []
    weights = Path(model[1]).read_bytes()
    name = f'tiny-{hashlib.sha256(weights).hexdigest()[:8]}.pth'

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            there = self.path == f'/{name}'
            self.send_response(200 if there else 404)
            self.send_header('Content-Length', str(len(weights) if there else 0))
            self.end_headers()
            self.wfile.write(weights if there else b'')

        def log_message(self, *args):
            pass

    for variable in list(os.environ):
        if variable.lower().endswith('_proxy'):
            monkeypatch.delenv(variable)
    monkeypatch.setenv('TORCH_HOME', str(pictures / 'torch'))
    site = pictures / 'site'
    configs = site / 'mmocr' / '.mim' / 'configs' / 'tiny'
    configs.mkdir(parents=True)
    (site / 'mmocr' / '__init__.py').write_text('')
    info = site / 'mmocr-1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: mmocr\nVersion: 1.0\n')
    (site / 'mmocr' / '.mim' / 'model-index.yml').write_text('Import:\n  - configs/tiny/metafile.yml\n')
    for config in ('tiny_1xb8', 'gone_1xb8'):
        (configs / f'{config}.py').write_text(Path(model[0]).read_text())
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, 'mmocr', raising=False)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_address[1]}'
        (configs / 'metafile.yml').write_text(METAFILE.format(address=address, name=name))
        yield asked, f'{address}/{name}'
        server.shutdown()
    sys.modules.pop('mmocr', None)


def test_a_name_is_drawn_with_the_weights_of_its_package(named, pictures, capsys):
    asked, address = named
    for _ in range(2):
        assert main(['pics/a.png', 'tiny_8x1', '--device', 'cpu', '-v']) == 0
    out, err = capsys.readouterr()
    assert f'note: tiny_8x1 is mmocr::tiny/tiny_1xb8.py, with the weights that mmocr names: {address}' in out
    kept = pictures / 'torch' / 'hub' / 'checkpoints' / address.rpartition('/')[2]
    assert f'note: the weights are kept as {kept}' in out and kept.is_file()
    assert asked == [f'/{kept.name}']  # once
    assert f'YOLOX, a detector, of mmocr::tiny/tiny_1xb8.py, weights {address}' in err
    assert (pictures / 'output' / 'a.png').is_file()


def test_the_config_s_path_in_a_package_has_weights_too(named, pictures, capsys):
    assert main(['pics/a.png', 'mmocr::tiny/tiny_1xb8.py', '--device', 'cpu']) == 0
    assert f'with the weights that mmocr names: {named[1]}' in capsys.readouterr().out


def test_a_checkpoint_that_is_named_is_taken_instead(named, model, capsys):
    asked, _ = named
    assert main(['pics/a.png', 'tiny_8x1', model[1], '--device', 'cpu']) == 0
    assert asked == [] and 'with the weights' not in capsys.readouterr().out


def test_random_weights_need_no_download(named):
    asked, _ = named
    assert main(['pics/a.png', 'tiny_8x1', '--random-weights', '--device', 'cpu']) == 0
    assert asked == []


def test_a_file_on_the_disk_is_taken_before_a_name(named, pictures, capsys):
    asked, _ = named
    (pictures / 'tiny_8x1').write_text('no config')
    assert main(['pics/a.png', 'tiny_8x1', '--device', 'cpu']) == 2
    assert 'tiny_8x1 is not a config' in capsys.readouterr().err and asked == []


def test_weights_that_do_not_come_are_told_in_a_sentence(named, pictures, capsys):
    assert main(['pics/a.png', 'gone_8x1', '--device', 'cpu']) == 2
    err = capsys.readouterr().err
    assert err.count('\n') == 1 and 'gone.pth cannot be downloaded: HTTP 404 Not Found: get the file where' in err
    assert f'or put it into {pictures}/torch/hub/checkpoints.' in err
    assert not list((pictures / 'torch').rglob('*.pth'))


def test_a_network_that_is_not_there_is_told_before_anything_heavy(named, monkeypatch, capsys):
    import argparse

    with pytest.raises(ValueError, match='cannot be downloaded: .*: get the file where the network allows it'):
        fetch_weights(argparse.Namespace(checkpoint='http://127.0.0.1:9/w.pth'))


def test_a_name_that_is_misspelt_is_told(named, capsys):
    assert main(['pics/a.png', 'tiny_8x2', '--device', 'cpu']) == 2
    assert "There is no config file or model 'tiny_8x2': the nearest are tiny_8x1 (mmocr)" in capsys.readouterr().err


def test_compare_knows_a_second_model_by_its_name(named):
    assert _is_config('tiny_8x1') and _is_config('b.py') and _is_config('mmocr::tiny_8x1')
    assert not _is_config('pics') and not _is_config('pics/*.png') and not _is_config('no_such_picture')
