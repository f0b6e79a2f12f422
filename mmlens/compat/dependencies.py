"""What must be installed, and one clear sentence when it is missing, half-installed or does not fit.

Reason: OpenMMLab's packages come in two families with the same import names (the original one, and its maintained
continuation ``onedl-*``), so mmlens cannot hard-require either. pip lets one family overwrite the other silently, and
compiled packages break when torch changes under them. Delete a case below when its packages can no longer get there.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from functools import lru_cache
from typing import Dict, List, Optional

ALWAYS = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet')

# Import name -> the distributions that may have installed it; the two families of OpenMMLab overwrite each other.
PROVIDERS = {
    'torch': ('torch',),
    'torchvision': ('torchvision',),
    'numpy': ('numpy',),
    'mmengine': ('onedl-mmengine', 'mmengine', 'mmengine-lite'),
    'mmcv': ('onedl-mmcv', 'mmcv', 'mmcv-lite', 'mmcv-full'),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'mmyolo': ('mmyolo',),
    'mmpretrain': ('onedl-mmpretrain', 'mmpretrain'),
    'mmseg': ('onedl-mmsegmentation', 'mmsegmentation'),
    'mmrotate': ('onedl-mmrotate', 'mmrotate'),
    'mmpose': ('mmpose',),
    'mmaction': ('mmaction2',),
    'mmagic': ('mmagic',),
    'mmdet3d': ('mmdet3d',),
    'mmocr': ('mmocr',),
    'mmrazor': ('mmrazor',),
    'mmselfsup': ('mmselfsup',),
    'mmtrack': ('mmtrack',),
    'pytorch_grad_cam': ('grad-cam',),
}

# What to install in an environment of the original family; elsewhere, and of others, it is the first of the above.
ORIGINALS = {
    'mmengine': 'mmengine',
    'mmcv': '"mmcv-lite<2.2"',
    'mmdet': 'mmdet',
    'mmpretrain': 'mmpretrain',
    'mmseg': 'mmsegmentation ftfy regex',  # it imports these two without asking for them
    'mmrotate': '"mmrotate>=1.0.0rc1"',  # the last release is for mmdet 2
}

# Packages that pip knows by another name than the one they are imported by.
OTHER_NAMES = {'cv2': 'opencv-python-headless', 'PIL': 'pillow', 'skimage': 'scikit-image', 'yaml': 'pyyaml'}

Distribution = importlib.metadata.Distribution


class DependencyError(ImportError):
    """A package that mmlens needs is missing or broken: the message says which, and what to install."""


def require(*names: str) -> None:
    """Import packages, or say why that fails; repeated calls are cheap.

    Args:
        *names: Import names, in the order in which they build on each other, such as :data:`ALWAYS`.

    Raises:
        DependencyError: A package is missing, half-installed, or does not fit the others.
    """
    for name in names:
        _require(name)


def name_missing(error: ModuleNotFoundError) -> str:
    """One sentence for a module that is not installed: which package it belongs to, and how to install that."""
    package = (error.name or (str(error).split() or ['a package'])[0]).split('.')[0]
    # mmengine names the distribution of the original family.
    package = next((name for name, providers in PROVIDERS.items() if package in providers), package)
    if package in PROVIDERS:
        return _explain(package, ModuleNotFoundError(name=package))
    return f'{package} is not installed; run `pip install {OTHER_NAMES.get(package, package)}`.'


def versions() -> Dict[str, str]:
    """Versions of the installed packages among :data:`PROVIDERS`, by import name, without importing any of them."""
    found = {name: _distributions(name) for name in PROVIDERS}
    return {name: installed[0].version for name, installed in found.items() if installed}


@lru_cache(maxsize=None)  # a package that imported once is not checked again; a failure raises and is not cached
def _require(name: str) -> None:
    _refuse_two_families(name)
    _import(name)
    if name == 'torch':
        _refuse_other_numpy()
    elif name == 'mmengine':
        _refuse_no_pkg_resources()
    elif name == 'mmcv' and importlib.util.find_spec('mmcv._ext') is not None:
        _import('mmcv._ext')


def _refuse_two_families(name: str) -> None:
    """Files of two distributions mixed in one folder work by luck at best."""
    installed = _distributions(name)
    folders = [str(distribution.locate_file('')) for distribution in installed]
    if len(set(folders)) == len(folders):
        return
    both = [distribution.metadata['Name'] for distribution in installed]
    raise DependencyError(
        f'{" and ".join(both)} are installed over each other; run `pip uninstall -y {" ".join(both)}` and then '
        f'{_install(name)}.'
    )


def _import(name: str) -> None:
    """Import a package, and say what its failure means."""
    try:
        module = importlib.import_module(name)
    except (ImportError, OSError, RuntimeError, AttributeError, AssertionError) as error:
        raise DependencyError(_explain(name, error)) from error
    if getattr(module, '__file__', None) is None and not name.endswith('._ext'):
        raise DependencyError(f'{name} is half-installed: its folder holds no package; run {_reinstall(name)}.')


def _explain(name: str, error: BaseException) -> str:
    """One sentence for a failed import."""
    reason = ' '.join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and error.name == name:
        if _distributions(name):
            return f'{name} is half-installed: pip lists it but its files are gone; run {_reinstall(name)}.'
        return f'{name} is not installed; run {_install(name)}.'
    if name == 'mmcv._ext':
        return (
            f"mmcv's compiled ops do not fit torch {versions().get('torch')} ({reason}); they were compiled against "
            f'another one: run {_reinstall("mmcv")}.'
        )
    if 'torchvision::' in reason or (name == 'torchvision' and 'undefined symbol' in reason):
        return (
            f'torchvision {versions().get("torchvision")} does not match torch {versions().get("torch")} ({reason}); '
            'run `pip install --force-reinstall torch torchvision` to get two that were built for each other.'
        )
    if 'libGL' in reason:
        return (
            f'{name} cannot be imported because OpenCV needs a desktop library that this machine lacks ({reason}); '
            'run `pip uninstall -y opencv-python` and `pip install --force-reinstall opencv-python-headless`.'
        )
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(name):
        return f'{name} needs {error.name}, which is not installed; run `pip install {error.name.split(".")[0]}`.'
    return f'{name} cannot be imported ({type(error).__name__}: {reason}); run {_reinstall(name)}.'


def _refuse_other_numpy() -> None:
    """A torch older than 2.3 was compiled for numpy 1: with numpy 2 it can be imported but not given an array."""
    import numpy as np
    import torch

    try:
        torch.from_numpy(np.zeros(1))
    except RuntimeError as error:
        raise DependencyError(
            f'torch {torch.__version__} was compiled for numpy 1 and cannot use numpy {np.__version__}; '
            'run `pip install "numpy<2"`.'
        ) from error


def _refuse_no_pkg_resources() -> None:
    """The original mmengine asks pkg_resources where a package is installed; setuptools 82 no longer ships it."""
    from mmengine.utils import is_installed

    try:
        is_installed('torch')
    except ModuleNotFoundError as error:
        raise DependencyError(
            f'mmengine {versions().get("mmengine")} needs {error.name}, which comes with older setuptools; '
            'run `pip install "setuptools<81"`.'
        ) from error


def _distributions(name: str) -> List[Distribution]:
    """The installed distributions that provide an import name."""
    found = (_distribution(candidate) for candidate in PROVIDERS.get(name, (name,)))
    return [distribution for distribution in found if distribution is not None]


def _distribution(name: str) -> Optional[Distribution]:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _family() -> str:
    """The family whose packages are there already; 'onedl' when there are none."""
    names = [distribution.metadata['Name'] for name in PROVIDERS for distribution in _distributions(name)]
    original = any(re.fullmatch(r'mm(engine|cv|det|pretrain|segmentation)(-lite|-full)?', name) for name in names)
    return 'openmmlab' if original and not any(name.startswith('onedl-') for name in names) else 'onedl'


def _install(name: str) -> str:
    """The command that installs a missing package."""
    if name in ('torch', 'torchvision'):
        return '`pip install torch torchvision`'
    if name in ORIGINALS and _family() == 'openmmlab':
        return f'`pip install {ORIGINALS[name]}`'
    return f'`pip install {PROVIDERS.get(name, (OTHER_NAMES.get(name, name),))[0]}`'


def _reinstall(name: str) -> str:
    """The command that repairs a broken package without touching its dependencies."""
    installed = _distributions(name)
    if not installed:
        return _install(name)
    pinned = f'{installed[0].metadata["Name"]}=={installed[0].version}'
    return f'`pip install --force-reinstall --no-deps --no-cache-dir {pinned}`'
