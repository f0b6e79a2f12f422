"""The words that tell an open-vocabulary network what to look for."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Union

from mmengine.config import Config
from torch import nn

from ..errors import MmlensError, ModelError
from ..pipelines import test_pipeline

Text = Union[str, Sequence[str]]

# Names of the part that reads words: in the model itself or, as in YOLO-World, in its backbone.
_READERS = ('language_model', 'text_model', 'text_encoder', 'text_backbone')
# What test pipelines pack into a sample for such a network.
_KEYS = {'text', 'texts'}


def needs_words(model: nn.Module, cfg: Config) -> bool:
    """Whether a network must be told in words what to look for: it has a part that reads words, and no fixed classes.

    Args:
        model: The network.
        cfg: Its whole config: a test pipeline that packs ``text`` also says so.
    """
    if getattr(model, 'prototype', None) is not None or getattr(model, 'text_prototype', None) is not None:
        return False  # mmpretrain's zero-shot classifiers carry their words
    parts = (model, getattr(model, 'backbone', None))
    if any(isinstance(getattr(part, reader, None), nn.Module) for part in parts for reader in _READERS):
        return True
    steps = test_pipeline(cfg)
    return any(_KEYS & set(step.get('meta_keys') or ()) for step in steps)


@dataclass(frozen=True)
class Words:
    """What to look for.

    Attributes:
        text: One text, such as ``'a dog. a bicycle.'``, or a name for each class.
        custom_entities: Whether each part between two full stops is a class name as it stands; otherwise models such
            as GLIP look for nouns in the text.
    """

    text: Text
    custom_entities: Optional[bool] = None

    @property
    def names(self) -> List[str]:
        """The parts of the text: the class names, unless the model finds its own."""
        if not isinstance(self.text, str):
            return [str(name) for name in self.text]
        parts = re.split(r'\.(?:\s+|$)', self.text)
        parts = parts if len([part for part in parts if part.strip()]) > 1 else re.split(r'[.,](?:\s+|$)', self.text)
        return [part.strip() for part in parts if part.strip()]

    @property
    def keys(self) -> Dict[str, Any]:
        """What the pipeline and the data sample must hold for GLIP, Grounding DINO and YOLO-World."""
        text = self.text if isinstance(self.text, str) else tuple(self.text)
        # YOLO-World takes the synonyms of each class, and a blank for the background.
        texts = [[name] for name in self.names] + [[' ']]
        return dict(text=text, custom_entities=bool(self.custom_entities), texts=texts)


def check_words(name: str, needed: bool, text: Optional[Text], custom_entities: Optional[bool]) -> Optional[Words]:
    """Check the words for a network: it must be given some if, and only if, it reads words.

    Args:
        name: Of the network, for the sentence.
        needed: Whether it reads words.
        text, custom_entities: What the user gave.

    Raises:
        MmlensError: If words are missing, or given to a network that reads none.
    """
    given = text if isinstance(text, str) else list(text or ())
    if needed and not (given.strip() if isinstance(given, str) else given):
        raise MmlensError(f"{name} is told in words what to look for: give `text='a dog. a bicycle.'`.")
    if not needed and (given or custom_entities is not None):
        raise MmlensError(f'{name} has fixed classes and reads no words: leave out `text` and `custom_entities`.')
    return Words(given if isinstance(given, str) else tuple(given), custom_entities) if needed else None


@contextlib.contextmanager
def reading(name: str, words: Optional[Words]) -> Iterator[None]:
    """Run a model that may look for nouns in its text, for which it needs nltk and nltk's data.

    Args:
        name: Of the network, for the sentence.
        words: What it was told; ``None`` for a network that reads no words.

    Raises:
        ModelError: If nltk or its data are missing. Any other error is raised as it is.
    """
    try:
        yield
    except Exception as error:
        lines = [' '.join(line.split()) for line in str(error).splitlines()]
        if words is None or words.custom_entities or not any('nltk' in line for line in lines):
            raise
        said = next(line for line in lines if any(map(str.isalpha, line))).rstrip('.')
        raise ModelError(
            f'{name} cannot find the nouns in the text: {said}; with `custom_entities=True` each part between two full '
            'stops is taken as the name of a class.'
        ) from error
