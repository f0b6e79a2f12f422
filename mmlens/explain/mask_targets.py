"""What is asked of a detector that predicts masks: the mean logit of each mask."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import numpy as np
import torch
from torch import Tensor

from ..attribution.mask_logits import live_masks
from ..attribution.methods import Method, PassMethod
from ..attribution.passes.replay import Replay
from ..attribution.passes.runs import Runs
from ..attribution.tap import Tap
from ..errors import MethodError, MmlensError, ModelError
from ..models.detector import Detector
from ..models.inputs import Picture
from ..models.placement import move_masks, remaining_movement
from .box_targets import BoxTargets, Classes, Select
from .targets import Measured


class MaskTargets(BoxTargets):
    """The masks of some of the detections on a picture.

    Args:
        detector: The detector.
        picture: See :func:`mmlens.explain_boxes`.
        target: ``'mask'``.
        select: Tells the ranks of the detections to explain.
        against: Not for masks.
        region: Shape (H, W), bool, in the picture: the pixels whose mean is taken. Defaults to each predicted mask.
        **words: See :class:`~mmlens.explain.targets.Targets`.

    Raises:
        MmlensError: If something is contrasted, or the region is no mask of bool.
    """

    def __init__(
        self,
        detector: Detector,
        picture: Picture,
        target: str,
        select: Select,
        against: Optional[Classes] = None,
        region: Optional[np.ndarray] = None,
        **words: Any,
    ) -> None:
        super().__init__(detector, picture, 'score', select, **words)
        if against is not None:
            raise MmlensError("`against` contrasts the scores of classes: leave `target` at 'score'.")
        if region is not None and not (
            np.ndim(region) == 2 and np.asarray(region).dtype.kind == 'b' and np.any(region)
        ):
            raise MmlensError('`region` must be a mask (H, W) of bool with at least one pixel.')
        self._target, self._region = target, region
        self._empty: List[bool] = []

    def check(self, method: Method) -> None:
        """See :class:`~mmlens.explain.targets.Targets`."""
        super().check(method)
        if isinstance(method, PassMethod):
            raise MethodError(
                f"Method '{method.name}' follows scores and boxes in altered passes, but no masks: use a method of one "
                "pass, such as evidencecam, or leave `target` at 'score'."
            )

    def scalars(self, tap: Tap) -> List[Tensor]:
        """See :class:`~mmlens.explain.targets.Targets`; 0 without a graph for a mask without a pixel."""
        prepared = self.prepared
        with live_masks() as graph, tap.before_layers(graph.paused):
            (sample,) = self.network.samples(prepared)
            self.found = found = self.network.in_picture(prepared, sample)
        self.ranks = self._select(found)
        masks = sample.pred_instances.get('masks')
        if self.ranks and (not isinstance(masks, Tensor) or masks.ndim != 3):
            raise ModelError(
                f"{self.network.name} predicts no masks: choose another `target`, such as 'score' or 'box'."
            )
        if self.ranks and not graph.known(masks):
            raise ModelError(
                f'What the masks of {self.network.name} are thresholded from cannot be followed: choose another '
                "`target`, such as 'score' or 'box'."
            )
        scalars = [self._mean(graph, masks, sample, rank) for rank in self.ranks]
        self._empty = [scalar is None for scalar in scalars]
        nothing = found.scores.detach().new_zeros(())
        return [nothing if scalar is None else scalar for scalar in scalars]

    def runs(self, replay: Replay, method: Measured, options: Dict[str, Any]) -> Optional[Runs]:
        """See :class:`~mmlens.explain.targets.Targets`.

        Raises:
            MethodError: Always.
        """
        raise MethodError(
            'Noisy copies of the input are followed by scores and boxes, not masks: leave out `smooth_grad`.'
        )

    def _mean(self, graph: live_masks, masks: Tensor, sample: Any, rank: int) -> Optional[Tensor]:
        assert self.found.positions is not None
        number = int(self.found.positions[rank])
        region = masks[number].bool() if self._region is None else self._region_as_returned(masks, sample)
        return graph.mean_logit(masks, number, region)

    def _region_as_returned(self, masks: Tensor, sample: Any) -> Tensor:
        """The region where the model itself puts it, which need not be where it lies in the picture."""
        region = self._region
        assert region is not None
        if region.shape != self.prepared.picture.shape[:2] or region.shape != tuple(masks.shape[1:]):
            height, width = self.prepared.picture.shape[:2]
            raise MmlensError(
                f'`region` is {region.shape[1]} x {region.shape[0]} pixels, and the picture is {width} x {height}: '
                'both must be the same.'
            )
        laid = torch.from_numpy(np.ascontiguousarray(region))
        rest = remaining_movement(self.prepared.geometry, sample.metainfo)
        return laid if rest is None else move_masks(laid[None], np.linalg.inv(rest))[0]

    def why_not_asked(self, position: int) -> Optional[str]:
        """See :class:`~mmlens.explain.targets.Targets`."""
        if not self._empty[position]:
            return None
        what = 'its mask has no pixel' if self._region is None else 'its mask was not predicted in the region'
        return f"{what}; choose another `target`, such as 'score'"
