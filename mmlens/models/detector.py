"""A detector and its test pipeline, as one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, List, Optional, Sequence, Tuple

import torch
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..errors import ModelError
from .instances import instances_in_picture
from .kinds import kinds_of, preprocessor_kinds, segments_only
from .network import Network, fresh_samples
from .predictions import Predictions
from .prepared import Prepared
from .words import reading

Scored = Tuple[Tensor, Tensor]  # scores (N,) and boxes (N, 4)
_PLAIN = {'bboxes', 'scores', 'labels'}


class Detector(Network):
    """A model of mmdet, mmyolo or mmrotate with the test pipeline of its config.

    Args:
        model: As mmdet's ``init_detector`` builds it: with ``cfg``, and ``dataset_meta`` if the
            class names are known.
        cfg, dataset_meta: See :class:`~mmlens.models.network.Network`.

    Raises:
        ModelError: If the model carries no config, or is not a model of OpenMMLab.
    """

    family = 'detector'
    described = 'a detector'
    kind = 'a detector of mmdet or mmyolo; explain a classifier with `explain_classes()`'
    builder = "mmdet's init_detector"

    @staticmethod
    def runs(model: nn.Module) -> bool:
        """Whether a model is a detector: it inherits from mmdet's, or its inputs are prepared as theirs are."""
        alike = 'BaseDetector' in kinds_of(model) or 'DetDataPreprocessor' in preprocessor_kinds(model)
        return Network.runs(model) and alike and not segments_only(model)

    @property
    def num_classes(self) -> Optional[int]:
        """How many classes the last head has; ``None`` where there may be more or fewer names than that.

        That is so where words say what to look for, or surfaces such as sky have names too.
        """
        if hasattr(self.model, 'language_model') or hasattr(self.model, 'semantic_head'):
            return None
        owner = getattr(self.model, 'roi_head', None) or self.model
        head = getattr(owner, 'bbox_head', None)
        head = head[-1] if isinstance(head, nn.ModuleList) and len(head) else head  # one head per stage
        number = getattr(head, 'num_classes', None)
        return number if isinstance(number, int) else None

    def predict(self, prepared: Prepared) -> Predictions:
        """Run the whole detector, post-processing included, in the current grad mode.

        Raises:
            ModelError: If the model returns no upright boxes.
        """
        (sample,) = self.samples(prepared)
        return self.in_picture(prepared, sample)

    def predict_together(self, several: Sequence[Prepared]) -> List[Predictions]:
        """Run the whole detector on several pictures, whose inputs have one size, in one pass.

        Raises:
            ModelError: If the model returns no upright boxes.
        """
        batch = {
            **several[0].batch,
            'inputs': torch.cat([each.batch['inputs'] for each in several]),
            'data_samples': [sample for each in several for sample in fresh_samples(each) or []],
        }
        samples = self.model._run_forward(batch, mode='predict')
        self._check_boxes(samples)
        return [self.in_picture(each, sample) for each, sample in zip(several, samples)]

    def samples(self, prepared: Prepared, copies: int = 1, inputs: Optional[Tensor] = None) -> List[Any]:
        """What the model itself returns for copies of a picture: a data sample each.

        Args:
            prepared: The picture.
            copies: How many.
            inputs: Shape (copies, 3, H, W): other inputs of the same picture. Defaults to its own.

        Raises:
            ModelError: If the model returns no upright boxes.
        """
        inputs = prepared.batch['inputs'].expand(copies, -1, -1, -1) if inputs is None else inputs
        batch = {**prepared.batch, 'inputs': inputs, 'data_samples': fresh_samples(prepared, copies)}
        with reading(self.name, prepared.words):
            samples = self.model._run_forward(batch, mode='predict')
        self._check_boxes(samples)
        return samples

    def _check_boxes(self, samples: Sequence[Any]) -> None:
        for sample in samples:
            found = getattr(sample, 'pred_instances', None)
            if found is None or 'bboxes' not in found or 'scores' not in found:
                raise ModelError(
                    f'{self.name} returns no boxes with scores, and box maps need both: use `feature_maps()` for it.'
                )
            if found.bboxes.shape[-1] != 4:
                raise ModelError(
                    f'{self.name} returns rotated boxes: box maps need upright ones; `feature_maps()` draws them.'
                )

    def in_picture(self, prepared: Prepared, sample: Any, positions: Optional[Tensor] = None) -> Predictions:
        """Put the boxes that the model returned into picture coordinates.

        Args:
            prepared: The picture.
            sample: One of :meth:`samples`.
            positions: Which detections, in which order. Defaults to all whose numbers are finite, by falling score.
        """
        found = instances_in_picture(prepared, sample, positions)
        assert found is not None  # samples() has seen the boxes
        return found

    def each_in_picture(self, prepared: Prepared, samples: Sequence[Any], positions: Sequence[Tensor]) -> List[Scored]:
        """Scores (N,) and boxes (N, 4) of some detections of each of several copies, in picture coordinates.

        Args:
            prepared: The picture.
            samples: What the model returned for the copies.
            positions: Which N detections of each, in which order.
        """
        own = [sample.pred_instances for sample in samples]
        if len(own) == 1 or any(set(each.keys()) - _PLAIN or not isinstance(each.bboxes, Tensor) for each in own):
            found = [self.in_picture(prepared, *each) for each in zip(samples, positions)]
            return [(each.scores, each.boxes) for each in found]
        # The way into the picture is that of all copies: they go it together.
        together = InstanceData(
            bboxes=torch.cat([each.bboxes[at] for each, at in zip(own, positions)]),
            scores=torch.cat([each.scores[at] for each, at in zip(own, positions)]),
        )
        sample = SimpleNamespace(pred_instances=together, metainfo=samples[0].metainfo)
        everything = torch.arange(len(together.scores), device=together.scores.device)
        whole = self.in_picture(prepared, sample, everything)
        counts = [len(at) for at in positions]
        return list(zip(whole.scores.split(counts), whole.boxes.split(counts)))
