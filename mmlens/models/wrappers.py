"""The part of a wrapper (DataParallel, a tracker, a semi-supervised detector, a distiller) that predicts."""

from __future__ import annotations

import copy
from typing import Any, Dict, List, NamedTuple, Optional

from mmengine.config import Config
from mmengine.model import BaseDataPreprocessor
from torch import nn

from ..pipelines import test_pipeline

# Which of several whole models in a wrapper predicts, in order of preference: trackers hold a detector and a
# re-identification network, distillers an architecture or a student and its teacher.
_PREDICTING = ('detector', 'architecture', 'student')


class Part(NamedTuple):
    """The part of a model that predicts.

    Attributes:
        model: The part, or the model itself if it is not a wrapper. Where the wrapper prepares the inputs, this is a
            copy of the part's outermost module with the wrapper's preprocessor; all layers are the wrapper's own.
        cfg: The whole config, with a test pipeline for single pictures.
        note: A sentence that says which part it is; ``''`` where layers keep their names.
        path: Where it lies in the wrapper, such as ``'detector'``; ``''`` if the model is not a wrapper.
    """

    model: nn.Module
    cfg: Optional[Config]
    note: str
    path: str


def can_run(model: Any) -> bool:
    """Whether something is a whole model of an OpenMMLab package: one that prepares its own inputs."""
    return isinstance(model, nn.Module) and hasattr(model, 'data_preprocessor') and hasattr(model, '_run_forward')


def predicting_part(model: nn.Module, cfg: Optional[Config] = None) -> Part:
    """Find the part of a model that predicts, through wrappers in wrappers.

    A wrapper is recognised by what it has: no backbone of its own, and children that are whole models.

    Args:
        model: Any model.
        cfg: The whole config. Defaults to the model's.
    """
    cfg = getattr(model, 'cfg', None) if cfg is None else cfg
    part: Any = model
    steps: List[str] = []
    preprocessor: Optional[nn.Module] = None
    named = model  # the outermost wrapper in which layers have longer names than in the part
    while True:
        name = _name_of_part(part)
        if name is None:
            break
        if 'data_preprocessor' in part._modules:  # otherwise it only runs another model, as DataParallel does
            named = named if steps else part
            steps.append(name)
            preprocessor = preprocessor or _own_preprocessor(part)
        part = part._modules[name]
        cfg = getattr(part, 'cfg', None) if cfg is None else cfg
    if preprocessor is not None:
        part = _prepared_by(preprocessor, part)
    if not steps:
        return Part(part, cfg, '', '')
    path = '.'.join(steps)
    which = f'{type(named).__name__} predicts with its {path}, {type(part).__name__}'
    return Part(
        part, None if cfg is None else _for_single_pictures(cfg), f'{which}: layers are named as in there.', path
    )


def _name_of_part(model: nn.Module) -> Optional[str]:
    """The child of a wrapper that predicts; ``None`` if the model is not a wrapper."""
    if 'backbone' in model._modules:
        return None
    whole = [name for name, child in model._modules.items() if _holds_model(child)]
    if len(whole) < 2:
        return whole[0] if whole else None
    semi = getattr(model, 'semi_test_cfg', None)
    asked_for = None if semi is None else semi.get('predict_on', 'teacher')
    return next((name for name in (asked_for, *_PREDICTING) if name in whole), None)


def _holds_model(child: Any) -> bool:
    """Whether it is a whole model, or holds nothing but one."""
    inside = list(child._modules.values()) if isinstance(child, nn.Module) else []
    return can_run(child) or (len(inside) == 1 and _holds_model(inside[0]))


def _own_preprocessor(wrapper: nn.Module) -> Optional[nn.Module]:
    """The wrapper's preprocessor for single pictures; ``None`` if it leaves that to its part."""
    preprocessor: Any = wrapper._modules['data_preprocessor']
    while isinstance(
        getattr(preprocessor, 'data_preprocessor', None), nn.Module
    ):  # it only distributes pictures to branches
        preprocessor = preprocessor.data_preprocessor
    if type(preprocessor) is BaseDataPreprocessor:  # the default of models that were given none
        return None
    return _OneFrame(preprocessor) if hasattr(preprocessor, 'use_det_processor') else preprocessor


def _prepared_by(preprocessor: nn.Module, part: nn.Module) -> nn.Module:
    """A copy of the part with another data preprocessor; the user's own part is not changed."""
    prepared = copy.copy(part)
    prepared._modules = {**part._modules, 'data_preprocessor': preprocessor}
    return prepared


class _OneFrame(nn.Module):
    """Lets a preprocessor of mmdet's trackers prepare a single picture, as a video of one frame."""

    def __init__(self, preprocessor: nn.Module) -> None:
        super().__init__()
        self.of_videos = preprocessor

    def forward(self, data: Dict[str, Any], training: bool = False) -> Dict[str, Any]:
        from mmdet.structures import TrackDataSample

        (picture,), (sample,) = data['inputs'], data['data_samples']
        video = TrackDataSample()
        video.video_data_samples = [sample]
        batch = self.of_videos(dict(inputs=[picture[None]], data_samples=[video]), training)
        return dict(inputs=batch['inputs'][:, 0], data_samples=[video[0] for video in batch['data_samples']])


def _for_single_pictures(cfg: Config) -> Config:
    """The config, with a test pipeline for the frames of a video turned into one for a picture."""
    steps = test_pipeline(cfg)
    single = [one for step in steps for one in _without_frames(step)]
    if single == steps:
        return cfg
    changed = copy.deepcopy(cfg)
    for loader in ('test_dataloader', 'val_dataloader'):  # their pipelines take precedence
        changed.pop(loader, None)
    changed.test_pipeline = single
    return changed


def _without_frames(step: Dict[str, Any]) -> List[Dict[str, Any]]:
    name = step['type'] if isinstance(step['type'], str) else step['type'].__name__
    kind = name.rsplit('.', 1)[-1]
    if kind == 'TransformBroadcaster':
        return [inner for one in step['transforms'] for inner in _without_frames(one)]
    if kind.endswith('FrameSample'):
        return []
    return [dict(type='mmdet.PackDetInputs')] if kind == 'PackTrackInputs' else [step]
