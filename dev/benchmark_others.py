"""Other ways of making box maps, measured by benchmark_cell.py.

By pytorch-grad-cam and by MMYOLO, used as their own documentation does; by gradients of all boxes at once; and by
backward passes that visit every cell.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
import math
from functools import partial
from typing import Any, Dict, List, Optional, Tuple
from unittest import mock

import torch
import torchvision
from benchmark_detectors import Subject
from benchmark_rows import Cell
from benchmark_runs import Clock, Outcome, Run, mmlens_run
from torch import Tensor, nn

from mmlens.attribution import windows
from mmlens.attribution.fusion import LevelMap, add_levels
from mmlens.attribution.gradcam_engine import borrowed
from mmlens.attribution.graph import live_graph
from mmlens.attribution.tap import Tap
from mmlens.attribution.targets import score_logit

BATCH = 8  # altered passes at a time


class OutOfTime(Exception):
    """The budget is spent."""


class AsTorchvision(nn.Module):
    """A detector of OpenMMLab that takes tensors and returns what those of torchvision do.

    Attributes:
        clock: Told the number of inputs it was run on; ``None`` if nothing counts them.

    Args:
        detector: The detector.
        samples: What its data preprocessor returned along with the input, for one picture.
    """

    def __init__(self, detector: Any, samples: Any) -> None:
        super().__init__()
        self.model = detector.model
        self._samples = samples
        self.clock: Optional[Clock] = None

    def forward(self, inputs: Tensor) -> List[Dict[str, Tensor]]:
        """Run on inputs (B, 3, H, W); one dictionary of boxes, labels and scores each."""
        samples = [copy.deepcopy(self._samples[0]) for _ in inputs]
        found = self.model._run_forward({'inputs': inputs, 'data_samples': samples}, mode='predict')
        if self.clock is not None and not self.clock.see(self.clock.passes + len(inputs)):
            raise OutOfTime
        return [self._as_dict(sample.pred_instances) for sample in found]

    @staticmethod
    def _as_dict(found: Any) -> Dict[str, Tensor]:
        return {
            'boxes': getattr(found.bboxes, 'tensor', found.bboxes),
            'labels': found.labels,
            'scores': found.scores,
        }


def gradcam_run(subject: Subject, cell: Cell, name: str, kept: Optional[List[Any]] = None) -> Run:
    """A method of pytorch-grad-cam on each box: its target adds score and IoU of the best match of the class.

    GradCAM takes tensors, not tuples of them, so it looks at the modules that make the neck's levels; AblationCAM
    looks at the neck, whose levels are enlarged to one size and joined. Maps go into ``kept``.
    """
    import pytorch_grad_cam

    detector, cam_class = subject.detector, getattr(pytorch_grad_cam, name)
    neck, ablates = detector.model.neck, name == 'AblationCAM'
    layers = [neck] if ablates else [module for module in level_modules(subject) if module is not None]
    options: Dict[str, Any] = {}
    if ablates:
        options = dict(
            reshape_transform=join_levels,
            ablation_layer=neck_ablation(),
            batch_size=BATCH,
            ratio_channels_to_ablate=cell.ratio,
        )

    def run(deadline: float) -> Outcome:
        prepared = detector.prepare(subject.picture)
        wrapped = AsTorchvision(detector, prepared.batch['data_samples'])
        inputs = prepared.batch['inputs']
        with torch.no_grad():
            (found,) = wrapped(inputs)
        best = found['scores'].argsort(descending=True)[: cell.boxes].tolist()
        # Each box takes a pass for the activations, and one for the score where channels are ablated.
        each = 2 + ablated(channels_of(neck, wrapped, inputs), cell.ratio) if ablates else 1
        with borrowed(detector.model), contextlib.suppress(OutOfTime), cam_class(wrapped, layers, **options) as cam:
            clock = wrapped.clock = Clock(deadline)
            for number in best:
                target = partial(best_match, found['boxes'][number], found['labels'][number])
                maps = cam(input_tensor=inputs, targets=[target])
                if kept is not None:
                    kept.extend(maps)
        return Outcome(len(best), len(best), clock.passes, each * len(best), clock.pace)

    return run


def best_match(box: Tensor, label: Tensor, found: Dict[str, Tensor]) -> Tensor:
    """Score plus overlap of the best match of a box (4,) within its class; 0 if none overlaps by half.

    The package's own target looks for the best match of any class, and is 0 where one box got two classes.
    """
    same = found['labels'] == label
    overlaps = torchvision.ops.box_iou(box[None], found['boxes'][same])[0]
    if not len(overlaps) or overlaps.max() <= 0.5:
        return found['scores'].new_zeros(1)
    best = overlaps.argmax()
    return (overlaps[best] + found['scores'][same][best])[None]


def ablated(channels: int, ratio: float) -> int:
    """How many channels pytorch-grad-cam ablates: it takes the share that it is given of the best and of the worst."""
    return channels if ratio == 1 else 2 * int(channels * ratio)


def channels_of(neck: nn.Module, wrapped: AsTorchvision, inputs: Tensor) -> int:
    """How many channels all levels of the neck have."""
    channels: List[int] = []
    handle = neck.register_forward_hook(lambda module, args, output: channels.extend(x.shape[1] for x in output))
    with torch.no_grad():
        wrapped(inputs)
    handle.remove()
    return sum(channels)


def level_modules(subject: Subject) -> List[Any]:
    """For each level of the neck, the outermost module within it that returned it; ``None`` if none did."""
    detector, kept, made = subject.detector, [], {}
    levels: List[Tensor] = []

    def note(module: nn.Module, args: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            kept.append(output)  # alive, or another tensor could get its id
            made[id(output)] = module

    neck = detector.model.neck
    with contextlib.ExitStack() as hooks, torch.no_grad():
        for module in neck.modules():
            if module is not neck:
                hooks.callback(module.register_forward_hook(note).remove)
        hooks.callback(neck.register_forward_hook(lambda module, args, output: levels.extend(output)).remove)
        detector.predict(detector.prepare(subject.picture))
    return [made.get(id(level)) for level in levels]


def join_levels(levels: Tuple[Tensor, ...]) -> Tensor:
    """Levels as one map (B, sum of C, h, w) of the largest level's size."""
    size = levels[0].shape[-2:]
    return torch.cat([nn.functional.interpolate(level.abs(), size, mode='bilinear') for level in levels], 1)


