"""Find the optimizer's settings over a whole training run with the real schedulers and hooks, but no gradients."""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np
from mmengine.config import Config
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop
from torch import nn
from torch.utils.data import DataLoader

from .. import compat
from ..choices import PARAMS
from ..errors import MmlensError, ModelError, noted, reason
from ..models.inputs import default_scope
from ..models.loading import ConfigLike, read_config
from ..models.outline import build_outline
from .dataset import SizedDataset, as_one_of, build_loader, build_training_set, size_with_wrappers
from .groups import combine, label_groups, read_value
from .runner import Rehearsal, has_own_course, is_scheduler_hook, listed_hooks, listed_schedulers
from .schedule import Curve, Schedule
from .strides import fast_forward

# Beyond this many iterations only some are recorded, and steps are taken one by one only where needed.
MOST_POINTS = 50_000
# Each epoch has points of its own, and more of them than this are a slip of the pen.
MOST_EPOCHS = 100_000
# Hooks whose before_train_iter only matters for recorded iterations, and from when on.
_FUNCTIONS_OF_THE_ITERATION = {
    # Its warm-up keeps its last value until the epoch ends; from then on values change by epoch.
    'YOLOv5ParamSchedulerHook': lambda hook: hook._warmup_end,
    'PPYOLOEParamSchedulerHook': lambda hook: True,
    'SimSiamHook': lambda hook: True,
}


@noted
def rehearse(
    config: ConfigLike,
    param: str = 'lr',
    *,
    dataset_size: Optional[int] = None,
    ngpus: int = 1,
    cfg_options: Optional[Dict[str, Any]] = None,
    count_epochs: bool = False,
    most_points: int = MOST_POINTS,
) -> Schedule:
    """Find the value of an optimizer setting in every iteration of a training run.

    The config's own schedulers and hooks are built and driven as mmengine's Runner drives them, with an optimizer
    over parameters that occupy no memory. No weights are created or loaded, and no gradients are computed.

    Args:
        config: See :func:`mmlens.models.loading.read_config`.
        param: ``'lr'`` (default), ``'momentum'`` (for Adam, the first beta) or ``'weight_decay'``.
        dataset_size: Number of pictures in the training set. By default the set is built and asked, if the
            schedule depends on it.
        ngpus: Number of GPUs to train on. Defaults to 1.
        cfg_options: Values to override in the config, by dotted keys. Defaults to ``None``.
        count_epochs: Find the length of an epoch even if the schedule does not depend on it.
            Defaults to ``False``.
        most_points: Up to this many iterations, all are recorded and every step is taken one by one. In longer
            runs every k-th is, plus the first and last of each epoch. Defaults to 50 000.

    Raises:
        MmlensError: If something is wrong with the arguments or the config.

    Example:
        >>> schedule = rehearse('config.py', dataset_size=600)
        >>> [(curve.label, curve.values.max()) for curve in schedule.curves]
        [('biases', 0.1), ('weights, norm weights', 0.01)]
        >>> schedule.save('lr.csv', by='epoch')
    """
    if param not in PARAMS:
        raise MmlensError(f"'{param}' cannot be drawn: choose {', '.join(PARAMS)}.")
    if ngpus < 1 or (dataset_size is not None and dataset_size < 1):
        raise MmlensError('A training needs at least one GPU and one picture.')
    cfg = read_config(config, cfg_options)
    _check_sections(cfg)
    compat.prepare(cfg.get('default_scope') or 'mmdet')
    with default_scope(cfg), _quietly():
        model, notes = _model(cfg, ngpus)
        dataset, loader = _data(cfg, dataset_size, ngpus, count_epochs)
        runner = Rehearsal(cfg, model, loader, param, ngpus)
        if not any(runner.groups.values()):
            raise ModelError('The optimizer of the config has no parameters: its constructor chose none of the model.')
        iterations, values = _run(runner, param, most_points)
        curves = _curves(runner, values, model)
    notes += [*runner.notes, *_accumulation(cfg)]
    if dataset_size and size_with_wrappers(cfg):
        notes.append(str(size_with_wrappers(cfg)))
    if not any(runner.schedulers()) and (values == values[0]).all():
        notes.append(f'nothing in the config changes the {param}: it keeps the value in the optimizer')
    return Schedule(
        param,
        iterations,
        curves,
        total=runner.max_iters,
        by_epoch=runner.by_epoch,
        epoch_length=len(loader) if dataset else None,
        dataset_size=len(dataset) if dataset else None,
        batch_size=_batch_size(cfg),
        ngpus=ngpus,
        notes=tuple(dict.fromkeys(notes)),
    )


