"""A Runner with everything that changes the optimizer's settings, and nothing to train."""

from __future__ import annotations

import copy
import logging
import math
from types import SimpleNamespace
from typing import Any, Dict, List, Tuple

from mmengine.config import Config
from mmengine.hooks import EarlyStoppingHook, Hook, ParamSchedulerHook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.registry import HOOKS, OPTIMIZERS, PARAM_SCHEDULERS
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from ..errors import ModelError, reason
from .dataset import as_one_of
from .groups import Group, merge_alike

# Their hooks and schedulers are known: groups that start alike stay alike, and no other hook changes the optimizer.
_KNOWN_PACKAGES = ('mmengine', 'mmcv', 'mmdet', 'mmyolo', 'mmpretrain', 'mmcls', 'mmseg', 'mmrotate', 'mmlens')
# Hooks other than ParamSchedulerHook and its subclasses that set optimizer values.
_SETTING_HOOKS = ('SimSiamHook',)
# Hooks that look at more than the iteration, and how many leading groups they identify by position.
_PLACES = {'YOLOv5ParamSchedulerHook': 3}
# Of mmengine's wrappers only these settings matter here, and some wrappers need a GPU.
_WRAPPER_KEYS = ('optimizer', 'constructor', 'paramwise_cfg')
_OF_WRAPPERS = ('accumulative_counts', 'clip_grad', 'dtype', 'loss_scale', 'use_fsdp', 'model')
_WRAPPERS = ('OptimWrapper', 'AmpOptimWrapper', 'ApexOptimWrapper', 'DeepSpeedOptimWrapper')


