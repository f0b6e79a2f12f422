"""A model and the test pipeline of its config, as one: what detectors and classifiers have in common."""

from __future__ import annotations

import difflib
import warnings
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np
from mmengine.config import Config
from torch import nn

from ..errors import MmlensError, MmlensWarning, ModelError
from .geometry import Geometry
from .inputs import Picture, TestPipeline


@dataclass
class Prepared:
    """One picture as the network sees it.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR.
        batch: What the data preprocessor returned: a batch of one.
        geometry: Where the input lies in the picture.
    """

    picture: np.ndarray
    batch: Any
    geometry: Geometry

    @property
    def input_size(self) -> Tuple[int, int]:
        """``(height, width)`` of the input."""
        return self.geometry.input_size


class Network:
    """A model with the test pipeline of its config.

    Args:
        model: With ``cfg``, and ``dataset_meta`` if the class names are known.
        cfg: The whole config, for a model that does not carry it.
        dataset_meta: Likewise; its ``classes`` are the class names.

    Raises:
        ModelError: If there is no config, or the model is not of the kind that the subclass runs.
    """

    kind = 'a model of OpenMMLab'
    builder = 'the function of its library that loads models'

    def __init__(
        self, model: nn.Module, cfg: Optional[Config] = None, dataset_meta: Optional[Dict[str, Any]] = None
    ) -> None:
        model = getattr(model, 'module', model)  # DataParallel and its kin
        cfg = getattr(model, 'cfg', None) if cfg is None else cfg
        if cfg is None:
            raise ModelError(f'The model carries no config: build it with {self.builder}, or set model.cfg.')
        if not self.runs(model):
            raise ModelError(f'{type(model).__name__} is not {self.kind}.')
        self.model: Any = model
        self.cfg = cfg
        self.pipeline = TestPipeline(cfg)
        classes = (dataset_meta or getattr(model, 'dataset_meta', None) or {}).get('classes') or []
        self.class_names: List[str] = self._checked([classes] if isinstance(classes, str) else list(classes))

    def _checked(self, names: List[str]) -> List[str]:
        """The class names if there are as many as classes; else they are of another set, and numbers tell more."""
        number = self.num_classes
        if not names or number is None or len(names) == number:
            return names
        warnings.warn(
            f'The model tells {number} classes apart, and its data set has {len(names)} names: classes are named by '
            'number.',
            MmlensWarning,
            stacklevel=3,
        )
        return []

    @property
    def num_classes(self) -> Optional[int]:
        """How many classes the head tells apart; ``None`` where that cannot be read off it."""
        return None

    @property
    def extra_tokens(self) -> Optional[int]:
        """How many tokens the backbone puts before those of the picture; ``None`` if it has no tokens of its own."""
        return None

    @staticmethod
    def runs(model: nn.Module) -> bool:
        """Whether a model is of the kind that this class runs."""
        return hasattr(model, 'data_preprocessor') and hasattr(model, '_run_forward')

    def class_name(self, label: int) -> str:
        """Name of a class, or its index as text."""
        return str(self.class_names[label]) if 0 <= label < len(self.class_names) else str(label)

    def class_indexes(self, classes: Optional[Union[str, int, Sequence[Union[str, int]]]]) -> Optional[List[int]]:
        """Find classes by name, one of its synonyms, or index; ``None`` stays ``None``.

        Raises:
            MmlensError: If the model knows no such class, or several; the message names near ones.
        """
        if classes is None:
            return None
        known = self.class_names
        indexes = []
        for wanted in classes if isinstance(classes, Iterable) and not isinstance(classes, str) else [classes]:
            exactly = [index for index, name in enumerate(known) if name == wanted]
            # ImageNet's names are lists of synonyms: 'tabby, tabby cat'. Some stand in several of them.
            called_so = [index for index, name in enumerate(known) if wanted in name.split(', ')]
            called_so = exactly or called_so
            if len(called_so) == 1:
                indexes.append(called_so[0])
            elif called_so:
                which = ', '.join(f'{index} ({known[index]})' for index in called_so)
                raise MmlensError(f"Several classes are called '{wanted}': {which}; name one by its number.")
            elif str(wanted).isdecimal() and (not known or int(wanted) < len(known)):
                indexes.append(int(wanted))
            else:
                near = difflib.get_close_matches(str(wanted), known, n=3) or known[:8]
                raise MmlensError(f"The model knows no class '{wanted}': it knows {', '.join(near)}, ...")
        return indexes

    def prepare(self, picture: Picture, **extra: Any) -> Prepared:
        """Put a picture through the test pipeline and the data preprocessor.

        Args:
            picture: File name, or (H, W, 3) uint8 BGR.
            **extra: More keys for the pipeline, such as ``batch_shape``.

        Raises:
            PictureError: If it cannot be read.
        """
        sample = self.pipeline(picture, **extra)
        packed = {key: [value] for key, value in sample.packed.items()}
        batch = self.model.data_preprocessor(packed, False)
        height, width = batch['inputs'].shape[-2:]
        return Prepared(sample.picture, batch, sample.geometry((height, width)))

    def run(self, prepared: Prepared) -> Any:
        """Run the whole model once, in the current grad mode."""
        raise NotImplementedError
