"""Opens a saved result of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Tuple, Type, Union

from ..errors import MmlensError
from .boxes import BoxExplanation
from .classes import ClassExplanation
from .comparison import BoxComparison
from .explanation import Saved, read_saved
from .features import FeatureMaps
from .misses import Misses
from .sanity import SanityCheck

_RESULTS: Tuple[Type[Saved], ...] = (
    BoxComparison,
    BoxExplanation,
    ClassExplanation,
    FeatureMaps,
    Misses,
    SanityCheck,
)
_KINDS = {each.kind: each for each in _RESULTS}


def load(path: Union[str, Path]) -> Any:
    """Open what the ``save`` of a result wrote.

    Nothing is unpickled, so files from strangers are safe to open.

    Args:
        path: The ``.npz``.

    Returns:
        A :class:`~mmlens.BoxExplanation`, :class:`~mmlens.BoxComparison`, :class:`~mmlens.ClassExplanation`,
        :class:`~mmlens.FeatureMaps`, :class:`~mmlens.Misses` or :class:`~mmlens.SanityCheck`, equal to the one that was
        saved.

    Raises:
        MmlensError: If the file is not there, is damaged, or mmlens did not write it.

    Example:
        >>> mmlens.explain_boxes('config.py', 'dog.jpg', checkpoint='weights.pth').save('dog.npz')
        >>> mmlens.load('dog.npz').draw(layout='panels')
    """
    saved = read_saved(path)
    kind = _KINDS.get(str(saved['kind']))
    if kind is None:
        raise MmlensError(f'{path} holds {saved["kind"]}, which this mmlens does not know: upgrade mmlens to open it.')
    return kind.opened(saved, path)