class Rehearsal(Runner):
    """What a Runner builds before its first iteration, as far as the optimizer's settings are concerned.

    To loops, schedulers and hooks it is a Runner, but it creates no folders, logs, visualizers or random seeds.

    Args:
        cfg: The whole config.
        model: Its parameters go to the optimizer; they may lie on the 'meta' device.
        loader: The training data loader of one process.
        param: The setting to follow: schedulers of other settings are left out, and groups that start with the
            same value are merged if they stay alike.
        world_size: Number of processes.

    Attributes:
        groups: The optimizer's remaining groups, by the name of the optimizer; '' if there is only one.
        notes: Sentences for the user.
    """

    def __init__(self, cfg: Config, model: nn.Module, loader: DataLoader, param: str, world_size: int) -> None:
        # Not the Runner's own __init__, which starts with folders and log files.
        self.cfg = cfg
        self.model = model
        self.visualizer = SimpleNamespace()
        self.logger = logging.getLogger('mmlens.schedules')
        self.notes: List[str] = []
        self._world_size, self._rank, self._distributed = world_size, 0, world_size > 1
        self._hooks: List[Hook] = []
        self._train_dataloader = loader
        self.param_schedulers: Any = None
        self._register_setting_hooks()
        self._train_loop = self._build_loop()
        self.optim_wrapper = self._build_optimizer()
        self.groups = self._merge_groups(param)
        self._scale()
        self.param_schedulers = self._build_schedulers(param)

    @property
    def by_epoch(self) -> bool:
        """Whether the training counts in epochs."""
        return isinstance(self._train_loop, EpochBasedTrainLoop)

    def schedulers(self) -> List[List[_ParamScheduler]]:
        """The schedulers of each optimizer."""
        if isinstance(self.param_schedulers, dict):
            return list(self.param_schedulers.values())
        return [self.param_schedulers or []]

    def wrappers(self) -> Dict[str, OptimWrapper]:
        """The optimizers by name; '' if there is only one."""
        wrapper = self.optim_wrapper
        return dict(wrapper.items()) if isinstance(wrapper, OptimWrapperDict) else {'': wrapper}

    def _build_loop(self) -> BaseLoop:
        try:
            loop = self.build_train_loop(self.cfg.train_cfg)
        except Exception as error:  # loops run arbitrary user code
            raise ModelError(f'The train_cfg of the config cannot be built: {reason(error)}') from error
        if not isinstance(loop, (EpochBasedTrainLoop, IterBasedTrainLoop)):
            raise ModelError(
                f'{type(loop).__name__} of train_cfg counts neither epochs nor iterations as mmengine does.'
            )
        if loop.max_iters < 1:
            length = (
                f'{loop.max_epochs} epochs' if isinstance(loop, EpochBasedTrainLoop) else f'{loop.max_iters} iterations'
            )
            raise ModelError(f'The train_cfg of the config asks for {length} of training: at least one is needed.')
        return loop

    def _build_optimizer(self) -> OptimWrapper:
        wrapper_cfg = copy.deepcopy(self.cfg.optim_wrapper)
        if isinstance(wrapper_cfg.get('optimizer'), dict):
            _find(wrapper_cfg['optimizer'], OPTIMIZERS)  # constructors do not say which one is missing
        wrapper_cfg = _without_devices(wrapper_cfg)
        try:
            with as_one_of(self._world_size):
                return self.build_optim_wrapper(wrapper_cfg)
        except Exception as error:  # constructors run arbitrary user code
            raise ModelError(f'The optimizer of the config cannot be built: {reason(error)}') from error

    def _merge_groups(self, param: str) -> Dict[str, List[Group]]:
        keep = self._groups_to_keep()
        return {
            name: merge_alike(wrapper.optimizer, param, self.model, keep) for name, wrapper in self.wrappers().items()
        }

    def _groups_to_keep(self) -> float:
        """How many groups must keep their position, because a hook or a scheduler may identify groups by it."""
        scheduler_cfgs = listed_schedulers(self.cfg)
        by_place = any(isinstance(value, (list, tuple)) for cfg in scheduler_cfgs for value in _per_group(cfg))
        kinds = [type(hook) for hook in self._hooks] + [_find(cfg, PARAM_SCHEDULERS) for cfg in scheduler_cfgs]
        if by_place or not all(_is_known(kind) for kind in kinds):
            return math.inf
        return max((_PLACES.get(kind.__name__, 0) for kind in kinds), default=0)

    def _scale(self) -> None:
        """Scale as ``--auto-scale-lr`` of the training scripts does, if the config enables it."""
        scaling = self.cfg.get('auto_scale_lr') or {}
        base = scaling.get('base_batch_size')
        loader_cfg = self.cfg.train_dataloader
        total = loader_cfg.get('batch_size', base) * self._world_size if base else None
        if not base or total == base:
            return
        batches = f'a batch of {total} over base_batch_size={base}'
        if scaling.get('enable'):
            # The Runner reads the loader's config, which has the batch size even with a batch sampler.
            self._train_dataloader = loader_cfg
            self.scale_lr(self.optim_wrapper, scaling)
            self.notes.append(f'auto_scale_lr multiplies the learning rate by {total / base:g}, {batches}')
        else:
            self.notes.append(
                "auto_scale_lr is off; `cfg_options={'auto_scale_lr.enable': True}` multiplies the learning rate by "
                f'{total / base:g}, {batches}'
            )

    def _build_schedulers(self, param: str) -> Any:
        scheduler_cfg = self.cfg.get('param_scheduler')
        if not scheduler_cfg:
            return None
        try:
            built = self.build_param_scheduler(copy.deepcopy(scheduler_cfg))
        except Exception as error:  # schedulers also check their arguments with assertions
            raise ModelError(f'The param_scheduler of the config cannot be built: {reason(error)}') from error
        chosen = {
            name: [scheduler for scheduler in each if scheduler.param_name == param]
            for name, each in (built.items() if isinstance(built, dict) else [('', built)])
        }
        for scheduler in (scheduler for each in chosen.values() for scheduler in each):
            if getattr(scheduler, 'need_val_args', False):
                self.notes.append(
                    f'{type(scheduler).__name__} depends on {scheduler.monitor} from validation, which only '
                    'training can tell: drawn as if it always improved'
                )
        return chosen if isinstance(built, dict) else chosen['']

    def _register_setting_hooks(self) -> None:
        """Register the hooks that set optimizer values, in order of priority."""
        for hook_cfg in listed_hooks(self.cfg):
            kind = _find(hook_cfg, HOOKS)
            if issubclass(kind, ParamSchedulerHook) or kind.__name__ in _SETTING_HOOKS:
                self.register_hook(copy.deepcopy(hook_cfg))
            elif issubclass(kind, EarlyStoppingHook):
                self.notes.append('EarlyStoppingHook may end the training before the end of the curves')
            elif not _is_known(kind):
                self.notes.append(f'{kind.__name__} is not run: if it changes the optimizer, the curves do not show it')


