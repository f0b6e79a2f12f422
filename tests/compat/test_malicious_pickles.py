"""Pickles that would run code when they are read: none runs, as a checkpoint of either format or as annotations."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import mmengine
import pytest
import torch

from mmlens.compat import CheckpointError, PlainDataError, load_checkpoint, only_data

RUN = "open('ran', 'w').close()"


def const(value):
    """The opcodes that put a plain value on the stack."""
    return pickle.dumps(value, 2)[2:-1]


def name(module, attribute):
    """The opcodes that put what a module calls so on the stack."""
    return f'c{module}\n{attribute}\n'.encode()


def call(function, *arguments):
    """The opcodes that call it."""
    return function + b'(' + b''.join(each if isinstance(each, bytes) else const(each) for each in arguments) + b'tR'


MKDIR = name('os', 'mkdir')
STORAGE = b'(' + const('storage') + MKDIR + const('0') + const('cpu') + const(1) + b'tQ'  # a persistent id
DOTTED = b'\x8c\x05torch\x8c\x16serialization.os.mkdir\x93'  # of protocol 4

KINDS = {
    'os.system': call(name('os', 'system'), 'touch ran'),
    'posix.system': call(name('posix', 'system'), 'touch ran'),
    'os.mkdir': call(MKDIR, 'ran'),
    'subprocess.Popen': call(name('subprocess', 'Popen'), ['touch', 'ran']),
    'subprocess.check_output': call(name('subprocess', 'check_output'), ['touch', 'ran']),
    'builtins.eval': call(name('builtins', 'eval'), RUN),
    'builtins.exec': call(name('builtins', 'exec'), RUN),
    'eval of Python 2': call(name('__builtin__', 'eval'), RUN),
    'import and getattr': call(
        call(name('builtins', 'getattr'), call(name('builtins', '__import__'), 'os'), 'mkdir'), 'ran'
    ),
    'getattr of an admitted class': call(
        name('builtins', 'getattr'), name('mmengine.logging.history_buffer', 'HistoryBuffer'), '__init__'
    ),
    'globals of an admitted function': call(
        name('builtins', 'getattr'),
        call(name('builtins', 'getattr'), name('mmengine.logging.history_buffer', 'HistoryBuffer'), 'mean'),
        '__globals__',
    ),
    'functools.partial': call(call(name('functools', 'partial'), MKDIR, 'ran')),
    'functools.reduce': call(name('functools', 'reduce'), MKDIR, ['ran', 511]),
    'operator.methodcaller': call(call(name('operator', 'methodcaller'), 'mkdir', 'ran'), name('os', 'path')),
    'a pickle in a pickle': call(name('pickle', 'loads'), b'\x80\x02' + call(MKDIR, 'ran') + b'.'),
    'its C function': call(name('_pickle', 'loads'), const(b'\x80\x02' + call(MKDIR, 'ran') + b'.')),
    'torch.load': call(name('torch', 'load'), 'inner.pkl'),
    'torch.hub.load': call(name('torch.hub', 'load'), '.', 'run'),
    'mmengine.load': call(name('mmengine.fileio.io', 'load'), 'inner.pkl'),
    'a config': call(name('mmengine.config.config', 'Config'), {}),
    'code': call(name('types', 'FunctionType'), call(name('marshal', 'loads'), b'c'), {}),
    'importlib.import_module': call(name('importlib', 'import_module'), 'runs'),
    'runpy.run_path': call(name('runpy', 'run_path'), 'runs.py'),
    'timeit.timeit': call(name('timeit', 'timeit'), RUN, 'pass', name('time', 'time'), 1),
    'code.interact': call(name('code', 'InteractiveInterpreter')),
    'ctypes': call(name('ctypes', 'CDLL'), 'libc.so.6'),
    'webbrowser': call(name('webbrowser', 'open'), 'file:///'),
    'a default factory': call(name('collections', 'defaultdict'), MKDIR),
    'the class of an array': call(name('numpy.core.multiarray', '_reconstruct'), MKDIR, (0,), b'b'),
    'the class of a storage': call(
        name('torch._utils', '_rebuild_tensor_v2'),
        STORAGE,
        0,
        (1,),
        (1,),
        False,
        call(name('collections', 'OrderedDict')),
    ),
    'the function of a subclass': call(
        name('torch._tensor', '_rebuild_from_type_v2'), MKDIR, name('torch', 'Tensor'), ('ran',), {}
    ),
    'the state of an object': call(name('argparse', 'Namespace')) + b'}' + const('x') + call(MKDIR, 'ran') + b'sb',
    'a name with dots': call(DOTTED, 'ran'),
    'the opcode INST': b"(S'ran'\nios\nmkdir\n",
    'the opcode OBJ': b'(' + MKDIR + const('ran') + b'o',
    'copyreg': call(name('copyreg', '_reconstructor'), name('subprocess', 'Popen'), name('builtins', 'object'), None),
    'deep in a list': b'](}' + const('a') + b'(' + call(MKDIR, 'ran') + b'lse',
}


def pickled(kind):
    return b'\x80\x04' + KINDS[kind] + b'.'


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv('MMLENS_TRUST_CHECKPOINT', raising=False)
    Path('runs.py').write_text(RUN)
    Path('inner.pkl').write_bytes(pickled('os.mkdir'))


def zipped(kind, file):
    torch.save({'state_dict': {}}, 'whole.pth')
    with zipfile.ZipFile('whole.pth') as before, zipfile.ZipFile(file, 'w') as after:
        for part in before.namelist():
            after.writestr(part, pickled(kind) if part.endswith('data.pkl') else before.read(part))


def legacy(kind, file):
    begin = io.BytesIO()
    torch.save({}, begin, _use_new_zipfile_serialization=False)
    begin.seek(0)
    for _ in range(3):  # magic number, protocol, what wrote it
        pickle.load(begin)
    Path(file).write_bytes(begin.getvalue()[: begin.tell()] + pickled(kind) + const([]) + b'.')


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('write', [zipped, legacy])
def test_no_checkpoint_runs_code(write, kind):
    write(kind, 'a.pth')
    with pytest.raises(CheckpointError) as told:
        load_checkpoint('a.pth')
    assert not os.path.exists('ran') and '\n' not in str(told.value)


@pytest.mark.parametrize('kind', KINDS)
def test_no_annotations_run_code(kind):
    Path('a.pkl').write_bytes(pickled(kind))
    with only_data(), pytest.raises((PlainDataError, pickle.UnpicklingError)):
        mmengine.load('a.pkl')
    assert not os.path.exists('ran')


def test_they_would_run():
    """The kinds are what they say: Python's own unpickler runs some of them here, where nothing is lost."""
    for kind in ('os.mkdir', 'builtins.exec', 'functools.partial', 'the opcode INST', 'a name with dots'):
        pickle.loads(pickled(kind))
        assert os.path.exists('ran'), kind
        os.rmdir('ran') if os.path.isdir('ran') else os.remove('ran')


def test_a_program_of_torchscript_is_no_checkpoint():
    torch.jit.script(torch.nn.Linear(1, 1)).save('a.pth')
    with pytest.raises(CheckpointError, match='is a program of TorchScript'):
        load_checkpoint('a.pth')
