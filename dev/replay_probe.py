"""Compares replay with running the whole of one detector and prints what it found as JSON; run by replay_table.py.

python dev/replay_probe.py '{"detector": "FCOS", "config": "mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py"}'
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import support_probe

COPIES = 3  # in the batch of altered outputs
BOXES = 5  # to be followed
STRENGTHS = (2.0, 10.0, 50.0, 250.0)
ROUNDS = 3  # of a whole pass and an altered one, in turn
NEAR = {'boxes': 0.05, 'scores': 1e-4}  # pixels of the picture, and probability


@dataclass
class Case:
    """A detector to try.

    Attributes:
        detector: What people call it.
        config: Its config; without a checkpoint, pictures are shrunk and thresholds set to 0.
        checkpoint: Its weights. Defaults to random ones.
        picture: File. Defaults to a synthetic one.
        layers: What to tap.
        options: See :class:`support_probe.Entry`.
    """

    detector: str
    config: str
    checkpoint: str = ''
    picture: str = ''
    layers: Tuple[str, ...] = ('neck', 'backbone.layer3')
    options: Dict[str, Any] = field(default_factory=dict)


@dataclass
class Row:
    """The outcome of altering one level.

    Attributes:
        detector: What people call it.
        layer: The layer.
        level: Which of its levels.
        shape: Shape of what the layer returned there.
        compared: How many detections were compared.
        differ: Whether they differ from those of the unaltered picture; else the comparison shows nothing.
        identical: Whether replay gives, bit for bit, what the whole detector with the altered output gives.
        altered_ms: Time of an altered pass.
        whole_ms: Time of a pass of the whole detector.
        batch: What a batch of altered outputs gives, against one at a time.
        followed: Whether boxes are followed by their candidates; else by overlap.
        remark: Why there are no figures.
    """

    detector: str
    layer: str = ''
    level: Optional[int] = None
    shape: Tuple[int, ...] = ()
    compared: int = 0
    differ: Optional[bool] = None
    identical: Optional[bool] = None
    altered_ms: Optional[float] = None
    whole_ms: Optional[float] = None
    batch: str = ''
    followed: Optional[bool] = None
    remark: str = ''

    @property
    def exact(self) -> bool:
        """Whether there was something to compare, and it matched."""
        return bool(self.compared and self.differ and self.identical)


def probe(case: Case) -> List[Row]:
    """Alter every level of every layer, one at a time."""
    from mmlens.attribution.layers import resolve_layer

    detector, prepared = load(case)

    def run(copies: int) -> List[Any]:
        return [sample.pred_instances for sample in detector.samples(prepared, copies)]

    rows = []
    for name in case.layers:
        layer = resolve_layer(detector.model, name)
        found = list(try_layer(detector.model, layer, run, prepared))
        followed = follow(detector, prepared, layer)
        rows += [Row(case.detector, name, *values, followed=by) for values, by in zip(found, followed)]
    return rows


def load(case: Case) -> Tuple[Any, Any]:
    """The detector, and the picture as it sees it."""
    import mmlens

    if case.checkpoint:
        detector = mmlens.load_detector(case.config, case.checkpoint, device='cpu')
    else:
        entry = support_probe.Entry(case.detector, case.config, case.options)
        detector = mmlens.load_detector(support_probe.shrink(entry), device='cpu')
        support_probe.enliven(detector, support_probe.synthetic_picture())
    return detector, detector.prepare(case.picture or support_probe.synthetic_picture())


def try_layer(model: Any, layer: Any, run: Callable[[int], List[Any]], prepared: Any) -> Iterator[Tuple]:
    """A row for each level of a layer."""
    import torch

    from mmlens.attribution.passes.altering import batch_axis
    from mmlens.attribution.passes.replay import Replay
    from mmlens.attribution.restore import evaluating

    taken = []
    with Replay(model, {'layer': layer}, run) as replay:
        (plain,) = replay.record()
        # Levels of one tensor (tokens of several grids) are altered together.
        tensors = {id(level.tensor): level for level in replay.levels(prepared.input_size)}
        for number, level in enumerate(tensors.values()):
            altered = altered_outputs(replay, level, plain)
            times: Tuple[List[float], List[float]] = ([], [])
            for _ in range(ROUNDS):
                timed(times[0], partial(replay, level, altered[0].clone()))
                timed(times[1], partial(swapped, layer, number, altered[0], run))
            singles = [replay(level, one.clone())[0] for one in altered]
            batch = 'not possible'
            if replay.batches:
                batch = likeness(replay(level, torch.cat(altered, batch_axis(level))), singles)
            taken.append((level, altered[0], singles[0], [statistics.median(each) for each in times], batch))
    with evaluating(model), torch.no_grad():  # nothing of Replay is used here
        for number, (level, altered, found, (altered_ms, whole_ms), batch) in enumerate(taken):
            expected = swapped(layer, number, altered, run)
            same, changed = identical(found, expected), not identical(expected, plain)
            shape = tuple(level.tensor.shape)
            yield number, shape, len(expected), changed, same, round(altered_ms, 1), round(whole_ms, 1), batch


def follow(detector: Any, prepared: Any, layer: Any) -> List[bool]:
    """Whether the best boxes are followed by their candidates when each level is altered."""
    from mmlens.attribution.passes.replay import Replay
    from mmlens.attribution.targets import box_measure
    from mmlens.explain.box_runs import BoxRuns

    found = []
    with Replay(detector.model, {'layer': layer}, partial(detector.samples, prepared)) as replay:
        runs = BoxRuns(detector, prepared, replay, {'batch_size': 1, 'memory': None})
        ranks = range(min(BOXES, len(runs.found)))
        runs.choose(ranks, box_measure('score', runs.boxes_of(ranks)))
        for level in {id(level.tensor): level for level in runs.levels}.values():
            runs.by_overlap = False
            runs.at_level(level, different(level.tensor, STRENGTHS[0], 0))
            found.append(not runs.by_overlap)
    return found


def altered_outputs(replay: Any, level: Any, plain: Any) -> List[Any]:
    """Altered outputs of a level: every number scaled at random, strongly enough to change the detections."""
    for strength in STRENGTHS:
        altered = [different(level.tensor, strength, seed) for seed in range(COPIES)]
        if not identical(replay(level, altered[0].clone())[0], plain):
            break
    return altered


def different(tensor: Any, strength: float, seed: int) -> Any:
    """An output with every number scaled by 0 to ``strength``, a third of them by 0."""
    import torch

    random = torch.Generator().manual_seed(seed)
    scale, kept = torch.rand(tensor.shape, generator=random), torch.rand(tensor.shape, generator=random) > 1 / 3
    return tensor * strength * scale.to(tensor) * kept.to(tensor)


def timed(times: List[float], call: Callable[[], Any]) -> None:
    """Call something, and add its milliseconds to a list."""
    started = time.perf_counter()
    call()
    times.append(1000 * (time.perf_counter() - started))


def swapped(layer: Any, number: int, altered: Any, run: Callable[[int], List[Any]]) -> Any:
    """What the whole detector finds if a hook replaces one tensor, by its index, that a layer returns."""
    from mmlens.attribution.trees import map_tensors

    seen = []

    def swap(tensor: Any) -> Any:
        if not tensor.is_floating_point():
            return tensor
        seen.append(tensor)
        return altered.clone() if len(seen) - 1 == number else tensor

    handle = layer.register_forward_hook(lambda module, inputs, output: map_tensors(swap, output))
    try:
        return run(1)[0]
    finally:
        handle.remove()


def parts(found: Any) -> Dict[str, Any]:
    """The tensors of a model's instances, by name."""
    import torch

    values = {name: getattr(value, 'tensor', value) for name, value in found.items()}
    return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


