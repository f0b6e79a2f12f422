"""Files from http(s) addresses, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import posixpath
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO, Callable, Optional, Type

from .errors import MmlensError
from .files import write_atomically
from .version import __version__

TIMEOUT = 30  # seconds without a byte
MOST_SECONDS = 3600
MOST_BYTES = 20 * 2**30

_CHUNK = 2**20

# Told how many bytes have come, and how many will, if that is known.
Progress = Callable[[int, Optional[int]], object]


def is_address(text: str) -> bool:
    """Whether a text is an http(s) address."""
    return text.lower().startswith(('http://', 'https://'))


def file_name(address: str) -> str:
    """The last part of an address's path, without its query."""
    try:
        path = urllib.parse.urlsplit(address).path
    except ValueError as error:
        raise MmlensError(f'{address} is no address: {error}.') from error
    name = posixpath.basename(urllib.parse.unquote(path))
    return re.sub(r'[\\/:\0]', '_', name) or 'download'


def cached_name(address: str) -> str:
    """A file name that differs where files may, by digits of a file's or an address's hash: ``name-1a2b3c4d.pth``."""
    if _digits(address):
        return file_name(address)
    stem, ending = os.path.splitext(file_name(address))
    digest = hashlib.sha256(address.encode('utf-8', 'surrogateescape')).hexdigest()
    return f'{stem}-{digest[:8]}{ending}'


def weights_place(address: str) -> Path:
    """Where the weights of an address are kept: in torch's own folder, ``$TORCH_HOME/hub/checkpoints``."""
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    home = Path(os.environ.get('TORCH_HOME') or cache / 'torch').expanduser()
    return home / 'hub' / 'checkpoints' / cached_name(address)


def download(
    address: str, target: Path, error: Type[MmlensError] = MmlensError, progress: Optional[Progress] = None
) -> None:
    """Download a file.

    Args:
        address: Over http(s), and so are the addresses that it is redirected to.
        target: Where the file appears once it has arrived whole: as long as the server said, and with the digits of
            its SHA-256 that OpenMMLab's and torch's weights have in their names (``name-1a2b3c4d.pth``).
        error: Raised when that is not so.
        progress: Called after each part. Defaults to ``None``.

    Raises:
        MmlensError: With the address and what went wrong.
        OutputError: If the target cannot be written.
    """
    with write_atomically(target, check=False) as temporary:  # its name is the sender's
        try:
            with _opener().open(_request(address), timeout=TIMEOUT) as answer, open(temporary, 'wb') as file:
                digest = _copied(answer, file, progress)
            _check_digits(address, digest)
        except (OSError, http.client.HTTPException, ValueError) as failure:
            raise error(f'{address} cannot be downloaded: {_why(failure)}.') from failure


def _request(address: str) -> urllib.request.Request:
    return urllib.request.Request(address, headers={'User-Agent': f'mmlens/{__version__}'})


def _opener() -> urllib.request.OpenerDirector:
    """One that knows http and https alone: urllib's own follows redirects to ftp, and opens files."""
    opener = urllib.request.OpenerDirector()
    kinds = ('ProxyHandler', 'HTTPHandler', 'HTTPSHandler', 'HTTPDefaultErrorHandler', 'HTTPRedirectHandler')
    for kind in (*kinds, 'HTTPErrorProcessor', 'UnknownHandler'):
        opener.add_handler(getattr(urllib.request, kind)())
    return opener


def _copied(answer: Any, file: BinaryIO, progress: Optional[Progress] = None) -> str:
    """Copy an answer into a file; returns the SHA-256.

    Raises:
        ValueError: If it ends early, or takes too long or too much.
    """
    told, copied, begin = answer.headers.get('Content-Length'), 0, time.monotonic()
    expected: Optional[int] = int(told) if told and told.isdigit() else None
    digest = hashlib.sha256()
    if expected is not None and expected > min(MOST_BYTES, shutil.disk_usage(os.path.dirname(file.name)).free):
        raise ValueError(f'it has {expected:,} bytes, more than fit')
    while True:
        part = answer.read(_CHUNK)
        if not part:
            break
        file.write(part)
        digest.update(part)
        copied += len(part)
        if progress is not None:
            progress(copied, expected)
        if copied > MOST_BYTES:
            raise ValueError(f'it has more than {MOST_BYTES:,} bytes')
        if time.monotonic() - begin > MOST_SECONDS:
            raise ValueError(f'it takes longer than {MOST_SECONDS} s')
    if expected is not None and copied != expected:
        raise ValueError(f'it ended after {copied:,} of {expected:,} bytes')
    return digest.hexdigest()


def _check_digits(address: str, digest: str) -> None:
    told = _digits(address)
    if not digest.startswith(told):
        raise ValueError(f'its SHA-256 begins with {digest[:8]}, and its name says {told}')


def _digits(address: str) -> str:
    match = re.search(r'-([0-9a-f]{8,})\.pth?$', file_name(address))
    return match.group(1) if match else ''


def _why(failure: Exception) -> str:
    if isinstance(failure, urllib.error.HTTPError):
        return f'HTTP {failure.code} {failure.reason}'
    # urllib wraps the network's error: `<urlopen error [Errno 111] Connection refused>`.
    cause = getattr(failure, 'reason', failure)
    return str(getattr(cause, 'strerror', None) or cause).rstrip('.')
