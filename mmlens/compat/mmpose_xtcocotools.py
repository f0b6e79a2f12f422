"""Let mmpose be imported with pycocotools in place of xtcocotools.

Reason: mmpose imports xtcocotools, a fork of pycocotools with more measures for evaluating, as soon as its models are
built. Its wheels were compiled for numpy 1 and fail beside numpy 2; elsewhere it has to be compiled. Nothing of it runs
when a model predicts. Delete when mmpose takes pycocotools, or xtcocotools has wheels for numpy 2.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from typing import Iterator

from mmlens.compat.import_hooks import around_import

PARTS = ('', '.mask', '.coco', '.cocoeval')


def install() -> None:
    """Put pycocotools where mmpose looks for an xtcocotools that cannot be imported, when mmpose is. Idempotent."""
    around_import('mmpose', _with_cocotools)


@contextmanager
def _with_cocotools(name: str) -> Iterator[None]:
    try:
        for part in PARTS:
            importlib.import_module(f'xtcocotools{part}')
    except (ImportError, ValueError):  # numpy says of another binary interface that it is a ValueError
        for part in PARTS:
            sys.modules[f'xtcocotools{part}'] = importlib.import_module(f'pycocotools{part}')
    yield
