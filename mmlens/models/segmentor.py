"""A network that predicts a class for each pixel, and its test pipeline, as one."""

from __future__ import annotations

from typing import Any, Optional

from mmengine.config import Config
from torch import nn

from .kinds import kinds_of, pixel_classes, segments_only
from .network import Network


class Segmentor(Network):
    """A semantic segmentor of mmseg, or a panoptic one of mmdet, with the test pipeline of its config.

    A model that slides a window over the picture is shown the whole picture at once: a layer that runs once for each
    window has no single map.

    Args:
        model: With ``cfg``, and ``dataset_meta`` if the class names are known.
        **options: See :class:`~mmlens.models.network.Network`.

    Raises:
        ModelError: If the model carries no config, or is no model of OpenMMLab.
    """

    family = 'segmentor'
    one_pass = dict(mode='whole')

    def __init__(self, model: nn.Module, cfg: Optional[Config] = None, **options: Any) -> None:
        super().__init__(model, cfg, **options)
        settings = getattr(self.model, 'test_cfg', None) or {}
        if str(settings.get('mode', '')).startswith('slide'):
            self.notes.append(
                f'{self.name} slides a window over the picture when it is tested; here it sees the whole picture at '
                'once.'
            )

    @staticmethod
    def runs(model: nn.Module) -> bool:
        """Whether a model is a segmentor: it inherits from mmseg's, or is one of mmdet's that returns no objects."""
        return Network.runs(model) and ('BaseSegmentor' in kinds_of(model) or segments_only(model))

    @property
    def described(self) -> str:  # type: ignore[override]
        """What it is, for a sentence."""
        return 'a panoptic segmentor' if segments_only(self.model) else 'a semantic segmentor'

    @property
    def num_classes(self) -> Optional[int]:
        """How many classes a pixel may have."""
        return pixel_classes(self.model)