def identical(found: Any, expected: Any) -> bool:
    """Whether everything found is bit-identical: boxes, scores, labels and masks, in the same order."""
    import torch

    ours, theirs = parts(found), parts(expected)
    return ours.keys() == theirs.keys() and all(
        ours[name].shape == theirs[name].shape and torch.equal(ours[name].nan_to_num(), theirs[name].nan_to_num())
        for name in ours
    )


def likeness(together: List[Any], singles: List[Any]) -> str:
    """How the results of a batch compare with those of one at a time."""
    if all(identical(one, single) for one, single in zip(together, singles)):
        return 'identical'
    return 'close' if all(close(one, single) for one, single in zip(together, singles)) else 'other detections'


def close(found: Any, expected: Any) -> bool:
    """Whether scores and boxes are the same up to rounding; equal scores may have swapped places."""
    ours, theirs = parts(found), parts(expected)
    if len(found) != len(expected):
        return False
    scores = bool((ours['scores'].sort().values - theirs['scores'].sort().values).abs().max() <= NEAR['scores'])
    apart = (ours['bboxes'][:, None] - theirs['bboxes'][None]).abs().amax(2)
    return scores and bool((apart.amin(1) <= NEAR['boxes']).all() and (apart.amin(0) <= NEAR['boxes']).all())


def probe_and_print(case: Case) -> None:
    """Write the rows of one detector as the last line on stdout; a failure becomes a remark."""
    import torch

    torch.set_num_threads(1)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            rows = probe(case)
        except Exception as error:  # the table is there to show whatever a detector raises
            rows = [Row(case.detector, remark=support_probe.reason(error))]
    print(json.dumps({'rows': [asdict(row) for row in rows]}))


if __name__ == '__main__':
    probe_and_print(Case(**json.loads(sys.argv[1])))
