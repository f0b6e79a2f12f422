"""A pose estimator and its test pipeline, as one."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import numpy as np
from torch import nn

from .geometry import Size
from .kinds import kinds_of
from .network import Network


class PoseEstimator(Network):
    """A model of mmpose with the test pipeline of its config.

    A top-down model is shown the whole picture as the box of one person, and only once, not mirrored a second time
    (``flip_test``): a layer that runs twice has no single map.

    Args:
        model: With ``cfg``, and ``dataset_meta`` if the keypoints are known.
        cfg, dataset_meta: See :class:`~mmlens.models.network.Network`.

    Raises:
        ModelError: If the model carries no config, or is no model of OpenMMLab.
    """

    family = 'pose'
    described = 'a pose estimator'
    one_pass = dict(flip_test=False)

    @staticmethod
    def runs(model: nn.Module) -> bool:
        """Whether a model is a pose estimator: it inherits from mmpose's."""
        return Network.runs(model) and 'BasePoseEstimator' in kinds_of(model)

    @property
    def skeleton(self) -> List[Tuple[int, int]]:
        """Pairs of keypoints to be joined by a line."""
        return [(int(first), int(second)) for first, second in self.dataset_meta.get('skeleton_links') or ()]

    def _keys_for(self, size: Size) -> Dict[str, Any]:
        """The box around the person, and what mmpose's datasets know about keypoints."""
        height, width = size
        box = np.array([[0, 0, width, height]], np.float32)
        return dict(self.dataset_meta, bbox=box, bbox_score=np.ones(1, np.float32))
