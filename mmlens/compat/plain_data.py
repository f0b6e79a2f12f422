"""Files that mmengine reads are data while mmlens asks for them: YAML, JSON and pickles run no code.

Reason: mmengine reads YAML with a loader that creates any Python object, pickles as they come, and, before torch 2.6,
checkpoints with a full unpickler. A config of data could so run code, by a tag of its own or by naming an annotation
file. Each reader is replaced once by one that asks in which context it runs; outside of `only_data()` nothing changes.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Callable, Iterator, Optional

from mmlens.compat.checkpoint import TRUST, NotAdmittedError, load_checkpoint, load_pickle

Check = Callable[[Any], Any]

_check: ContextVar[Optional[Check]] = ContextVar('check', default=None)


class PlainDataError(Exception):
    """A file asks for more than data: the message says what it is."""


@contextlib.contextmanager
def only_data(check: Check = lambda content: content) -> Iterator[None]:
    """Let mmengine read data only, in this thread.

    Args:
        check: Gets what a YAML or JSON file holds, and returns it or what stands for it, or raises.
    """
    _install()
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def _install() -> None:
    from mmengine.fileio.handlers import JsonHandler, PickleHandler, YamlHandler

    if 'torch' in sys.modules:  # reading a config does without
        _install_for_weights()
    if getattr(YamlHandler.load_from_fileobj, 'of_mmlens', False):
        return
    for handler, read in ((YamlHandler, _yaml), (JsonHandler, _json), (PickleHandler, _pickle)):
        handler.load_from_fileobj = _asking(handler.load_from_fileobj, read)


def _install_for_weights() -> None:
    from mmengine.runner.checkpoint import CheckpointLoader

    schemes = CheckpointLoader._schemes
    if '' in schemes and not getattr(schemes[''], 'of_mmlens', False):
        schemes[''] = _asking_for_weights(schemes[''])


def _asking(theirs: Callable[..., Any], ours: Callable[[Any, Check], Any]) -> Callable[..., Any]:
    def load_from_fileobj(self: Any, file: Any, **kwargs: Any) -> Any:
        check = _check.get()
        return theirs(self, file, **kwargs) if check is None else ours(file, check)

    load_from_fileobj.of_mmlens = True  # type: ignore[attr-defined]
    return load_from_fileobj


def _asking_for_weights(theirs: Callable[..., Any]) -> Callable[..., Any]:
    def load_from_local(filename: str, map_location: Any = None, **kwargs: Any) -> Any:
        if _check.get() is None:
            return theirs(filename, map_location, **kwargs)
        return load_checkpoint(os.path.expanduser(filename), map_location)

    load_from_local.of_mmlens = True  # type: ignore[attr-defined]
    return load_from_local


@lru_cache(maxsize=None)
def _loader() -> Any:
    """YAML's plain types, and the tuples that mmengine writes."""
    import yaml

    class Loader(getattr(yaml, 'CSafeLoader', yaml.SafeLoader)):  # type: ignore[misc]
        pass

    Loader.add_constructor(
        'tag:yaml.org,2002:python/tuple', lambda loader, node: tuple(loader.construct_sequence(node, deep=True))
    )
    return Loader


def _yaml(file: Any, check: Check) -> Any:
    import yaml

    try:
        return check(yaml.load(file, _loader()))  # a SafeLoader
    except yaml.constructor.ConstructorError as error:
        tag = (error.problem or '').rpartition('tag:yaml.org,2002:')[2].rstrip("'")
        raise PlainDataError(f'the tag !!{tag} asks for more than data') from error


def _json(file: Any, check: Check) -> Any:
    text = file.read()
    return check(json.loads(text.lstrip('\ufeff') if isinstance(text, str) else text))


def _pickle(file: Any, check: Check) -> Any:
    try:
        return load_pickle(file)
    except NotAdmittedError as error:
        raise PlainDataError(
            f'a pickled file holds a {error} object, which is not plain data; if you trust where it comes from, set '
            f'the environment variable {TRUST}=1 and try again'
        ) from None
