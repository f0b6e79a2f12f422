"""Load OpenMMLab's checkpoints without running code that they bring.

Reason: a checkpoint saved by mmengine's Runner holds its log besides the weights: HistoryBuffer objects, numpy
scalars, bound methods. torch 2.6 made ``weights_only=True`` the default of ``torch.load``, which refuses these (and
cannot be taught: they need ``getattr``), so mmengine 0.10.7 loads no checkpoint of its own any more; with
``weights_only=False`` any checkpoint may run any code. Here an unpickler admits what OpenMMLab saves and nothing else.
Delete when mmengine saves its log as plain values.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pickle
import warnings
import zipfile
from types import SimpleNamespace
from typing import Any, Dict, Set

TRUST = 'MMLENS_TRUST_CHECKPOINT'

# Module -> names that a checkpoint may refer to. None of them opens, imports or runs anything when called.
ADMITTED: Dict[str, Set[str]] = {
    'builtins': {'bytearray', 'complex', 'frozenset', 'range', 'set', 'slice'},
    'collections': {'Counter', 'OrderedDict', 'defaultdict', 'deque'},
    'datetime': {'date', 'datetime', 'timedelta'},
    'pathlib': {'Path', 'PosixPath', 'PurePosixPath', 'PureWindowsPath', 'WindowsPath'},
    'argparse': {'Namespace'},
    '_codecs': {'encode'},  # numpy writes bytes this way under pickle's protocol 2
    'numpy': {'bool_', 'dtype', 'float32', 'float64', 'int32', 'int64', 'ndarray'},
    'numpy.core.multiarray': {'_reconstruct', 'scalar'},
    'numpy.core.numeric': {'_frombuffer'},  # arrays under pickle's protocol 5
    'torch': {'Size', 'Tensor', 'device'},
    'torch._tensor': {'_rebuild_from_type_v2'},
    'torch._utils': {'_rebuild_parameter', '_rebuild_tensor', '_rebuild_tensor_v2'},
    'torch.nn.parameter': {'Buffer', 'Parameter'},
    'torch.serialization': {'_get_layout'},
    'addict.addict': {'Dict'},
    'mmengine.config.config': {'ConfigDict'},
    'mmengine.logging.history_buffer': {'HistoryBuffer'},
}


class CheckpointError(Exception):
    """A file that is not a checkpoint, or one with objects that are not admitted: the message says what to do."""


def load_checkpoint(path: str, map_location: Any = 'cpu') -> Any:
    """Read what a checkpoint file holds, usually a dict with 'state_dict' and 'meta'.

    Args:
        path: A local file.
        map_location: Where tensors go, as in ``torch.load``. Defaults to 'cpu'.

    Raises:
        CheckpointError: The file is not a checkpoint, or it refers to something not in :data:`ADMITTED`; with the
            environment variable ``MMLENS_TRUST_CHECKPOINT=1`` it is loaded anyway.
        OSError: The file cannot be opened.
    """
    import torch

    open(path, 'rb').close()  # torch reports a file that it cannot parse as an OSError too
    if _is_torchscript(path):  # older versions of torch run it
        raise CheckpointError(f'{path} is a program of TorchScript: give the checkpoint that it was made from.')
    with warnings.catch_warnings():
        # torch 2.0 and 2.1 warn about their own storage class here.
        warnings.filterwarnings('ignore', message='TypedStorage is deprecated')
        try:
            if os.environ.get(TRUST) == '1':
                return torch.load(path, map_location=map_location, weights_only=False)
            return _load_admitted(path, map_location)
        except NotAdmittedError:
            raise
        except Exception as error:  # zip, pickle and torch's reader each have errors of their own
            reason = ' '.join(str(error).split()) or type(error).__name__
            raise CheckpointError(f'{path} is not a checkpoint that torch can read: {reason.rstrip(".")}.') from error


def _is_torchscript(path: str) -> bool:
    with contextlib.suppress(zipfile.BadZipFile, NotImplementedError):
        if zipfile.is_zipfile(path):
            return any(name.endswith('/constants.pkl') for name in zipfile.ZipFile(path).namelist())
    return False


def _load_admitted(path: str, map_location: Any) -> Any:
    import torch

    try:
        return torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError:
        pass  # it holds more than weights
    module = SimpleNamespace(__name__='pickle', Unpickler=_Unpickler, load=load_pickle)
    try:
        return torch.load(path, map_location=map_location, weights_only=False, pickle_module=module)
    except NotAdmittedError as error:
        raise NotAdmittedError(
            f'{path} holds a {error} object, which is not plain data; if you trust where the checkpoint comes from, '
            f'set the environment variable {TRUST}=1 and try again.'
        ) from None


class NotAdmittedError(CheckpointError):
    """A checkpoint refers to a class or function that is not in :data:`ADMITTED`."""


class _Unpickler(pickle.Unpickler):
    """Finds what is in :data:`ADMITTED`, and torch's types."""

    def find_class(self, module: str, name: str) -> Any:
        module = {'__builtin__': 'builtins'}.get(module, module).replace('numpy._core', 'numpy.core')
        if (module, name) == ('builtins', 'getattr'):
            return _statistic
        if module == 'torch' and _is_dtype(name):
            return super().find_class(module, name)
        if name not in ADMITTED.get(module, ()):
            raise NotAdmittedError(f'{module}.{name}')
        return super().find_class(_installed(module), name)


def load_pickle(file: Any, **kwargs: Any) -> Any:
    """Read a pickle of plain data.

    Raises:
        NotAdmittedError: It refers to something not in :data:`ADMITTED`, which is the message; see :data:`TRUST`.
    """
    if os.environ.get(TRUST) == '1':
        return pickle.load(file, **kwargs)
    return _Unpickler(file, **kwargs).load()


def _installed(module: str) -> str:
    """A module's name in this environment: numpy 2 renamed ``numpy.core``, and each version writes its own name."""
    if module.startswith('numpy.core') and importlib.util.find_spec('numpy._core') is not None:
        return module.replace('numpy.core', 'numpy._core')
    return module


def _is_dtype(name: str) -> bool:
    import torch

    return isinstance(getattr(torch, name, None), torch.dtype)


def _statistic(owner: type, name: str) -> Any:
    """``getattr`` for the only use checkpoints make of it: the methods of HistoryBuffer."""
    from mmengine.logging.history_buffer import HistoryBuffer

    if owner is not HistoryBuffer or name.startswith('_'):
        raise NotAdmittedError('builtins.getattr')
    return getattr(owner, name)
