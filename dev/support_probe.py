"""Tries one box map on one detector and prints what it found as a line of JSON; run by support_table.py.

python dev/support_probe.py '{"detector": "RetinaNet", "config": "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"}'
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Iterator, Optional, Tuple

SIDE = 320  # pixels: pictures are scaled to this, so that a config takes seconds
THRESHOLDS = ('score_thr', 'conf_thr', 'filter_thr')
MOST = {'nms_pre': 300, 'max_per_img': 100}  # candidates and boxes
BOXES = 2
TOLERANCE = 1e-5


@dataclass
class Row:
    """What one config did.

    Attributes:
        detector: What people call it.
        config: Its name, as mmlens takes it.
        layer: The default layers that were tapped.
        gradient: Whether the gradient at the neck, or the backbone, is non-zero for every box explained.
        box_map: Whether there are maps, and every one is finite and not blank.
        same: Whether the boxes, labels and scores are those of mmdet's ``inference_detector``.
        unchanged: Whether the model was given back as it was.
        seconds: Time of ``explain_boxes``, for as many boxes as were explained.
        remark: Why something is wrong, or what was changed to make it run.
    """

    detector: str
    config: str
    layer: str = ''
    gradient: Optional[bool] = None
    box_map: Optional[bool] = None
    same: Optional[bool] = None
    unchanged: Optional[bool] = None
    seconds: Optional[float] = None
    remark: str = ''

    @property
    def works(self) -> bool:
        """Whether everything holds."""
        return bool(self.gradient and self.box_map and self.same and self.unchanged)


@dataclass
class Entry:
    """A config to try.

    Attributes:
        detector: What people call it.
        config: Its name.
        options: Values to override on top of :func:`shrink`; random weights would find nothing otherwise.
    """

    detector: str
    config: str
    options: Dict[str, Any] = field(default_factory=dict)


def probe(entry: Entry) -> Row:
    """Explain the best boxes of a detector with random weights on a synthetic picture."""
    import mmlens

    row = Row(entry.detector, entry.config)
    detector = mmlens.load_detector(shrink(entry), device='cpu')
    picture = synthetic_picture()
    enliven(detector, picture)
    expected = plain_detections(detector.model, picture)
    scramble(detector.model)
    before = fingerprint(detector.model)
    started = time.perf_counter()
    found = mmlens.explain_boxes(detector, picture, score_thr=0.0, topk=BOXES)
    row.seconds = round(time.perf_counter() - started, 1)
    row.layer = ', '.join(f'`{layer}`' for layer in found.layers)
    changed = [name for name, value in fingerprint(detector.model).items() if value != before[name]]
    row.unchanged = not changed
    row.same = same_detections(found, expected)
    row.box_map = bool(len(found)) and all(not box.blank and is_finite(box.raw) for box in found)
    row.gradient = bool(len(found)) and gradient_arrives(detector, picture)
    row.remark = ' '.join(found.notes)
    if changed:
        row.remark += f' Not given back as they were: {", ".join(changed)}.'
    if not row.same:
        row.remark += f' The detections are not those without mmlens: {expected[1]} expected for scores.'
    return row


def shrink(entry: Entry) -> Any:
    """The config with small pictures, no thresholds, few candidates and nothing to download."""
    from mmlens.models.loading import read_config

    cfg = read_config(entry.config)
    cfg.load_from = None
    scale_pictures(cfg, SIDE)
    for model in dicts_in(cfg.model):
        for node in dicts_in(model.get('test_cfg') or {}):
            node.update({key: 0.0 for key in THRESHOLDS if key in node})
            node.update({key: min(node[key], most) for key, most in MOST.items() if node.get(key, 0) > 0})
    cfg.merge_from_dict(entry.options)
    return cfg


def scale_pictures(cfg: Any, side: int) -> None:
    """Make a config's test pipelines produce square inputs of ``side`` pixels."""
    for key in ('test_dataloader', 'test_pipeline'):
        for node in dicts_in(cfg.get(key) or {}):
            small = {'scale': (side, side), 'img_scale': (side, side)}
            if str(node.get('type')).endswith('Pad'):
                small['size'] = (side, side)
            node.update({key: value for key, value in small.items() if isinstance(node.get(key), (tuple, list))})


def dicts_in(node: Any) -> Iterator[Dict[str, Any]]:
    """Every dict in nested dicts and lists, outer ones first."""
    if isinstance(node, dict):
        yield node
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, (list, tuple)) else ():
        yield from dicts_in(value)


def synthetic_picture() -> Any:
    """Coloured squares with a little noise: (240, 320, 3), uint8."""
    import numpy as np

    numbers = np.random.RandomState(0)
    squares = numbers.randint(0, 200, (6, 8, 3)).repeat(40, 0).repeat(40, 1)
    return (squares + numbers.randint(0, 50, squares.shape)).astype(np.uint8)


def enliven(detector: Any, picture: Any) -> None:
    """Make random weights pass signals on as trained ones do.

    Layers that begin as a constant (the last of many heads: their gradient is zero) get random
    weights; batch norms get the statistics of the picture, which keeps deep nets from fading out.
    """
    import torch

    model, generator = detector.model, torch.Generator().manual_seed(0)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad(), contextlib.ExitStack() as hooks:
        for parameter in model.parameters():
            if parameter.ndim > 1 and (parameter == parameter.flatten()[0]).all():
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
        for norm in norms:
            hooks.callback(norm.register_forward_pre_hook(settle).remove)
        detector.predict(detector.prepare(picture))


