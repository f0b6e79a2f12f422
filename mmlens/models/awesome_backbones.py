"""Configs of Awesome-Backbones (https://github.com/Fafa-DL/Awesome-Backbones), as configs of mmpretrain.

They are small dictionaries in the words of MMClassification 0.x, over the same backbones, necks and heads:
``model_cfg``, ``val_pipeline``, and the weights in ``data_cfg.test.ckpt``. Names of weights are mostly the same;
where they are not, loading says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from mmengine.config import Config

from ..errors import ModelError

# The names of the classes, beside the folder of the configs: a name and an index in each line.
_CLASSES = Path('datas') / 'annotations.txt'
_IMAGENET = 1000
_NETWORK = ('backbone', 'neck', 'head')
# Backbones that were renamed.
_OTHER_NAMES = {'BEiT': 'BEiTViT'}
_FORMAT = ('ImageToTensor', 'ToTensor', 'Collect')

Step = Dict[str, Any]


def converted(cfg: Config) -> Config:
    """A config of mmpretrain that says the same as one of Awesome-Backbones; any other as it is.

    Args:
        cfg: As it was read from a file.

    Raises:
        ModelError: If something in it cannot be said in mmpretrain's words.
    """
    if 'model_cfg' not in cfg or 'model' in cfg:
        return cfg
    where = f'The config {cfg.filename} of Awesome-Backbones'
    network = cfg.model_cfg
    missing = [name for name in ('backbone', 'head') if not network.get(name)]
    if missing or 'val_pipeline' not in cfg:
        raise ModelError(f"{where} has no '{(missing or ['val_pipeline'])[0]}': a classifier needs one.")
    steps = [dict(step) for step in cfg.val_pipeline]
    pipeline = [*_pictures(steps, where), dict(type='PackInputs')]
    classes = _classes(network.head.get('num_classes'), cfg.filename)
    dataset = {'type': 'CustomDataset', 'pipeline': pipeline, **classes}
    model = {name: network[name] for name in _NETWORK if network.get(name)}
    model['backbone'] = _backbone(dict(network.backbone))
    content = dict(
        default_scope='mmpretrain',
        model=dict(type='ImageClassifier', data_preprocessor=_values(steps), **model),
        test_dataloader=dict(dataset=dataset),
        load_from=_weights(cfg),
    )
    return Config(content, filename=cfg.filename)


def _backbone(settings: Dict[str, Any]) -> Dict[str, Any]:
    """A backbone's settings, where mmpretrain has another word for what it puts out."""
    settings['type'] = _OTHER_NAMES.get(settings['type'], settings['type'])
    if {'avg_token', 'output_cls_token'} & set(settings):
        mean, token = settings.pop('avg_token', False), settings.pop('output_cls_token', True)
        settings.pop('with_cls_token', None)  # its backbones have one as far as they need it
        settings['out_type'] = 'avg_featmap' if mean else 'cls_token' if token else 'featmap'
    return settings


def _pictures(steps: List[Step], where: str) -> List[Step]:
    """The steps that load a picture and change its size."""
    found: List[Step] = []
    for step in steps:
        kind = step.pop('type')
        if kind in _SAID:
            found.append(_SAID[kind](step))
        elif kind != 'Normalize' and kind not in _FORMAT:
            raise ModelError(
                f"{where} has the transform '{kind}' in its val_pipeline, which mmpretrain has no word for."
            )
        step['type'] = kind
    return found


def _resize(step: Step) -> Step:
    size, side = step.get('size'), step.get('adaptive_side', 'short')
    how: Dict[str, Any] = {key: step[key] for key in ('interpolation', 'backend') if key in step}
    if isinstance(size, int):
        return dict(type='Resize', scale=(size, size), **how)
    height, width = size  # type: ignore[misc]
    if width == -1:
        return dict(type='ResizeEdge', scale=height, edge=side, **how)
    return dict(type='Resize', scale=(width, height), **how)


def _center_crop(step: Step) -> Step:
    if not step.get('efficientnet_style'):
        return dict(type='CenterCrop', crop_size=step['crop_size'])
    how: Dict[str, Any] = {key: step[key] for key in ('crop_padding', 'backend') if key in step}
    return dict(
        type='EfficientNetCenterCrop',
        crop_size=step['crop_size'],
        interpolation=step.get('interpolation', 'bilinear'),
        **how,
    )


_SAID: Dict[str, Callable[[Step], Step]] = {
    'LoadImageFromFile': lambda step: dict(type='LoadImageFromFile', **step),
    'Resize': _resize,
    'CenterCrop': _center_crop,
}


def _values(steps: List[Step]) -> Dict[str, Any]:
    """What mmpretrain does to the values of a batch, and they do to those of a picture."""
    for step in steps:
        if step['type'] == 'Normalize':
            return dict(mean=list(step['mean']), std=list(step['std']), to_rgb=step.get('to_rgb', True))
    return dict(mean=None, std=None, to_rgb=False)


def _root(file: Optional[str]) -> List[Path]:
    """Folders that paths in a config may be relative to: the working folder, and those above the config."""
    return [Path(), *(Path(file).absolute().parents[:3] if file else ())]


def _weights(cfg: Config) -> Optional[str]:
    """The checkpoint of ``data_cfg.test.ckpt``."""
    named = ((cfg.get('data_cfg') or {}).get('test') or {}).get('ckpt')
    found = [str(folder / named) for folder in _root(cfg.filename) if named and (folder / named).is_file()]
    return found[0] if found else named or None


def _classes(number: Optional[int], file: Optional[str]) -> Dict[str, Any]:
    """The names of the classes: those of a list of as many where Awesome-Backbones keeps it, or ImageNet's."""
    for folder in _root(file):
        try:
            lines = (folder / _CLASSES).read_text(encoding='utf-8').split('\n')
            pairs = [line.strip().rpartition(' ') for line in lines if line.strip()]
            names = {int(index): name for name, _, index in pairs}
        except (OSError, ValueError):
            continue
        if sorted(names) == list(range(number or 0)):
            return dict(metainfo=dict(classes=[names[index] for index in sorted(names)]))
    return dict(type='ImageNet') if number == _IMAGENET else {}
