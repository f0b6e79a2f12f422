"""Errors where several processes train one model."""

from __future__ import annotations

import contextlib
from typing import Iterator, Optional

from mmengine.dist import all_gather_object

from ..errors import MmlensError


@contextlib.contextmanager
def alike_everywhere() -> Iterator[None]:
    """Raise an error in every process if one of them does; the others would wait for it forever.

    Raises:
        MmlensError: With the sentence of the process that failed, which raises its own error itself.
    """
    failure: Optional[Exception] = None
    try:
        yield
    except Exception as error:
        failure = error
    sentences = all_gather_object(None if failure is None else str(failure) or type(failure).__name__)
    if failure is not None:
        raise failure
    for sentence in filter(None, sentences):
        raise MmlensError(sentence)
