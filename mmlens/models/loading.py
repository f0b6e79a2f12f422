"""Config + checkpoint -> model, with one clear sentence for everything that can go wrong."""

from __future__ import annotations

import contextlib
import copy
import logging
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Union

import torch
from mmengine.config import Config
from torch import nn

from .. import compat
from ..errors import MmlensError, ModelError, reason
from .config_checks import check_sections, warn_of_unknown
from .config_files import read_file
from .dataset_meta import meta_of_checkpoint, meta_of_config
from .weights import Loaded, load_weights

ConfigLike = Union[str, Path, Config]

RANDOM = 'The weights are random, and so is what the network predicts.'
# Parts of mmdet's trackers that a single picture never passes through.
_BETWEEN_FRAMES = {'tracker', 'reid', 'cmc', 'motion', 'postprocess_model'}


def read_config(config: ConfigLike, cfg_options: Optional[Dict[str, Any]] = None) -> Config:
    """Read a config.

    Args:
        config: A file, a name inside an installed package
            (``mmdet::yolox/yolox_nano_8xb8-300e_coco.py``), or a :class:`Config`, which is copied.
        cfg_options: Values to override, by dotted keys. A warning names those that nothing reads.

    Raises:
        ModelError: If there is no such config, it cannot be read, or a section of it is not a section.
    """
    compat.prepare()
    cfg = copy.deepcopy(config) if isinstance(config, Config) else read_file(str(config))
    if cfg_options:
        warn_of_unknown(cfg, cfg_options)
        try:
            cfg.merge_from_dict(dict(cfg_options))
        except (KeyError, TypeError, AssertionError, IndexError, AttributeError) as error:
            raise ModelError(f'`cfg_options` do not fit the config: {reason(error)}') from error
    check_sections(cfg)
    return cfg


def choose_device(device: Optional[str]) -> torch.device:
    """The device to use; by default the first CUDA device if there is one.

    Raises:
        MmlensError: If the device does not exist here.
    """
    if device is None:
        return torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        # Devices of other makers ('hpu', 'privateuseone') are modules of torch that their packages bring.
        raise MmlensError(f"No device '{device}' here: use `device='cpu'`.") from error
    return chosen


def load_model(
    cfg: Config, checkpoint: Optional[str], device: Optional[str] = None, random_weights: Optional[bool] = None
) -> nn.Module:
    """Build a model and load its weights; random weights without a checkpoint.

    Args:
        cfg: The whole config.
        checkpoint: File or address of the weights.
        device: Where the model runs; see :func:`choose_device`.
        random_weights: See :func:`mmlens.open_network`.

    Returns:
        The model in eval mode, with ``cfg`` and ``dataset_meta`` as mmdet's ``init_detector`` sets
        them, and notes on its weights, if any, in ``loading_notes``.

    Raises:
        ModelError: If the model cannot be built, the checkpoint is not its own, or there is none and has to be.
        MmlensError: If the device does not exist.
    """
    from mmengine.model import revert_sync_batchnorm
    from mmengine.registry import MODELS

    from .inputs import default_scope

    where = choose_device(device)
    scope = cfg.get('default_scope') or 'mmdet'
    compat.prepare(scope)
    if not cfg.get('model'):
        raise ModelError(
            f"The config {cfg.filename or ''} has no 'model': give the config that the model was trained with."
        )
    with default_scope(cfg):
        try:
            with torch.random.fork_rng(devices=[]):  # building a model draws its initial weights
                torch.default_generator.manual_seed(0)
                model = revert_sync_batchnorm(MODELS.build(_for_pictures(copy.deepcopy(cfg.model))))
        except compat.DependencyError:
            raise
        except ModuleNotFoundError as error:
            raise ModelError(f'The model of the config cannot be built: {compat.name_missing(error)}') from error
        except Exception as error:
            raise ModelError(f'The model of the config cannot be built: {reason(error)}') from error
        loaded = _weighted(model, checkpoint, random_weights)
        model.dataset_meta = meta_of_checkpoint(loaded.meta) or meta_of_config(cfg)
    model.loading_notes = loaded.notes
    model.cfg = cfg
    model.to(where)
    model.eval()  # in some of mmdet's distillers it returns None
    return model


def _weighted(model: nn.Module, checkpoint: Optional[str], random_weights: Optional[bool]) -> Loaded:
    """Give a model the weights of its checkpoint, or random ones."""
    if checkpoint:
        return load_weights(model, checkpoint, _init_randomly, bool(random_weights))
    if random_weights is False:
        raise ModelError(
            'No checkpoint was given, and the config has no load_from: name one, or set `random_weights=True`.'
        )
    _init_randomly(model)
    return Loaded(notes=[RANDOM] if random_weights else [])


def _for_pictures(model: Dict[str, Any]) -> Dict[str, Any]:
    """A tracker's settings without the parts that work between frames: they need more packages, or weights."""
    if not model.get('detector') or 'tracker' not in model:
        return model
    return {key: value for key, value in model.items() if key not in _BETWEEN_FRAMES}


def _init_randomly(model: Any) -> None:
    """Set the same random weights each time. Some layers hold uninitialised memory until ``init_weights`` is called."""
    for module in model.modules():
        if getattr(module, 'init_cfg', None):
            module.init_cfg = _without_checkpoints(module.init_cfg)
        if isinstance(getattr(module, 'pretrained', None), str):  # DetectoRS loads it by itself
            module.pretrained = None
    with torch.random.fork_rng(devices=[]), _quiet_log():
        torch.default_generator.manual_seed(0)
        if hasattr(model, 'init_weights'):
            model.init_weights()


def _without_checkpoints(init_cfg: Any) -> Any:
    """``init_cfg``, a dict or a list of them, without checkpoints: random weights need no download."""
    if isinstance(init_cfg, dict):
        return None if 'checkpoint' in init_cfg else init_cfg
    if isinstance(init_cfg, (list, tuple)):
        return [one for one in init_cfg if 'checkpoint' not in one] or None
    return init_cfg


@contextlib.contextmanager
def _quiet_log() -> Iterator[None]:
    """Silence mmengine, which logs how it initialised each parameter: thousands of lines."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