def listed_hooks(cfg: Config) -> List[Any]:
    """All hook configs, including the default scheduler hook, except those switched off."""
    default_hooks = {'param_scheduler': dict(type='ParamSchedulerHook'), **(cfg.get('default_hooks') or {})}
    return [hook_cfg for hook_cfg in [*default_hooks.values(), *(cfg.get('custom_hooks') or [])] if hook_cfg]


def listed_schedulers(cfg: Config) -> List[Any]:
    """All scheduler configs, whether there is one, a list, or lists by optimizer name."""
    found: List[Any] = []
    remaining = [cfg.get('param_scheduler')]
    while remaining:
        each = remaining.pop(0)
        if isinstance(each, (list, tuple)):
            remaining = [*each, *remaining]
        elif each and 'type' not in each:
            remaining = [*each.values(), *remaining]
        elif each:
            found.append(each)
    return found


def is_scheduler_hook(hook_cfg: Any) -> bool:
    """Whether a config names a hook that sets optimizer values by a rule of its own."""
    kind = _find(hook_cfg, HOOKS)
    return issubclass(kind, ParamSchedulerHook) and kind is not ParamSchedulerHook


def has_own_course(hook: Hook) -> bool:
    """Whether a hook does more than step the schedulers."""
    return type(hook) is not ParamSchedulerHook


def _find(cfg: Any, registry: Any) -> Any:
    """The class that a config names.

    Raises:
        ModelError: If the registry does not have it.
    """
    kind = cfg.get('type') if isinstance(cfg, dict) else type(cfg)
    if isinstance(kind, str):
        with registry.switch_scope_and_registry(cfg.get('_scope_')) as scoped:
            found = scoped.get(kind)
        if not isinstance(found, type):  # a package or a function has a name too
            raise ModelError(f'The config names {kind}, which is not in the registry of {registry.name}s.')
        kind = found
    return kind


def _without_devices(wrapper_cfg: Dict[str, Any]) -> Dict[str, Any]:
    """An optimizer wrapper's settings for a plain wrapper; whatever a constructor of the user's reads stays."""
    whole = {key: _without_devices(value) if _is_wrapper(value) else value for key, value in wrapper_cfg.items()}
    if _name(wrapper_cfg.get('type', 'OptimWrapper')) not in _WRAPPERS:
        return whole
    if 'constructor' in wrapper_cfg:
        whole = {key: value for key, value in whole.items() if key not in _OF_WRAPPERS}
    else:
        whole = {key: whole[key] for key in _WRAPPER_KEYS if key in whole}
    return dict(whole, type='mmengine.OptimWrapper')


def _is_wrapper(value: Any) -> bool:
    return isinstance(value, dict) and 'optimizer' in value and 'type' in value


def _is_known(kind: type) -> bool:
    return kind.__module__.split('.')[0] in _KNOWN_PACKAGES


def _name(kind: Any) -> str:
    return (kind if isinstance(kind, str) else kind.__name__).split('.')[-1]


def _per_group(scheduler_cfg: Any) -> Tuple[Any, ...]:
    """Arguments that may hold one value for each parameter group."""
    return tuple(scheduler_cfg.get(name) for name in ('eta_max', 'min_value'))
