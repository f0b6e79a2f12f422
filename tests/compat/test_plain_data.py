"""What mmengine reads for mmlens runs no code, whatever the file; for others it reads as it always did."""

import json
import os
import pickle
import threading
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from mmlens.compat import PlainDataError, only_data


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('MMLENS_TRUST_CHECKPOINT', raising=False)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ('ran',)


FILES = {
    'a.pkl': lambda: Path('a.pkl').write_bytes(pickle.dumps([Bomb()])),
    'a.pickle': lambda: Path('a.pickle').write_bytes(pickle.dumps({'x': Bomb()}, protocol=0)),
    'a.yaml': lambda: Path('a.yaml').write_text('x: !!python/object/apply:os.mkdir [ran]'),
    'a.yml': lambda: Path('a.yml').write_text('- [!!python/object/apply:os.mkdir [ran]]'),
}


@pytest.mark.parametrize('name', FILES)
def test_no_file_runs_code(name, monkeypatch):
    FILES[name]()
    with only_data(), pytest.raises(PlainDataError, match='is not plain data|asks for more than data') as told:
        mmengine.load(name)
    assert '\n' not in str(told.value) and not Path('ran').exists()
    mmengine.load(name)  # mmengine's own business
    assert Path('ran').exists()


def test_weights_of_the_users_file_run_no_code():
    torch.save({'state_dict': {}, 'x': Bomb()}, 'a.pth')
    with only_data(), pytest.raises(Exception, match='mkdir object, which is not plain data'):
        CheckpointLoader.load_checkpoint('a.pth', 'cpu')
    assert not Path('ran').exists()
    torch.save({'state_dict': {'a': torch.ones(1)}}, 'b.pth')
    with only_data():
        assert CheckpointLoader.load_checkpoint('b.pth', 'cpu')['state_dict']['a'] == 1
    assert CheckpointLoader.load_checkpoint('b.pth', 'cpu')['state_dict']['a'] == 1


def test_plain_data_are_read():
    content = {'a': [1, (2.5, None)], 'b': {'ü'}, 'box': np.arange(4, dtype=np.float32), 'n': np.int64(3)}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        Path('a.pkl').write_bytes(pickle.dumps(content, protocol))
        with only_data():
            found = mmengine.load('a.pkl')
        assert found['box'].tolist() == [0, 1, 2, 3] and {**found, 'box': 0} == {**content, 'box': 0}
    Path('a.json').write_text(json.dumps({'a': [1, 2]}))
    Path('a.yaml').write_text('a: !!python/tuple [1, 2]')
    with only_data():
        assert mmengine.load('a.json') == {'a': [1, 2]} and mmengine.load('a.yaml') == {'a': (1, 2)}


def test_pickles_that_are_trusted_run(monkeypatch):
    FILES['a.pkl']()
    monkeypatch.setenv('MMLENS_TRUST_CHECKPOINT', '1')
    with only_data():
        mmengine.load('a.pkl')
    assert Path('ran').exists()


def test_other_threads_are_left_alone():
    Path('a.yaml').write_text('!!python/object/apply:os.path.join [a, b]')
    found = []
    with only_data():
        thread = threading.Thread(target=lambda: found.append(mmengine.load('a.yaml')))
        thread.start()
        thread.join()
    assert found == ['a/b']


def test_contents_are_checked():
    Path('a.json').write_text('[1]')
    with only_data(lambda content: [*content, 2]):
        assert mmengine.load('a.json') == [1, 2]