def neck_ablation() -> Any:
    """pytorch-grad-cam's ablation layer for a tuple of levels."""
    from pytorch_grad_cam.ablation_layer import AblationLayer

    class NeckAblation(AblationLayer):
        def set_next_batch(self, input_batch_index: int, activations: Any, num_channels_to_ablate: int) -> None:
            copies = (num_channels_to_ablate, 1, 1, 1)
            self.activations = [level[input_batch_index, None].repeat(*copies) for level in activations]

        def __call__(self, x: Any) -> Tuple[Tensor, ...]:
            places = [(level, channel) for level in self.activations for channel in range(level.shape[1])]
            for number in range(len(self.activations[0])):
                level, channel = places[int(self.indices[number])]
                level[number, channel] = 0
            return tuple(self.activations)

    return NeckAblation()


def mmyolo_run(subject: Subject, cell: Cell, name: str) -> Run:
    """MMYOLO's box maps, one for all boxes: with gradients at the last level, all it takes; else at the neck."""
    from mmlens import compat

    compat.prepare('mmyolo')
    from mmyolo.utils import boxam_utils
    from pytorch_grad_cam.base_cam import BaseCAM

    if 'use_cuda' not in inspect.signature(BaseCAM).parameters:
        raise RuntimeError(
            "MMYOLO's box maps need a grad-cam before 1.5: install one by pip --target and name the folder."
        )
    ablates = name == 'ablationcam'
    model = timed_wrapper(boxam_utils)(copy.deepcopy(subject.detector.model.cfg), None, 0.0, cell.device or 'cpu')
    model.detector = subject.detector.model
    layers = [model.detector.neck] if ablates else [next(m for m in reversed(level_modules(subject)) if m is not None)]
    extra = dict(batch_size=1, ablation_layer=boxam_utils.DetAblationLayer(), ratio_channels_to_ablate=cell.ratio)
    method = boxam_utils.AblationCAM if ablates else boxam_utils.GradCAM
    reshape = partial(boxam_utils.reshape_transform, max_shape=(-1, -1), is_need_grad=not ablates)
    image = subject.detector.prepare(subject.picture).picture

    def run(deadline: float) -> Outcome:
        model.need_loss(False)
        model.clock = None
        visualizer = boxam_utils.BoxAMDetectorVisualizer(
            method, model, layers, reshape_transform=reshape, is_need_grad=not ablates, extra_params=extra
        )
        model.set_input_data(image)
        found = model()[0].pred_instances[: cell.boxes]
        clock = model.clock = Clock(deadline)
        targets = [boxam_utils.DetBoxScoreTarget(found, device=model.device, ignore_loss_params=['loss_obj'])]
        if not ablates:
            model.need_loss(True)
            model.set_input_data(image, found)
            visualizer.switch_activations_and_grads(model)
        with borrowed(model.detector), contextlib.suppress(OutOfTime):
            visualizer(image, targets=targets)
        visualizer.cam.activations_and_grads.release()
        channels = channels_of(model.detector.neck, *_one_pass(subject))
        whole = 2 + ablated(channels, cell.ratio) if ablates else 1
        return Outcome(len(found), 1, clock.passes, whole, clock.pace)

    return run


