from __future__ import annotations

import collections
import os
import zipfile

import numpy as np
import pytest
import torch

from mmlens.compat import CheckpointError, load_checkpoint


@pytest.fixture(autouse=True)
def _no_trust(monkeypatch):
    monkeypatch.delenv('MMLENS_TRUST_CHECKPOINT', raising=False)


@pytest.fixture(scope='session')
def trained(tmp_path_factory, ops):
    """A checkpoint as mmengine's Runner saves it, after two steps with a moving average."""
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    class Line(BaseModel):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def forward(self, x, mode):
            return {'loss': (self.layer(x) - 1).pow(2).mean()}

    folder = tmp_path_factory.mktemp('trained')
    points = [{'x': torch.rand(2)} for _ in range(8)]
    loader = {'dataset': points, 'batch_size': 4, 'sampler': {'type': 'DefaultSampler'}}
    Runner(
        Line(),
        work_dir=str(folder),
        train_dataloader={**loader, 'collate_fn': {'type': 'default_collate'}},
        train_cfg={'by_epoch': True, 'max_epochs': 1},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1, 'momentum': 0.9}},
        default_hooks={'logger': {'type': 'LoggerHook', 'interval': 1}},
        custom_hooks=[{'type': 'EMAHook'}],
        log_level='ERROR',
        experiment_name=folder.name,
    ).train()
    return folder / 'epoch_1.pth'


def rewritten(source, target, old, new):
    """A copy of a checkpoint in which the pickle says `new` for `old`."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, 'w') as after:
        for name in before.namelist():
            data = before.read(name)
            after.writestr(name, data.replace(old, new) if name.endswith('data.pkl') else data)
    return target


def test_what_the_runner_saved_is_loaded_whole(trained):
    content = load_checkpoint(str(trained))
    assert content['state_dict']['layer.weight'].shape == (1, 2)
    assert content['meta']['epoch'] == 1
    loss = content['message_hub']['log_scalars']['train/loss']
    history, _ = loss.data
    assert len(history) == 2
    assert loss.statistics('mean') == pytest.approx(np.mean(history))
    assert content['optimizer']['param_groups'][0]['momentum'] == 0.9


@pytest.mark.parametrize(('old', 'new'), [(b'numpy._core.', b'numpy.core.'), (b'numpy.core.', b'numpy._core.')])
def test_one_numpy_reads_what_another_wrote(trained, tmp_path, old, new):
    other = rewritten(trained, tmp_path / 'other.pth', old, new)
    content = load_checkpoint(str(other))
    assert len(content['message_hub']['log_scalars']['train/loss'].data[0]) == 2


@pytest.mark.parametrize('zipped', [True, False])
def test_plain_weights_and_plain_objects(tmp_path, zipped):
    from mmengine.config import ConfigDict

    path = tmp_path / 'weights.pth'
    content = {
        'state_dict': collections.OrderedDict(w=torch.arange(3.0), half=torch.ones(2).half(), n=torch.tensor(4)),
        'meta': {'classes': ('a', 'b'), 'cfg': ConfigDict(a={'b': 1}), 'best': np.float64(0.5), 'dtype': torch.float16},
        'image': np.arange(4, dtype=np.uint8).reshape(2, 2),
        'seen': {1, 2},
        'parameter': torch.nn.Parameter(torch.ones(1)),
    }
    torch.save(content, str(path), _use_new_zipfile_serialization=zipped)
    loaded = load_checkpoint(str(path))
    assert torch.equal(loaded['state_dict']['w'], torch.arange(3.0))
    assert loaded['state_dict']['half'].dtype == torch.float16
    assert loaded['meta'] == content['meta']
    assert loaded['meta']['cfg'].a.b == 1
    assert loaded['image'].tolist() == [[0, 1], [2, 3]]
    assert loaded['seen'] == {1, 2}
    assert isinstance(loaded['parameter'], torch.nn.Parameter)


class Bomb:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('zipped', [True, False])
def test_code_in_a_checkpoint_is_not_run_unless_trusted(tmp_path, monkeypatch, zipped):
    path, made = tmp_path / 'bomb.pth', tmp_path / 'made'
    bomb = Bomb(os.mkdir, (str(made),))
    torch.save({'state_dict': {}, 'meta': bomb}, str(path), _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r'(posix|nt)\.mkdir object.*MMLENS_TRUST_CHECKPOINT=1') as caught:
        load_checkpoint(str(path))
    assert '\n' not in str(caught.value)
    assert not made.exists()
    monkeypatch.setenv('MMLENS_TRUST_CHECKPOINT', '1')
    load_checkpoint(str(path))
    assert made.exists()


@pytest.mark.parametrize('name', ['__init__', '__globals__', '__class__'])
def test_getattr_reaches_public_statistics_only(tmp_path, name):
    from mmengine.logging import HistoryBuffer

    for call in [(getattr, (HistoryBuffer, name)), (getattr, (collections.OrderedDict, 'fromkeys'))]:
        torch.save({'x': Bomb(*call)}, str(tmp_path / 'x.pth'))
        with pytest.raises(CheckpointError, match=r'builtins\.getattr'):
            load_checkpoint(str(tmp_path / 'x.pth'))


def test_the_class_that_is_not_admitted_is_named(tmp_path):
    from mmengine.structures import InstanceData

    torch.save({'meta': InstanceData(scores=torch.ones(1))}, str(tmp_path / 'x.pth'))
    with pytest.raises(CheckpointError, match=r'mmengine\.structures\.instance_data\.InstanceData'):
        load_checkpoint(str(tmp_path / 'x.pth'))


@pytest.mark.parametrize('content', [b'', b'<html>not found</html>', b'PK\x03\x04 cut off'])
def test_what_is_no_checkpoint_says_so(tmp_path, content):
    path = tmp_path / 'x.pth'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match='is not a checkpoint that torch can read') as caught:
        load_checkpoint(str(path))
    assert '\n' not in str(caught.value)


def test_a_checkpoint_cut_short_says_so(trained, tmp_path):
    path = tmp_path / 'short.pth'
    path.write_bytes(trained.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match='is not a checkpoint'):
        load_checkpoint(str(path))


def test_a_missing_file_is_missing_as_usual(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_checkpoint(str(tmp_path / 'nothing.pth'))
