"""Reads config files: Python configs as mmengine does, YAML and JSON as nothing but data."""

from __future__ import annotations

import inspect
import os
import threading
from typing import Any, List

from mmengine.config import Config
from mmengine.utils import get_object_from_string

from .. import compat
from ..code_lines import culprit
from ..errors import ModelError, reason
from ..files import check_is_file
from ..model_names import find_model, is_name
from .awesome_backbones import converted
from .config_chain import Chain, followed

ENDINGS = ('.py', '.yaml', '.yml', '.json')
# Whose classes a file of data may name by their full path, as configs that mmengine dumped do.
_KNOWN_PACKAGES = ('mm', 'torch.nn.', 'torch.optim.', 'torchvision.')
# Settings that hold the steps of pipelines, and those of steps that have to be lists.
_STEPS = ('pipeline', 'transforms', 'batch_augments')
_LISTS = ('prob', 'frame_range', 'scale_factor')

_reading = threading.RLock()


def read_file(name: str) -> Config:
    """Read a config by its path, by its name in an installed package, or by the name of a model of one.

    A Python config is a program, and runs. YAML and JSON, the file itself or one that it is based on, are data: tags
    that call Python, bases written in Python, and types that are functions or belong to other packages are refused.

    Raises:
        ModelError: If there is none, or it cannot be read.
    """
    if is_name(name):
        name = find_model(name).config
    if '::' in name:
        package = name.split('::')[0]
        compat.require(package)
        from mmengine.hub import get_config

        try:
            cfg = get_config(name)
        except Exception as error:
            raise ModelError(f"No config '{name}' in the installed {package}: {reason(error)}") from error
        if not cfg.get('default_scope'):  # its modules are those of the package that it lies in
            cfg.default_scope = package
        return cfg
    check_is_file(name, 'config file')
    if os.path.splitext(name)[1] not in ENDINGS:
        raise ModelError(f'{name} is not a config: it must end in .py, .yaml or .json.')
    only_data = compat.only_data(lambda content: _with_tuples(_checked(content)))
    with _reading, only_data, followed() as chain:
        try:
            cfg = Config.fromfile(name)
        except compat.DependencyError:
            raise
        except (Exception, SystemExit) as error:  # a config is a program: anything can go wrong in it
            raise ModelError(f'The config {name} cannot be read: {_in_base(name, chain)}{_why(error, name)}') from error
    return converted(cfg)


def _in_base(name: str, chain: Chain) -> str:
    same = not chain.failed or chain.failed == os.path.realpath(os.path.expanduser(name))
    return '' if same else f'in {os.path.relpath(chain.failed)}, on which it is based: '


def _why(error: BaseException, name: str) -> str:
    if isinstance(error, ImportError):
        return _why_not_imported(error)
    if isinstance(error, SystemExit):
        return f'it ends Python ({_quoted_line(error)}): take that out.'
    if isinstance(error, compat.PlainDataError):
        return f'{error}, which YAML configs are here: write it as a .py config if you trust it.'
    if isinstance(error, SyntaxError):
        # mmengine's own sentence names a temporary file.
        first = error.__context__ if isinstance(error.__context__, SyntaxError) else error
        return f'{first.msg} (line {first.lineno}).' if first.lineno else f'{first.msg}.'
    if isinstance(error, AttributeError) and name.endswith(ENDINGS[1:]):
        return 'it holds no settings by their names.'
    return reason(error)


def _quoted_line(error: BaseException) -> str:
    line = culprit(error)
    return str(line) if line else 'SystemExit'


def _why_not_imported(error: ImportError) -> str:
    # mmengine wraps what went wrong in `custom_imports` twice.
    inner = error.__cause__ or error.__context__
    if isinstance(inner, ImportError):
        return _why_not_imported(inner)
    if isinstance(error, ModuleNotFoundError) and error.name is None:  # mmengine, of a package in `_base_`
        return compat.name_missing(error)
    if isinstance(error, ModuleNotFoundError):
        return f'there is no module {error.name}; install it, or add the folder that it lies in to PYTHONPATH.'
    return reason(error)


def _with_tuples(content: Any, key: str = '', in_steps: bool = False) -> Any:
    """Lists of numbers in the steps of pipelines as tuples, which JSON does not have and transforms ask for."""
    in_steps = in_steps or key.endswith(_STEPS)
    if isinstance(content, dict):
        return type(content)({name: _with_tuples(value, str(name), in_steps) for name, value in content.items()})
    if not isinstance(content, list):
        return content
    as_tuple = key == 'meta_keys' or (key not in _LISTS and len(content) > 1 and all(map(_is_number, content)))
    parts = [_with_tuples(part, '' if key in _LISTS else key, in_steps) for part in content]
    return tuple(parts) if in_steps and as_tuple else parts


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _checked(content: Any) -> Any:
    bases = content.get('_base_', []) if isinstance(content, dict) else []
    for base in [bases] if isinstance(bases, str) else bases or []:
        if str(base).endswith('.py') and '::' not in str(base):
            raise ModelError(
                f'it is data, but based on the program {base}: write it as a .py config if you trust that.'
            )
    for kind in _types_in(content):
        if not _is_known_class(kind):
            raise ModelError(
                f"its type '{kind}' is no class of OpenMMLab or torch, and this is a file of data: write it as a .py "
                'config if you trust it.'
            )
    return content


def _types_in(content: Any) -> List[str]:
    """The dotted types that a config names, at any depth."""
    if isinstance(content, dict):
        own = content.get('type')
        found = [own] if isinstance(own, str) and '.' in own else []
        return found + [kind for value in content.values() for kind in _types_in(value)]
    if isinstance(content, (list, tuple)):
        return [kind for value in content for kind in _types_in(value)]
    return []


def _is_known_class(kind: str) -> bool:
    """Whether a dotted type is a class of a known package, or a name in the registry of a scope of OpenMMLab's."""
    if not kind.startswith(_KNOWN_PACKAGES):
        return False
    named = get_object_from_string(kind)
    return named is None or inspect.isclass(named)  # mmengine looks for others in its registries alone
