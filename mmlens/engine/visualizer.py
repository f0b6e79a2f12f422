"""A visualizer for data samples that carry maps."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import cv2
import mmcv
import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.dist import master_only
from mmengine.structures import InstanceData

from ..registry import VISUALIZERS
from ..rendering.truth import put_truth_beside
from ..results.boxes import BoxExplanation, BoxMap


def sample_with_maps(explanation: BoxExplanation) -> DetDataSample:
    """Make a data sample from what :func:`mmlens.explain_boxes` returned, for :class:`BoxAMVisualizer`.

    Returns:
        A sample whose ``pred_instances`` have, besides ``bboxes``, ``scores`` and ``labels``, ``box_maps`` of shape
        (N, H, W), float32 in [0, 1], on the picture's grid.
    """
    arrays = explanation.arrays()
    instances = InstanceData(
        bboxes=torch.from_numpy(arrays['boxes']),
        scores=torch.from_numpy(arrays['scores']),
        labels=torch.from_numpy(arrays['labels']),
        box_maps=torch.from_numpy(arrays['normalised']),
    )
    meta = {name: getattr(explanation, name) for name in ('method', 'layers', 'target', 'fusion')}
    return DetDataSample(pred_instances=instances, metainfo=meta)


@VISUALIZERS.register_module()
class BoxAMVisualizer(DetLocalVisualizer):
    """Draws each detection over its evidence, if a data sample carries it; others as mmdet does.

    A sample carries maps if its ``pred_instances`` have ``box_maps``, as those of :func:`sample_with_maps` do.

    Args:
        layout, colormap, map_alpha: See :func:`mmlens.rendering.draw_box_maps`.
        **options: Those of mmdet's ``DetLocalVisualizer``.

    Example:
        >>> visualizer = dict(type='mmlens.BoxAMVisualizer', vis_backends=[dict(type='TensorboardVisBackend')])
    """

    def __init__(
        self,
        name: str = 'visualizer',
        *args: Any,
        layout: str = 'overlay',
        colormap: Optional[str] = None,
        map_alpha: Optional[float] = None,
        **options: Any,
    ) -> None:
        super().__init__(name, *args, **options)
        self.map_drawing: Dict[str, Any] = dict(layout=layout, colormap=colormap, alpha=map_alpha)

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: Optional[DetDataSample] = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: Optional[str] = None,
        pred_score_thr: float = 0.3,
        step: int = 0,
    ) -> None:
        """Draw a data sample and hand it to all backends; the arguments are those of mmdet's visualizer.

        Args:
            name: The tag.
            image: Shape (H, W, 3), uint8, RGB.
            data_sample: Its ground truth, if it has any, is drawn next to it.
            draw_gt, draw_pred, show, wait_time, pred_score_thr, step: As mmdet's.
            out_file: Written instead of handing the drawing to the backends.
        """
        if not draw_pred or 'box_maps' not in getattr(data_sample, 'pred_instances', ()):
            super().add_datasample(
                name, image, data_sample, draw_gt, draw_pred, show, wait_time, out_file, pred_score_thr, step
            )
            return
        drawn = self._draw_maps(image, data_sample, pred_score_thr, draw_gt)
        self.set_image(drawn)
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is not None:
            mmcv.imwrite(drawn[..., ::-1], out_file)
        else:
            self.add_image(name, drawn, step)

    def _draw_maps(self, image: np.ndarray, sample: Any, score_thr: float, draw_gt: bool) -> np.ndarray:
        picture = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        found = sample.pred_instances.cpu().numpy()
        order = [int(rank) for rank in np.argsort(-found.scores, kind='stable') if found.scores[rank] >= score_thr]
        boxes = [
            BoxMap(
                index=place,
                box=found.bboxes[rank],
                label=int(found.labels[rank]),
                class_name=self._class_name(int(found.labels[rank])),
                score=float(found.scores[rank]),
                raw=found.box_maps[rank],
                normalised=found.box_maps[rank],
                blank=None if found.box_maps[rank].any() else 'it is empty',
            )
            for place, rank in enumerate(order)
        ]
        meta = sample.metainfo
        words = {name: meta.get(name, '') for name in ('method', 'target', 'fusion')}
        explanation = BoxExplanation(picture, boxes, tuple(meta.get('layers', ())), **words)
        drawing = explanation.drawing(**self.map_drawing)
        if draw_gt and 'gt_instances' in sample:
            truth = sample.gt_instances.cpu()
            edges = getattr(truth.bboxes, 'tensor', truth.bboxes).numpy()
            labels: List[int] = truth.labels.tolist()
            names = [self._class_name(label) for label in labels]
            drawing = put_truth_beside(drawing, picture, edges, labels, names)
        return cv2.cvtColor(drawing.image, cv2.COLOR_BGR2RGB)

    def _class_name(self, label: int) -> str:
        classes = (self.dataset_meta or {}).get('classes') or ()
        return str(classes[label]) if 0 <= label < len(classes) else str(label)