def _one_pass(subject: Subject) -> Tuple[AsTorchvision, Tensor]:
    batch = subject.detector.prepare(subject.picture).batch
    return AsTorchvision(subject.detector, batch['data_samples']), batch['inputs']


def timed_wrapper(boxam_utils: Any) -> Any:
    """MMYOLO's wrapper of a detector, which counts its passes and stops when its clock says so."""

    class Timed(boxam_utils.BoxAMDetectorWrapper):  # type: ignore[misc, name-defined]
        clock: Optional[Clock] = None

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            found = super().__call__(*args, **kwargs)
            if self.clock is not None and not self.clock.see(self.clock.passes + 1):
                raise OutOfTime
            return found

    return Timed


class VmappedGraph(live_graph):
    """A live graph whose backward pass never reads values, which ``vmap`` does not allow."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do not intercept what mmlens watches in order to skip zeros."""
        if function in (torch.cat, torch.concat, torch.concatenate, torch.stack, torch.conv2d, nn.functional.linear):
            return function(*args, **(kwargs or {}))
        return super().__torch_function__(function, types, args, kwargs)


def vmap_run(subject: Subject, cell: Cell, name: str) -> Run:
    """The maps that mmlens makes, from one batched backward pass instead of one for each box."""
    from mmlens.attribution.methods import get_method

    detector, method = subject.detector, get_method(name)

    def run(deadline: float) -> Outcome:
        with Tap(detector.model, {'neck': detector.model.neck}) as tap:
            prepared = detector.prepare(subject.picture)
            with VmappedGraph():
                found = detector.predict(prepared)
            scores = torch.stack([score_logit(*one) for one in zip(found.scores[: cell.boxes], found.boxes)])
            levels = tap.levels(prepared.input_size)
            tensors = [level.tensor for level in levels]
            gradients = torch.autograd.grad(
                scores, tensors, torch.eye(len(scores)).to(scores), is_grads_batched=True, allow_unused=True
            )
            for number in range(len(scores)):
                maps = [method(x.activation, g[number], True)[0] for x, g in zip(levels, gradients) if g is not None]
                prepared.geometry.map_to_picture(
                    add_levels([LevelMap.of('neck', each) for each in maps], prepared.input_size).detach().cpu().numpy()
                )
        return Outcome(len(scores), len(scores))

    return run


def whole_run(subject: Subject, cell: Cell, name: str) -> Run:
    """The maps of mmlens by backward passes that visit every cell, whether it has a gradient or not."""
    run = mmlens_run(subject, dataclasses.replace(cell, method=name))

    def whole(deadline: float) -> Outcome:
        with mock.patch.object(windows, 'WORTH_IT', math.inf):
            return run(deadline)

    return whole
