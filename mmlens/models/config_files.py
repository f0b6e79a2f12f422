"""Reads config files: Python configs as mmengine does, YAML and JSON as nothing but data."""

from __future__ import annotations

import contextlib
import inspect
import json
import threading
from pathlib import Path
from typing import Any, Iterator, List

import yaml
from mmengine.config import Config
from mmengine.fileio.handlers import JsonHandler, YamlHandler
from mmengine.utils import get_object_from_string

from .. import compat
from ..errors import ModelError, reason
from ..files import check_is_file
from ..model_names import find_model, is_name

ENDINGS = ('.py', '.yaml', '.yml', '.json')
# Whose classes a file of data may name by their full path, as configs that mmengine dumped do.
_KNOWN_PACKAGES = ('mm', 'torch.nn.', 'torch.optim.', 'torchvision.')

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
    if Path(name).suffix not in ENDINGS:
        raise ModelError(f'{name} is not a config: it must end in .py, .yaml or .json.')
    try:
        with _data_stays_data():
            return Config.fromfile(name)
    except compat.DependencyError:
        raise
    except ImportError as error:
        raise ModelError(f'The config {name} cannot be read: {_why_not_imported(error)}') from error
    except Exception as error:  # a config is a program: anything can go wrong in it
        raise ModelError(f'The config {name} cannot be read: {reason(error)}') from error


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


class _DataLoader(getattr(yaml, 'CSafeLoader', yaml.SafeLoader)):  # type: ignore[misc]
    """YAML's plain types, and the tuples that mmengine writes."""


_DataLoader.add_constructor(
    'tag:yaml.org,2002:python/tuple', lambda loader, node: tuple(loader.construct_sequence(node, deep=True))
)


@contextlib.contextmanager
def _data_stays_data() -> Iterator[None]:
    """Let mmengine read YAML and JSON by functions that create no Python objects; its own create any."""
    with _reading:
        theirs = YamlHandler.load_from_fileobj, JsonHandler.load_from_fileobj
        YamlHandler.load_from_fileobj = lambda self, file, **kwargs: _checked(_yaml(file), file)
        JsonHandler.load_from_fileobj = lambda self, file, **kwargs: _checked(json.load(file), file)
        try:
            yield
        finally:
            YamlHandler.load_from_fileobj, JsonHandler.load_from_fileobj = theirs


def _yaml(file: Any) -> Any:
    try:
        return yaml.load(file, _DataLoader)  # a SafeLoader
    except yaml.constructor.ConstructorError as error:
        tag = (error.problem or '').rpartition('tag:yaml.org,2002:')[2].rstrip("'")
        raise ModelError(
            f'the tag !!{tag} asks for more than data, which YAML configs are here: write it as a .py config if you '
            'trust it.'
        ) from error


def _checked(content: Any, file: Any) -> Any:
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
