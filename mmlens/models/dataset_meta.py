"""What is known of the data that a model was trained on: names of classes, and keypoints."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from mmengine.config import Config

from ..pipelines import unwrap_dataset


def meta_of_checkpoint(meta: Any) -> Dict[str, Any]:
    """Class names that a checkpoint holds in its ``meta``; empty if it holds none that can be read."""
    meta = meta if isinstance(meta, dict) else {}
    written = meta.get('dataset_meta')
    if isinstance(written, dict) and written:
        return _parsed({str(key).lower(): value for key, value in written.items()})
    return {'classes': meta['CLASSES']} if meta.get('CLASSES') else {}


def meta_of_config(cfg: Config) -> Dict[str, Any]:
    """Class names written in a config, else those of its test set's type; the scope must be the config's own."""
    datasets = [(cfg.get(f'{phase}_dataloader') or {}).get('dataset') for phase in ('test', 'val', 'train')]
    inner = [unwrap_dataset(dataset)[0] for dataset in datasets if dataset]
    if not inner:
        return {}
    # Configs of trackers name the classes only for training.
    written = [_lowered(dataset.get('metainfo')) for dataset in inner]
    chosen = next((each for each in written if 'classes' in each), written[0])
    return _parsed({**_metainfo_of_type(inner[0]), **chosen})


def _metainfo_of_type(dataset: Dict[str, Any]) -> Dict[str, Any]:
    from mmengine.registry import DATASETS

    kind = dataset.get('type')
    with DATASETS.switch_scope_and_registry(None) as registry:  # that of the config's own library
        dataset_class = registry.get(kind) if isinstance(kind, str) else kind
    return _lowered(getattr(dataset_class, 'METAINFO', None))


def _lowered(metainfo: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    return {key.lower(): value for key, value in (metainfo or {}).items()}


def _parsed(metainfo: Dict[str, Any]) -> Dict[str, Any]:
    """mmpose's description of keypoints, which may be in a separate file, in the form its models expect."""
    if not {'from_file', 'keypoint_info'} & set(metainfo):
        return metainfo
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    return {key.lower(): value for key, value in parse_pose_metainfo(metainfo).items()}


def names_in(meta: Dict[str, Any]) -> List[str]:
    """The class names; a single one may be written without a list around it, and whatever is no list is none."""
    classes = meta.get('classes')
    if isinstance(classes, str):
        return [classes]
    return [str(name) for name in classes] if isinstance(classes, (list, tuple)) else []
