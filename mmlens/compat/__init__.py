"""Every version check and shim of mmlens, so that nothing else needs to know which stack it runs on.

:func:`prepare` is called once, before mmdet, mmyolo or mmpretrain is imported. This room imports nothing else of
mmlens, and no torch until something of it is used.
"""

from __future__ import annotations

from mmlens.compat import (
    mmcv_attention,
    mmcv_ops,
    mmcv_soft_nms,
    mmcv_version,
    mmdet_grounding_dino,
    mmdet_ssd,
    mmengine_metafiles,
    mmengine_names,
    mmpose_xtcocotools,
    silence,
)
from mmlens.compat.checkpoint import CheckpointError, load_checkpoint
from mmlens.compat.dependencies import ALWAYS, PROVIDERS, DependencyError, name_missing, require, versions
from mmlens.compat.plain_data import PlainDataError, only_data

__all__ = [
    'CheckpointError',
    'DependencyError',
    'PlainDataError',
    'load_checkpoint',
    'name_missing',
    'only_data',
    'prepare',
    'require',
    'versions',
]


def prepare(*names: str) -> None:
    """Install the shims that this stack needs, then check that what is needed can be imported. Idempotent.

    Args:
        *names: Packages needed besides torch, torchvision, mmengine, mmcv and mmdet, such as 'mmyolo', 'mmpretrain',
            'mmseg' or 'pytorch_grad_cam'. A config's own scope that is no package of OpenMMLab's is left to the config.

    Raises:
        DependencyError: A package is missing or half-installed; the message says what to install.
    """
    silence.install()
    mmcv_ops.install()
    mmcv_attention.install()
    mmcv_soft_nms.install()
    mmcv_version.install()
    mmdet_ssd.install()
    mmdet_grounding_dino.install()
    mmengine_names.install()
    mmengine_metafiles.install()
    mmpose_xtcocotools.install()
    require(*ALWAYS, *(name for name in names if name in PROVIDERS))
