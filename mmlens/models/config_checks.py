"""Checks on a config before anything is built from it: settings in the wrong place, or of the wrong type."""

from __future__ import annotations

import difflib
import inspect
import warnings
from typing import Any, Dict, Set

from mmengine.config import Config

from ..errors import MmlensWarning, ModelError

_SECTIONS = (
    'model',
    'optim_wrapper',
    'auto_scale_lr',
    'default_hooks',
    *(f'{phase}_{kind}' for phase in ('train', 'val', 'test') for kind in ('cfg', 'dataloader')),
)
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
    hooks, schedulers = cfg.get('custom_hooks'), cfg.get('param_scheduler')
    if hooks and not isinstance(hooks, (list, tuple)):
        raise ModelError(f"The config's custom_hooks is {hooks!r}, not a list: write a list of dicts.")
    if schedulers and not _are_dicts(schedulers):
        raise ModelError(
            f"The config's param_scheduler is {schedulers!r}, not a scheduler's settings: write a dict, or a list of "
            'dicts.'
        )


def _are_dicts(value: Any) -> bool:
    """Whether it is a dict of settings, or a list or named dict of them, at any depth."""
    if isinstance(value, (list, tuple)):
        return all(map(_are_dicts, value))
    if isinstance(value, dict) and 'type' not in value:
        return all(map(_are_dicts, value.values()))
    return isinstance(value, dict) or value is None