def settle(norm: Any, inputs: Tuple[Any, ...]) -> None:
    """Give a batch norm the statistics of its input, unless that is only a handful of numbers."""
    (values,) = inputs
    if values[:, 0].numel() > 8:
        norm.running_mean.copy_(values.mean((0, 2, 3)))
        norm.running_var.copy_(values.var((0, 2, 3)))


def plain_detections(model: Any, picture: Any) -> Tuple[Any, Any, Any]:
    """Boxes, scores and labels of mmdet's own function, best first."""
    from mmdet.apis import inference_detector
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope(model.cfg.get('default_scope', 'mmdet')):
        found = inference_detector(model, picture).pred_instances
    boxes = getattr(found.bboxes, 'tensor', found.bboxes)
    finite = boxes.isfinite().all(1) & found.scores.isfinite()
    order = found.scores.argsort(descending=True, stable=True)
    order = order[finite[order]][:BOXES]
    return tuple(values[order].numpy() for values in (boxes, found.scores, found.labels))


def same_detections(found: Any, expected: Tuple[Any, Any, Any]) -> bool:
    """Whether the boxes that were explained are those that the model finds without mmlens."""
    import numpy as np

    boxes, scores, labels = expected
    if len(found) != len(boxes):
        return False
    arrays = found.arrays()
    # Detectors that predict masks only return boxes without extent; mmlens takes those of the masks.
    upright = boxes if (boxes[:, 2:] > boxes[:, :2]).any() else arrays['boxes']
    close = dict(rtol=TOLERANCE, atol=TOLERANCE * SIDE)
    return bool(
        np.allclose(arrays['boxes'], upright, **close)
        and np.allclose(arrays['scores'], scores, rtol=TOLERANCE)
        and (arrays['labels'] == labels).all()
    )


def gradient_arrives(detector: Any, picture: Any) -> bool:
    """Whether the neck, or the backbone, receives a finite, non-zero gradient from every box's score."""
    import mmlens

    @mmlens.register_method('support_gradient', shows='where the gradient is not zero')
    def gradient_size(activation: Any, gradient: Any, spatial: bool) -> Any:
        return gradient.abs().sum(1) / gradient.abs().max()

    found = mmlens.explain_boxes(detector, picture, score_thr=0.0, topk=BOXES, method='support_gradient')
    return all(not box.blank for box in found)


def is_finite(values: Any) -> bool:
    """Whether an array holds neither infinity nor NaN."""
    import numpy as np

    return bool(np.isfinite(values).all())


def scramble(model: Any) -> None:
    """Set flags, gradients and random states to values that nothing would restore by accident."""
    import numpy as np
    import torch

    for number, module in enumerate(model.modules()):
        module.training = number % 3 == 0
    for number, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(number % 2 == 0)
        parameter.grad = torch.full_like(parameter, 0.5) if number % 5 == 0 else None
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)


HOOKS = ('_forward_hooks', '_forward_pre_hooks', '_backward_hooks', '_backward_pre_hooks', '_state_dict_hooks')


def fingerprint(model: Any) -> Dict[str, Any]:
    """Everything that must be the same afterwards, by name."""
    import numpy as np
    import torch

    modules, parameters = list(model.modules()), list(model.parameters())
    return {
        'modules': [id(module) for module in modules],
        'hooks': [list(getattr(module, name)) for module in modules for name in HOOKS],
        'training': [module.training for module in modules],
        'requires_grad': [parameter.requires_grad for parameter in parameters],
        'grad': [None if p.grad is None else (id(p.grad), bits(p.grad)) for p in parameters],
        'parameters': [(id(p), bits(p)) for p in parameters],
        'buffers': [(name, id(b), bits(b)) for name, b in model.named_buffers()],
        'random states': [
            repr(random.getstate()),
            repr([bits(part) if isinstance(part, np.ndarray) else part for part in np.random.get_state()]),
            bits(torch.get_rng_state()),
        ],
        'grad mode': torch.is_grad_enabled(),
    }


def bits(values: Any) -> str:
    """Hash of a tensor's or an array's bytes."""
    array = values.detach().cpu().numpy() if hasattr(values, 'detach') else values
    return hashlib.sha256(array.tobytes()).hexdigest()


def probe_and_print(entry: Entry) -> None:
    """Write the row of one config as the last line on stdout; a failure becomes its remark."""
    with contextlib.redirect_stdout(sys.stderr):
        try:
            row = probe(entry)
        except Exception as error:  # the table is there to show whatever a detector raises
            row = Row(entry.detector, entry.config, box_map=False, remark=reason(error))
    print(json.dumps(asdict(row)))


def reason(error: BaseException) -> str:
    """One line for an error: our own sentence, else its class and first line."""
    import mmlens
    from mmlens import compat

    first = (str(error).strip().splitlines() or [''])[0].replace(f'{sys.prefix}/', '')  # no paths of this machine
    return (
        first if isinstance(error, (mmlens.MmlensError, compat.DependencyError)) else f'{type(error).__name__}: {first}'
    )


if __name__ == '__main__':
    probe_and_print(Entry(**json.loads(sys.argv[1])))
