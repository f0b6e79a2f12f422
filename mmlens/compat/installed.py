"""What is installed and whether it works, for reports of bugs."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from mmlens.compat.dependencies import PROVIDERS, DependencyError

# What kinds of networks need, besides what all of them do.
FAMILIES: Dict[str, Tuple[str, ...]] = {
    'detectors of mmdet': (),
    'detectors of mmyolo': ('mmyolo',),
    'classifiers': ('mmpretrain',),
    'segmentors': ('mmseg',),
    'pose estimators': ('mmpose',),
    'rotated boxes': ('mmrotate',),
}
# Packages that a part of mmlens uses where they are installed.
OPTIONAL = ('imageio-ffmpeg', 'av', 'shtab', 'scikit-image', 'jinja2', 'pandas', 'supervision', 'fiftyone')


def distributions() -> Dict[str, List[str]]:
    """Import name -> ``['onedl-mmcv 2.3.6']``: what brought it; more than one where they lie over each other."""
    found = {name: [_version(each) for each in providers] for name, providers in PROVIDERS.items()}
    return {name: [each for each in versions if each] for name, versions in found.items()}


def optional() -> List[str]:
    """The installed packages among :data:`OPTIONAL`, with their versions."""
    return [each for each in map(_version, OPTIONAL) if each]


def compiled_ops() -> Optional[str]:
    """The file of mmcv's compiled ops; ``''`` for an mmcv without any, ``None`` without mmcv. Nothing is imported."""
    spec = importlib.util.find_spec('mmcv')
    if spec is None:
        return None
    folders = spec.submodule_search_locations or ()
    return next((path.name for folder in folders for path in sorted(Path(folder).glob('_ext*.[sp][oy]*'))), '')


def stand_in_ops() -> List[str]:
    """The ops that are served where mmcv has none compiled. Imports torch."""
    from mmlens.compat import kernels

    return sorted({re.sub('_(forward|backward.*)$', '', name) for name in kernels.__all__})


def why_not(family: str) -> str:
    """Why a family of networks cannot be used here, and the cure; ``''`` if it can. Imports its packages."""
    from mmlens import compat

    try:
        compat.prepare(*FAMILIES[family])
    except DependencyError as error:
        return str(error)
    return ''


def device() -> str:
    """The device that is used by default, in words."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return f'device: none, torch cannot be imported ({type(error).__name__})'
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return f'device: cuda:0 of {", ".join(names)}; CUDA {torch.version.cuda}'
    built = f'CUDA {torch.version.cuda}' if torch.version.cuda else 'the CPU'
    return f'device: cpu, {torch.get_num_threads()} of its threads; torch is built for {built}'


def _version(distribution: str) -> str:
    try:
        return f'{distribution} {importlib.metadata.version(distribution)}'
    except importlib.metadata.PackageNotFoundError:
        return ''