def _accumulation(cfg: Config) -> List[str]:
    """A note on gradients that are added up over several iterations before the optimizer steps."""
    wrappers = [cfg.optim_wrapper, *(each for each in cfg.optim_wrapper.values() if isinstance(each, dict))]
    counts = sorted({each.get('accumulative_counts', 1) for each in wrappers} - {1})
    return [
        f'accumulative_counts={number}: the optimizer steps every {number} iterations, over as many batches; curves '
        'show every iteration'
        for number in counts
    ]


def _check_sections(cfg: Config) -> None:
    name = cfg.filename or 'The config'
    for key, purpose in (
        ('optim_wrapper', 'it does not say how to optimise'),
        ('train_cfg', 'it does not say how long to train'),
        ('train_dataloader', 'it does not say how large a batch is'),
    ):
        if not cfg.get(key):
            raise ModelError(f'{name} has no {key}, so {purpose}: give a config to train with.')
    size = _batch_size(cfg)
    if size is None:
        raise ModelError(
            f"{name}: train_dataloader has no batch_size; add `cfg_options={{'train_dataloader.batch_size': N}}`."
        )
    if not isinstance(size, int) or size < 1:
        raise ModelError(f'{name}: the batch_size of train_dataloader is {size!r}, not a whole number above 0.')


def _batch_size(cfg: Config) -> Any:
    loader = cfg.train_dataloader
    own, sampler = loader.get('batch_size'), loader.get('batch_sampler')
    return sampler.get('batch_size') if own is None and isinstance(sampler, dict) else own


def _model(cfg: Config, ngpus: int) -> Tuple[nn.Module, List[str]]:
    """The model's outline; failing to build it does no harm if the groups do not depend on it."""
    wrapper = cfg.optim_wrapper
    try:
        with as_one_of(ngpus):  # some norm layers ask for the process group
            model = build_outline(cfg)
    except ModelError as error:
        if wrapper.get('paramwise_cfg') or wrapper.get('constructor') or 'optimizer' not in wrapper:
            raise
        return nn.Linear(1, 1, device='meta'), [f'parameters are not counted: {str(error).rstrip(".")}']
    # A single-process Runner has no use for synchronised norm layers.
    return (revert_sync_batchnorm(model) if ngpus == 1 else model), []


def _data(cfg: Config, size: Optional[int], ngpus: int, count_epochs: bool) -> Tuple[Any, Any]:
    """The training set or a stand-in, and its loader; no set if nothing depends on its size."""
    if size is None and not count_epochs and _counts_iterations_only(cfg):
        return None, DataLoader(SizedDataset(1))  # the loop requires a loader, but asks for samples only when it runs
    dataset = SizedDataset(size) if size else build_training_set(cfg)
    return dataset, build_loader(cfg.train_dataloader, dataset, ngpus)


def _counts_iterations_only(cfg: Config) -> bool:
    """Whether the schedule is independent of the length of an epoch."""
    kind = cfg.train_cfg.get('type')
    kind = LOOPS.get(kind) if isinstance(kind, str) else kind
    by_iteration = issubclass(kind, IterBasedTrainLoop) if isinstance(kind, type) else not cfg.train_cfg.get('by_epoch')
    converted = any(each.get('convert_to_iter_based') for each in listed_schedulers(cfg))
    return by_iteration and not converted and not any(is_scheduler_hook(each) for each in listed_hooks(cfg))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence what constructors log per parameter, and warnings about the missing optimizer steps."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)


