"""What a model is, by the names of the classes it inherits from, so that no package needs to be imported."""

from __future__ import annotations

from typing import Any, Optional, Set

from torch import nn


def kinds_of(model: Any) -> Set[str]:
    """Names of a model's class and of all that it inherits from."""
    return {kind.__name__ for kind in type(model).__mro__}


def preprocessor_kinds(model: nn.Module) -> Set[str]:
    """Names of the classes of a model's data preprocessor, and of those inside it."""
    found: Set[str] = set()
    preprocessor: Any = getattr(model, 'data_preprocessor', None)
    while isinstance(preprocessor, nn.Module):
        found |= kinds_of(preprocessor)
        preprocessor = getattr(preprocessor, 'data_preprocessor', None)
    return found


def takes_views(model: nn.Module) -> bool:
    """Whether a model's preprocessor wants pictures collated, each perhaps in several views, as mmpretrain's
    self-supervised models do."""
    return 'SelfSupDataPreprocessor' in preprocessor_kinds(model)


def segments_only(model: nn.Module) -> bool:
    """Whether a model of mmdet predicts a class for each pixel but returns no objects: a panoptic segmentor.

    Mask2Former has such a head, but is a detector where its ``test_cfg`` asks for objects (``instance_on``).
    """
    if getattr(model, 'panoptic_fusion_head', None) is None:
        return False
    settings: Any = getattr(model, 'test_cfg', None)
    return not (isinstance(settings, dict) and settings.get('instance_on', False))


def pixel_classes(model: nn.Module) -> Optional[int]:
    """How many classes a pixel may have, read from the head that predicts them; ``None`` if there is none."""
    heads = (getattr(model, name, None) for name in ('panoptic_fusion_head', 'decode_head'))
    head: Any = next((each for each in heads if each is not None), None)
    head = head[-1] if isinstance(head, nn.ModuleList) and len(head) else head  # one head per stage
    number = getattr(head, 'num_classes', None)
    return number if isinstance(number, int) else None
