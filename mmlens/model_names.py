"""Models of installed packages by their names, as the packages' own inferencers take them; imports nothing heavy.

A package describes its models in metafiles: a name, aliases, the config, and where the weights are. A config that no
metafile describes goes by the name of its file.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .errors import ModelError

PACKAGES = ('mmdet', 'mmyolo', 'mmpretrain', 'mmseg', 'mmrotate', 'mmpose', 'mmaction', 'mmagic', 'mmocr', 'mmdet3d')

_ENDINGS = ('.py', '.yaml', '.yml', '.json')
_NAME = re.compile(r'^ *-? *Name: *["\']?([^"\'\n]+?)["\']? *$', re.M)


@dataclass(frozen=True)
class NamedModel:
    """A model of an installed package.

    Attributes:
        name: What the package calls it.
        config: Its config inside the package: ``mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py``.
        weights: The address of its weights; ``None`` if the package names none.
    """

    name: str
    config: str
    weights: Optional[str] = None

    @property
    def package(self) -> str:
        """The package that it comes with."""
        return self.config.partition('::')[0]


def is_name(text: str) -> bool:
    """Whether a text can be the name of a model: no path or file name, and nothing of that name is on the disk."""
    package, _, name = text.rpartition('::')
    if not re.fullmatch(r'[\w.+-]+', name) or name.endswith(_ENDINGS) or (package and package not in PACKAGES):
        return False
    return bool(package) or not Path(text).exists()


def find_model(name: str) -> NamedModel:
    """Find a model by its name, an alias, or the name of its config's file, in whatever package is installed.

    Args:
        name: Such as ``rtmdet_tiny_8xb32-300e_coco``; ``mmdet::rtmdet_tiny_8xb32-300e_coco`` looks in mmdet alone.

    Raises:
        ModelError: If there is none, with the nearest names; or if several packages have one.
    """
    package, _, wanted = name.rpartition('::')
    packages = [each for each in ([package] if package else PACKAGES) if _folder(each)]
    found = [model for each in packages for model in _of_package(each, wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ' or '.join(f'{model.package}::{wanted}' for model in found)
        raise ModelError(f"Several packages have a model '{wanted}': name it {names}.")
    raise ModelError(f"There is no config file or model '{name}'{_instead(wanted, packages)}.")


def config_path(config: str) -> Path:
    """The file of a config: a path, a path inside an installed package, or the name of a model.

    Raises:
        ModelError: If there is none.
    """
    if is_name(config):
        config = find_model(config).config
    package, inside, path = config.partition('::')
    if not inside:
        file = Path(config)
    else:
        folder = _folder(package)
        if folder is None:
            raise ModelError(f'No package {package} with configs is installed, which {config} is to lie in.')
        file = folder / 'configs' / (path if path.endswith(_ENDINGS) else f'{path}.py')
    if not file.is_file():
        raise ModelError(f'No config file {config}: check the path.')
    return file


def weights_of(config: str) -> Optional[str]:
    """The address of the weights of a config inside a package (``mmdet::...``); ``None`` if there is not one."""
    package, _, path = config.partition('::')
    if package not in PACKAGES or not _folder(package):
        return None
    return _weights(package, 'configs/' + (path if path.endswith('.py') else f'{path}.py'))


def _of_package(package: str, wanted: str) -> List[NamedModel]:
    for model in _described(package, wanted):
        names = [model.get('Name'), *_listed(model.get('Alias'))]
        if wanted.lower() in (str(name).lower() for name in names) and model.get('Config'):
            return [NamedModel(str(model['Name']), _inside(package, model['Config']), _address(model))]
    for path in _configs(package):
        if Path(path).stem.lower() == wanted.lower():
            return [NamedModel(Path(path).stem, _inside(package, path), _weights(package, path))]
    return []


def _weights(package: str, path: str) -> Optional[str]:
    """Of the models that a config describes, the weights of the one named like it, or else of the only one."""
    models = [model for model in _described(package, path) if model.get('Config') == path]
    own = [model for model in models if model.get('Name') == Path(path).stem]
    addresses = {_address(model) for model in own or models}
    return addresses.pop() if len(addresses) == 1 else None


def _address(model: Dict[str, Any]) -> Optional[str]:
    address = str(model.get('Weights') or '')
    return address if address.startswith(('http://', 'https://')) else None


def _inside(package: str, path: str) -> str:
    return f'{package}::{path[len("configs/") :] if path.startswith("configs/") else path}'


def _listed(value: Any) -> List[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _described(package: str, text: str) -> Iterator[Dict[str, Any]]:
    """The models of those metafiles that mention a text. Reading all of them as YAML would take seconds."""
    for content in _metafiles(package):
        if text.lower() in content.lower():
            import yaml

            try:
                read = yaml.load(content, getattr(yaml, 'CSafeLoader', yaml.SafeLoader))
            except yaml.YAMLError:
                continue
            models = read.get('Models') if isinstance(read, dict) else read
            yield from (model for model in models or [] if isinstance(model, dict))


def _metafiles(package: str) -> Iterator[str]:
    folder = _folder(package)
    index = folder / 'model-index.yml' if folder else None
    if folder is None or index is None or not index.is_file():
        return
    for name in re.findall(r'^\s*-\s*["\']?([^\s"\']+\.ya?ml)', index.read_text(encoding='utf-8'), re.M):
        if (folder / name).is_file():
            yield (folder / name).read_text(encoding='utf-8', errors='replace')


def _configs(package: str) -> Iterator[str]:
    """Paths of a package's configs, ``configs/...``, in order."""
    folder = _folder(package)
    for root, folders, files in os.walk(str(folder / 'configs')) if folder else ():
        folders[:] = sorted(name for name in folders if name != '_base_')
        for file in sorted(files):
            if file.endswith('.py') and not file.startswith('__'):
                yield (Path(root) / file).relative_to(str(folder)).as_posix()


def _folder(package: str) -> Optional[Path]:
    """Where an installed package keeps its configs and metafiles; the package is not imported."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    for place in (spec and spec.submodule_search_locations) or ():
        if (Path(place) / '.mim').is_dir():
            return Path(place) / '.mim'
    return None


def _instead(wanted: str, packages: List[str]) -> str:
    """What else there is, to end a sentence with."""
    if not packages:
        return ', and no package of OpenMMLab is installed that could have one: give a config file'
    known: Dict[str, Tuple[str, str]] = {}
    for package in packages:
        names = [name for content in _metafiles(package) for name in _NAME.findall(content)]
        for name in [*names, *(Path(path).stem for path in _configs(package))]:
            known.setdefault(name.lower(), (name, package))
    near = [known[name] for name in difflib.get_close_matches(wanted.lower(), known, 3)]
    if near:
        return ': the nearest are ' + ', '.join(f'{name} ({package})' for name, package in near)
    return f' in {", ".join(packages)}: give a config file, or the name of a model as their documentation lists it'