def _run(runner: Rehearsal, param: str, most_points: int) -> Tuple[np.ndarray, np.ndarray]:
    """Walk through the training run.

    Returns:
        The recorded iterations (N,), and the values (N, G) of the G remaining groups.
    """
    settings = [group.settings for groups in runner.groups.values() for group in groups]
    loop: Any = runner.train_loop
    iterations: List[int] = []
    values: List[List[float]] = []
    stops = _Stops(runner, most_points)
    runner.call_hook('before_train')
    for start, end in stops.epochs:
        runner.call_hook('before_train_epoch')
        while loop._iter < end:
            now = loop._iter
            runner.call_hook('before_train_iter', batch_idx=now - start, data_batch=None)
            if now == stops.next:
                iterations.append(now)
                values.append([read_value(group, param) for group in settings])
                stops.advance()
            length = stops.next - now if all(_may_be_left_out(hook) for hook in runner.hooks) else 1
            _finish_iterations(runner, now - start, length)
            loop._iter = now + length
        runner.call_hook('after_train_epoch')
        loop._epoch += 1
    return np.array(iterations, np.int64), np.array(values, np.float64)


class _Stops:
    """The iterations to record: every k-th, the first and last of each epoch, and where a scheduler begins or ends.

    Attributes:
        epochs: First iteration and end of each of the loop's epochs, in order.
        next: The next one to record.
    """

    def __init__(self, runner: Rehearsal, most_points: int) -> None:
        total = runner.max_iters
        length = len(runner.train_dataloader) if runner.by_epoch else total
        if total / length > MOST_EPOCHS:
            raise ModelError(
                f'The train_cfg of the config asks for {total // length:,} epochs: more than {MOST_EPOCHS:,} are not '
                "rehearsed; set `cfg_options={'train_cfg.max_epochs': N}`."
            )
        stepped = [each for schedulers in runner.schedulers() for each in schedulers if not each.by_epoch]
        self.epochs = [(start, start + length) for start in range(0, total, length)]
        stops = {*range(0, total, math.ceil(total / most_points)), total}
        stops.update(stop for start, end in self.epochs for stop in (start, end - 1))
        stops.update(math.ceil(edge) for each in stepped for edge in (each.begin, each.end) if edge <= total)
        self._rest = iter(sorted(stops))
        self.next = next(self._rest)

    def advance(self) -> None:
        """Advance to the next one; the last is the end of training."""
        self.next = next(self._rest)


def _may_be_left_out(hook: Hook) -> bool:
    """Whether a hook need not be called for iterations that are not recorded."""
    ready = _FUNCTIONS_OF_THE_ITERATION.get(type(hook).__name__)
    return not has_own_course(hook) or (ready is not None and ready(hook))


def _finish_iterations(runner: Rehearsal, batch_idx: int, length: int) -> None:
    """Do what the hooks do after each of these iterations."""
    try:
        if length == 1:
            runner.call_hook('after_train_iter', batch_idx=batch_idx, data_batch=None, outputs=None)
        elif any(isinstance(hook, ParamSchedulerHook) for hook in runner.hooks):
            for schedulers in runner.schedulers():
                fast_forward([each for each in schedulers if not each.by_epoch], length)
    except (ArithmeticError, ValueError) as error:
        raise ModelError(f'A scheduler of the config fails after iteration {runner.iter}: {reason(error)}') from error


def _curves(runner: Rehearsal, values: np.ndarray, model: nn.Module) -> Tuple[Curve, ...]:
    """One curve per distinct course of values, the highest first."""
    names = [name for name, groups in runner.groups.items() for _ in groups]
    groups = [group for groups in runner.groups.values() for group in groups]
    alike: Dict[Tuple[str, bytes], List[int]] = {}
    for column, name in enumerate(names):
        alike.setdefault((name, values[:, column].tobytes()), []).append(column)
    ordered = sorted(alike.items(), key=lambda item: -values[:, item[1][0]].max())
    combined = [combine([groups[column] for column in columns]) for _, columns in ordered]
    custom_keys = (runner.cfg.optim_wrapper.get('paramwise_cfg') or {}).get('custom_keys') or {}
    labels = label_groups(combined, model, custom_keys)
    return tuple(
        Curve(f'{name}: {label}' if name else label, values[:, columns[0]], len(group.names), group.parameters)
        for ((name, _), columns), group, label in zip(ordered, combined, labels)
    )
