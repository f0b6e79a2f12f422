"""Follows mmengine while it reads a config and what that is based on: circles end, and files may begin with a BOM."""

from __future__ import annotations

import builtins
import contextlib
import os
from typing import Any, Callable, Iterator, List

from mmengine.config import Config, config

from ..errors import ModelError

# mmengine's functions that read a config file, and call themselves for what it is based on.
_READERS = ('_file2dict', '_parse_lazy_import')


class Chain:
    """The files that are being read: a config, its base, the base's base and so on.

    Attributes:
        failed: The innermost file in which something went wrong; empty if nothing did.
    """

    def __init__(self) -> None:
        self._open: List[str] = []
        self.failed = ''

    def following(self, read: Callable[..., Any]) -> Callable[..., Any]:
        """A function that reads a file as ``read`` does, and notes it."""

        def follow(filename: str, *args: Any, **kwargs: Any) -> Any:
            path = os.path.realpath(os.path.expanduser(filename))
            if path in self._open:
                raise ModelError('it is based on itself.')
            if self._open and not os.path.isfile(path):
                raise ModelError(f'it is based on {filename}, and there is no such file.')
            self._open.append(path)
            try:
                return read(filename, *args, **kwargs)
            except BaseException:
                self.failed = self.failed or path
                raise
            finally:
                self._open.pop()

        return follow


@contextlib.contextmanager
def followed() -> Iterator[Chain]:
    """Follow what mmengine reads in the block; in one thread at a time."""
    chain = Chain()
    theirs = {name: vars(Config)[name] for name in (*_READERS, '_get_base_files') if name in vars(Config)}
    for name, reader in theirs.items():
        wrap = chain.following if name in _READERS else _names_only
        setattr(Config, name, staticmethod(wrap(reader.__func__)))
    vars(config)['open'] = _open_without_bom
    try:
        yield chain
    finally:
        del vars(config)['open']
        for name, reader in theirs.items():
            setattr(Config, name, reader)


def _names_only(find_bases: Callable[[str], List[Any]]) -> Callable[[str], List[Any]]:
    def find(filename: str) -> List[Any]:
        bases = find_bases(filename)
        wrong = [base for base in bases if not isinstance(base, str)]
        if wrong:
            raise ModelError(f'its _base_ has {wrong[0]!r}, which is not the name of a file.')
        return bases

    return find


def _open_without_bom(file: Any, mode: str = 'r', *args: Any, **options: Any) -> Any:
    """``open()`` for mmengine's module of configs: Windows' editors put a byte order mark before a text in UTF-8."""
    if 'r' in mode and (options.get('encoding') or '').lower() == 'utf-8':
        options['encoding'] = 'utf-8-sig'
    return builtins.open(file, mode, *args, **options)
