"""Checks on a config before anything is built from it: settings in the wrong place, or of the wrong type."""

from __future__ import annotations

import difflib
import inspect
import warnings
from typing import Any, Dict, Set, Tuple

from mmengine.config import Config

from ..errors import MmlensWarning, ModelError

_SECTIONS = (
    'model',
    'optim_wrapper',
    'auto_scale_lr',
    'default_hooks',
    *(f'{phase}_{kind}' for phase in ('train', 'val', 'test') for kind in ('cfg', 'dataloader')),
)
# Settings of post-processing, at any depth of test_cfg and train_cfg: what they may be, and how that is called.
_NUMBER, _WHOLE = ((int, float), 'a number'), (int, 'a whole number')
_TYPES: Dict[str, Tuple[Any, str]] = {
    'score_thr': _NUMBER,
    'mask_thr_binary': _NUMBER,
    'iou_threshold': _NUMBER,
    'min_bbox_size': _NUMBER,
    'max_per_img': _WHOLE,
    'nms_pre': _WHOLE,
    'nms': (dict, "a section: write it as a dict, such as dict(type='nms', iou_threshold=0.5)"),
}
# In addition to the arguments of mmengine's Runner.
_KNOWN_ELSEWHERE = {'custom_imports', 'runner_type', 'test_pipeline', 'tta_model', 'tta_pipeline'}


def warn_of_unknown(cfg: Config, cfg_options: Dict[str, Any]) -> None:
    """Warn about settings whose first name is neither in the config nor known to mmengine.

    Args:
        cfg: The config, before they are merged into it.
        cfg_options: Values by dotted keys. What they add below a section of the config may be new.
    """
    known = {*cfg.keys(), *_runner_settings(), *_KNOWN_ELSEWHERE}
    for first in dict.fromkeys(str(key).split('.')[0] for key in cfg_options):
        if first not in known:
            near = difflib.get_close_matches(first, sorted(known), 1)
            hint = f'did you mean {near[0]}?' if near else 'nothing may read it.'
            sentence = f'`cfg_options`: the config has no {first}; {hint}'
            warnings.warn(sentence, MmlensWarning, stacklevel=3)


def _runner_settings() -> Set[str]:
    from mmengine.runner import Runner

    return set(inspect.signature(Runner.__init__).parameters) - {'self'}


def check_sections(cfg: Config) -> None:
    """Check that sections are dicts, and lists are lists.

    Raises:
        ModelError: If not.
    """
    for name in _SECTIONS:
        value = cfg.get(name)
        if value and not isinstance(value, dict):
            raise ModelError(
                f"The config's {name} is {value!r}, not a section: write it as a dict; "
                f"`cfg_options={{'{name}.KEY': VALUE}}` changes one of its settings."
            )
    _check_settings(cfg)
    hooks, schedulers = cfg.get('custom_hooks'), cfg.get('param_scheduler')
    if hooks and not isinstance(hooks, (list, tuple)):
        raise ModelError(f"The config's custom_hooks is {hooks!r}, not a list: write a list of dicts.")
    if schedulers and not _are_dicts(schedulers):
        raise ModelError(
            f"The config's param_scheduler is {schedulers!r}, not a scheduler's settings: write a dict, or a list of "
            'dicts.'
        )


def _check_settings(cfg: Config) -> None:
    """Check the settings whose wrong type would end in an error deep inside a library, which names no key."""
    scope = cfg.get('default_scope')
    if scope is not None and not isinstance(scope, str):
        raise ModelError(f"The config's default_scope is {scope!r}, not the name of a library, such as 'mmdet'.")
    for name in (*_SECTIONS, 'custom_hooks', 'param_scheduler', 'test_pipeline'):
        _check_types(cfg.get(name), name)
    model = cfg.get('model') or {}
    for part in ('test_cfg', 'train_cfg'):
        _check_section(model.get(part), f'model.{part}')
    _check_steps(cfg.get('test_pipeline'), 'test_pipeline')
    for phase in ('train', 'val', 'test'):
        _check_dataset((cfg.get(f'{phase}_dataloader') or {}).get('dataset'), f'{phase}_dataloader.dataset')


def _check_types(value: Any, name: str) -> None:
    """Check that every ``type`` is a name or a class, whatever is built by it."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for key, one in parts:
        whole = f'{name}.{key}' if isinstance(value, dict) else f'{name}[{key}]'
        in_model = whole.startswith('model.')  # whose classes may take None for no such part
        if key == 'type' and not isinstance(one, str) and not callable(one) and not (one is None and in_model):
            raise ModelError(f"The config's {whole} is {one!r}, not the name of a class.")
        if key != 'metainfo':  # data, in which a type may be anything
            _check_types(one, whole)


def _check_section(value: Any, name: str) -> None:
    if not isinstance(value, (dict, list, tuple, type(None))):
        raise ModelError(f"The config's {name} is {value!r}, not a section: write it as a dict.")
    for key, one in value.items() if isinstance(value, dict) else ():
        wanted = _TYPES.get(key)
        if wanted and one is not None and not isinstance(one, wanted[0]):
            raise ModelError(f"The config's {name}.{key} is {one!r}, not {wanted[1]}.")
        if isinstance(one, dict):
            _check_section(one, f'{name}.{key}')


def _check_dataset(value: Any, name: str) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        if callable(getattr(value, '__getitem__', None)) and not isinstance(value, (str, list, tuple)):
            return  # a dataset, built already
        raise ModelError(f"The config's {name} is {value!r}, not a data set: write it as a dict.")
    _check_steps(value.get('pipeline'), f'{name}.pipeline')
    if 'dataset' in value:
        _check_dataset(value['dataset'], f'{name}.dataset')
    inner = value.get('datasets')
    if inner is not None and not isinstance(inner, (list, tuple)):
        raise ModelError(f"The config's {name}.datasets is {inner!r}, not a list of data sets.")
    for number, one in enumerate(inner or ()):
        _check_dataset(one, f'{name}.datasets[{number}]')


def _check_steps(value: Any, name: str) -> None:
    if value is not None and not isinstance(value, (list, tuple)):
        raise ModelError(f"The config's {name} is {value!r}, not a list of transforms.")
    for number, step in enumerate(value or ()):
        if not isinstance(step, (dict, list, tuple)) and not callable(step):
            raise ModelError(f"The config's {name}[{number}] is {step!r}, not a transform: write it as a dict.")


def _are_dicts(value: Any) -> bool:
    """Whether it is a dict of settings, or a list or named dict of them, at any depth."""
    if isinstance(value, (list, tuple)):
        return all(map(_are_dicts, value))
    if isinstance(value, dict) and 'type' not in value:
        return all(map(_are_dicts, value.values()))
    return isinstance(value, dict) or value is None
