"""Build the dataset of a phase from a config, with one clear sentence for whatever is wrong."""

from __future__ import annotations

import copy
import re
from typing import Any, Dict, List, Sequence, Set

from mmengine.config import Config
from mmengine.registry import DATASETS

from .. import compat
from ..choices import PHASES
from ..errors import ModelError, missing_file, why
from ..models.inputs import default_scope
from ..pipelines import unwrap_dataset

# Wrappers hold datasets under these keys; anything else with a type is a transform.
_DATASET_KEYS = ('dataset', 'datasets')


def build_dataset(cfg: Config, phase: str, skip_types: Sequence[str] = ()) -> Any:
    """Build the dataset of a phase, with its wrappers, and load its annotations.

    Args:
        cfg: A whole config. It is not changed.
        phase: ``'train'``, ``'val'``, ``'test'`` or ``'tta'``.
        skip_types: Names of transforms to leave out of every pipeline.

    Raises:
        ModelError: If the config has no such phase, the dataset cannot be built, or it is empty.
    """
    dataset_cfg = without(phase_config(cfg, phase), set(skip_types))
    phase = _whose(cfg, phase)  # sentences are on the set itself
    compat.prepare(cfg.get('default_scope') or 'mmdet')
    with default_scope(cfg):
        try:
            dataset = DATASETS.build(dataset_cfg)
            if hasattr(dataset, 'full_init'):
                dataset.full_init()
            number = len(dataset)
        except compat.DependencyError:
            raise
        except Exception as error:  # datasets run arbitrary user code
            if 'need at least one array' in str(error):  # mmengine cannot serialise an empty list
                raise ModelError(_empty(phase)) from error
            raise ModelError(_cannot_build(error, phase, dataset_cfg)) from error
    if not number:
        raise ModelError(_empty(phase))
    return dataset


def phase_config(cfg: Config, phase: str) -> Dict[str, Any]:
    """Copy the dataset config of a phase; of ``'tta'``, that of the test set with ``tta_pipeline`` for its own.

    Raises:
        ModelError: If there is none; the message names the phases that do exist.
    """
    if phase not in PHASES:
        raise ModelError(f"There is no phase '{phase}': choose from {', '.join(PHASES)}.")
    if phase == 'tta':
        return _augmented(cfg)
    dataset = _dataset_of(cfg, phase)
    if dataset:
        return copy.deepcopy(dataset)
    known = [name for name in PHASES if _dataset_of(cfg, name)]
    name = cfg.filename or 'The config'
    if known:
        raise ModelError(f'{name} has no {phase}_dataloader; it has {" and ".join(known)}: choose one with `phase`.')
    if (cfg.get('data') or {}).get(phase):
        raise ModelError(
            f'{name} has data.{phase} and no {phase}_dataloader: it was written for mmcls 0.x or mmdet 2.x; use a '
            'config for mmpretrain, mmdet 3 or mmyolo.'
        )
    raise ModelError(f'{name} has no {phase}_dataloader: give the config that a model was trained with.')


def _dataset_of(cfg: Config, phase: str) -> Any:
    return (cfg.get(f'{phase}_dataloader') or {}).get('dataset')


def _whose(cfg: Config, phase: str) -> str:
    """The phase whose set a phase looks at: test-time augmentation has none of its own."""
    if phase != 'tta':
        return phase
    return 'val' if _dataset_of(cfg, 'val') and not _dataset_of(cfg, 'test') else 'test'


def _augmented(cfg: Config) -> Dict[str, Any]:
    """The test set with ``tta_pipeline`` for its own, put together as the packages' ``tools/test.py --tta`` does."""
    name = cfg.filename or 'The config'
    pipeline = cfg.get('tta_pipeline')
    if not pipeline:
        raise ModelError(
            f'{name} has no tta_pipeline: base it on a config that has one, such as mmdet::rtmdet/rtmdet_tta.py, or '
            "look at `phase='test'`."
        )
    dataset = copy.deepcopy(_dataset_of(cfg, _whose(cfg, 'tta')))
    if not dataset:
        raise ModelError(
            f'{name} has a tta_pipeline and no test_dataloader, so there are no pictures for it: give the config of a '
            'model that is based on it.'
        )
    for leaf in unwrap_dataset(dataset):
        leaf['pipeline'] = copy.deepcopy(pipeline)
        if 'batch_shapes_cfg' in leaf:  # it would choose the size of the views
            leaf['batch_shapes_cfg'] = None
    return dataset


