"""What libraries say that a user can do nothing about: exactly these sentences are left out, and nothing else.

Delete a line below once the libraries that the pins and extras allow do not say it any more.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from typing import Any, Iterator

from mmlens.compat.import_hooks import around_import

# How a warning begins, its category, and the module that it is laid at the door of.
WARNINGS = (
    # Hundreds of heads call it the old way.
    ('torch.meshgrid: in an upcoming release', UserWarning, 'torch.functional'),
    # mmengine 0.10 asks it for the places of packages.
    ('pkg_resources is deprecated as an API', UserWarning, 'mmengine.utils.package_utils'),
    # Of a sparse matrix that is right by construction.
    ('Sparse CSR tensor support is in beta state', UserWarning, 'mmlens.attribution.deformable'),
    ('Sparse invariant checks are implicitly disabled', UserWarning, 'mmlens.attribution.deformable'),
)
# Modules of onedl-* that print, while they are imported, that a service of their makers is not installed.
PRINTING = ('mmdet.datasets', 'mmdet.datasets.transforms', 'mmpretrain.datasets', 'mmseg.datasets',
            'mmseg.datasets.transforms')  # fmt: skip
PRINTED = 'Could not import OneDL'


def install() -> None:
    """Leave out the sentences above, from now on. Idempotent.

    The filters stay: to see everything, call ``warnings.resetwarnings()`` after mmlens was first used.
    """
    for message, category, module in WARNINGS:
        # Filters of the same words that are further down are moved to the front, not repeated.
        warnings.filterwarnings('ignore', _literally(message), category, _literally(module) + '$')
    for name in PRINTING:
        around_import(name, _without_the_sentence)


def _literally(text: str) -> str:
    return text.replace('.', r'\.')


@contextlib.contextmanager
def _without_the_sentence(name: str) -> Iterator[None]:
    with contextlib.redirect_stdout(_Without(sys.stdout)):
        yield


class _Without:
    """A stream that leaves out the lines that begin with :data:`PRINTED`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._skipping = False

    def write(self, text: str) -> int:
        # `print` writes a line and its end one after the other.
        for part in text.splitlines(True):
            begins = part.startswith(PRINTED)
            if not begins and not (self._skipping and part == '\n'):
                self._stream.write(part)
            self._skipping = begins and not part.endswith('\n')
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
