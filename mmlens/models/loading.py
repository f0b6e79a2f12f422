"""Config + checkpoint -> model, with one clear sentence for everything that can go wrong."""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Union

import torch
from mmengine.config import Config
from torch import nn

from .. import compat
from ..downloads import cached_name, download, is_address
from ..errors import MmlensError, MmlensWarning, ModelError, OutputError, reason
from ..files import check_is_file
from ..pipelines import unwrap_dataset
from .config_checks import check_sections, warn_of_unknown
from .config_files import read_file

ConfigLike = Union[str, Path, Config]

# With a larger share of parameters left without a value, the checkpoint is taken to be another model's.
_MISSING_SHARE = 0.1
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
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise MmlensError(f"No device '{device}' here: use `device='cpu'`.") from error
    return chosen


def load_model(cfg: Config, checkpoint: Optional[str], device: Optional[str] = None) -> nn.Module:
    """Build a model and load its weights; random weights without a checkpoint.

    Returns:
        The model in eval mode, with ``cfg`` and ``dataset_meta`` as mmdet's ``init_detector`` sets
        them.

    Raises:
        ModelError: If the model cannot be built, or the checkpoint is not its own.
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
        if checkpoint:
            meta = load_weights(model, checkpoint)
        else:
            meta = {}
            _init_randomly(model)
        model.dataset_meta = _dataset_meta(meta, cfg)
    model.cfg = cfg
    model.to(where)
    model.eval()  # in some of mmdet's distillers it returns None
    return model


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


def load_weights(model: nn.Module, checkpoint: str) -> Dict[str, Any]:
    """Load a checkpoint into a model.

    Returns:
        The checkpoint's ``meta``.

    Raises:
        ModelError: If the file cannot be read or belongs to another model.
    """
    try:
        content = compat.load_checkpoint(_local_file(checkpoint))
    except (compat.CheckpointError, OSError) as error:
        raise ModelError(str(error)) from error
    state = content.get('state_dict', content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise ModelError(f'{checkpoint} holds no weights: give a checkpoint that OpenMMLab saved.')
    state = {key[7:] if key.startswith('module.') else key: value for key, value in state.items()}
    try:
        result = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ModelError(_does_not_fit(checkpoint, error)) from error
    parameters = {name for name, _ in model.named_parameters()}
    missing = parameters.intersection(result.missing_keys)
    if len(missing) > _MISSING_SHARE * len(parameters):
        raise ModelError(
            f'The checkpoint {checkpoint} belongs to another model: it has no values for {len(missing)} of the '
            f"config's {len(parameters)} parameters, such as {min(missing)}; give the config it was trained with."
        )
    if missing:
        sentence = f'{checkpoint} has no values for {len(missing)} parameters, such as {min(missing)}.'
        warnings.warn(sentence, MmlensWarning, stacklevel=2)
    return content.get('meta') or {}


def _does_not_fit(checkpoint: str, error: RuntimeError) -> str:
    mismatches = [line.strip() for line in str(error).splitlines() if 'size mismatch' in line]
    if not mismatches:
        return (
            f'The checkpoint {checkpoint} cannot be loaded into the model: {" ".join(str(error).split()).rstrip(".")}.'
        )
    name = mismatches[0].replace('size mismatch for ', '').split(':')[0]
    return (
        f'The checkpoint {checkpoint} belongs to another model: {len(mismatches)} parameters differ in shape, such as '
        f'{name}; give the config it was trained with (its number of classes too).'
    )


def _local_file(checkpoint: str) -> str:
    if is_address(checkpoint):
        path = Path(torch.hub.get_dir()) / 'checkpoints' / cached_name(checkpoint)
        if not path.is_file():
            try:
                download(checkpoint, path, ModelError)
            except OutputError as error:
                raise ModelError(
                    f'{checkpoint} cannot be kept in {path.parent}: set TORCH_HOME to a folder.'
                ) from error
        return str(path)
    check_is_file(checkpoint, 'checkpoint')
    return checkpoint


def _dataset_meta(meta: Dict[str, Any], cfg: Config) -> Dict[str, Any]:
    """Class names: the checkpoint's, else those written in the config, else those of the test set's type."""
    if meta.get('dataset_meta'):
        return _parsed({key.lower(): value for key, value in meta['dataset_meta'].items()})
    if meta.get('CLASSES'):
        return {'classes': meta['CLASSES']}
    datasets = [(cfg.get(f'{phase}_dataloader') or {}).get('dataset') for phase in ('test', 'val', 'train')]
    inner = [unwrap_dataset(dataset)[0] for dataset in datasets if dataset]
    if not inner:
        return {}
    # Configs of trackers name the classes only for training.
    written = [_lowered(dataset.get('metainfo')) for dataset in inner]
    chosen = next((each for each in written if 'classes' in each), written[0])
    return _parsed({**_metainfo_of_type(inner[0]), **chosen})


def _metainfo_of_type(dataset: Dict[str, Any]) -> Dict[str, Any]:
    from mmengine.registry import DATASETS

    kind = dataset.get('type')
    with DATASETS.switch_scope_and_registry(None) as registry:  # that of the config's own library
        dataset_class = registry.get(kind) if isinstance(kind, str) else kind
    return _lowered(getattr(dataset_class, 'METAINFO', None))


def _lowered(metainfo: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    return {key.lower(): value for key, value in (metainfo or {}).items()}


def _parsed(metainfo: Dict[str, Any]) -> Dict[str, Any]:
    """mmpose's description of keypoints, which may be in a separate file, in the form its models expect."""
    if not {'from_file', 'keypoint_info'} & set(metainfo):
        return metainfo
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    return {key.lower(): value for key, value in parse_pose_metainfo(metainfo).items()}