def without(config: Any, kinds: Set[str]) -> Any:
    """Copy a dataset config or a pipeline without the transforms of these names, at any depth.

    Datasets stay whatever they are called. So does every candidate of ``RandomChoice``, even if it ends up empty.
    """
    if isinstance(config, dict):
        return type(config)({key: _cleaned(config, key, kinds) for key in config})
    if isinstance(config, (list, tuple)):
        return type(config)([without(each, kinds) for each in config if not _is_one_of(each, kinds)])
    return copy.deepcopy(config)


def _cleaned(owner: Dict[str, Any], key: Any, kinds: Set[str]) -> Any:
    """What ``without`` leaves of one value."""
    value = owner[key]
    if (
        key == 'transforms' and kind_of(owner) == 'TestTimeAug' and isinstance(value, (list, tuple))
    ):  # every list is a choice, and an empty one leaves none
        return [each for each in without(value, kinds) if each]
    are_candidates = key == 'transforms' and kind_of(owner) == 'RandomChoice'
    if isinstance(value, (list, tuple)) and (are_candidates or key in _DATASET_KEYS):
        empty = kinds if are_candidates else set()
        return type(value)([[] if _is_one_of(each, empty) else without(each, kinds) for each in value])
    if _is_one_of(value, kinds) and key not in _DATASET_KEYS:
        return []  # wrappers take one transform or a list of them
    return without(value, kinds)


def _is_one_of(config: Any, kinds: Set[str]) -> bool:
    return isinstance(config, dict) and kind_of(config) in kinds


def kinds_in(config: Any, of_dataset: bool = True) -> List[str]:
    """List the names of all transforms in a dataset config or a pipeline, in order.

    Args:
        config: The config.
        of_dataset: Whether a dict is a dataset, whose own name does not count. Defaults to ``True``.
    """
    if isinstance(config, dict):
        own = [] if of_dataset or not config.get('type') else [kind_of(config)]
        return own + [kind for key, value in config.items() for kind in _kinds_below(key, value)]
    return [kind for each in config for kind in kinds_in(each, False)] if isinstance(config, (list, tuple)) else []


def _kinds_below(key: Any, value: Any) -> List[str]:
    if key in _DATASET_KEYS and isinstance(value, (list, tuple)):
        return [kind for each in value for kind in kinds_in(each)]
    return kinds_in(value, key in _DATASET_KEYS)


def kind_of(step: Dict[str, Any]) -> str:
    """``Resize`` for ``'mmdet.Resize'`` as for the class itself."""
    kind = step.get('type') or ''
    return (kind if isinstance(kind, str) else getattr(kind, '__name__', '')).split('.')[-1]


def _empty(phase: str) -> str:
    return (
        f'The {phase} dataset of the config is empty: its annotation file lists no pictures, or filter_cfg drops all '
        "of them, as happens when the class names in metainfo differ from the annotation file's."
    )


def _cannot_build(error: Exception, phase: str, config: Dict[str, Any]) -> str:
    sentence = f'The {phase} dataset of the config cannot be built: {why(error)}'
    if missing_file(error):
        return (
            f'{sentence} Put the data there, or say where it is with '
            f"`cfg_options={{'{phase}_dataloader.{_key_of_leaf(config)}.data_root': FOLDER}}` "
            '(ann_file and data_prefix likewise).'
        )
    package = re.search(r'(\S+) is not installed', str(error))
    if package:
        start = sentence.partition(':')[0]
        return (
            f'{start}: {package[1]} is not installed; install it, or skip the transform that needs it with '
            '`skip_types`.'
        )
    return sentence


def _key_of_leaf(config: Dict[str, Any]) -> str:
    """Dotted key of the innermost dataset, as ``cfg_options`` takes it."""
    if config.get('dataset'):
        return f'dataset.{_key_of_leaf(config["dataset"])}'
    if config.get('datasets'):
        return f'dataset.datasets.0{_key_of_leaf(config["datasets"][0])[len("dataset") :]}'
    return 'dataset'
