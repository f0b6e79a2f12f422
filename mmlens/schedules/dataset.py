"""How many iterations an epoch has: from the training set, or from its size alone."""

from __future__ import annotations

import contextlib
import copy
from typing import Any, Dict, Iterator, Optional

from mmengine.config import Config
from torch import distributed
from torch.utils.data import DataLoader, Dataset

from ..errors import ModelError, reason, why
from ..pipelines import unwrap_dataset

# Wrappers whose length is not that of what they wrap.
_LENGTHENING = ('ClassBalancedDataset', 'RepeatDataset')


class SizedDataset(Dataset):
    """Stands for a dataset of which only the size is known."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.metainfo: Dict[str, Any] = {}

    def __len__(self) -> int:
        return self.size


def build_training_set(cfg: Config) -> Any:
    """Build the training set of a config, wrappers and all, without its pipelines.

    Raises:
        ModelError: If it cannot be built, or is empty.
    """
    from mmengine.registry import DATASETS

    dataset_cfg = copy.deepcopy(cfg.train_dataloader.dataset)
    for inner in unwrap_dataset(dataset_cfg):
        if 'pipeline' in inner:
            inner['pipeline'] = []  # counting needs no pictures
    try:
        dataset = DATASETS.build(dataset_cfg)
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
    except Exception as error:  # a dataset is anybody's code
        raise ModelError(
            f'The training set of the config cannot be read: {why(error)} '
            'To do without it, give the number of its pictures: --dataset-size N.'
        ) from error
    dataset.__deepcopy__ = lambda memo: dataset  # the Runner copies a loader's config, and this may be large
    if not len(dataset):
        raise ModelError('The training set of the config is empty: check its paths, or give --dataset-size N.')
    return dataset


def size_with_wrappers(cfg: Config) -> Optional[str]:
    """A sentence for whoever gives the size of a set that the config lengthens."""
    kind = cfg.train_dataloader.get('dataset', {}).get('type', '')
    kind = kind if isinstance(kind, str) else kind.__name__
    if kind.split('.')[-1] not in _LENGTHENING:
        return None
    return f'the config lengthens its training set by {kind}: the dataset size is taken as that of the lengthened set'


def build_loader(loader_cfg: Dict[str, Any], dataset: Any, world_size: int) -> DataLoader:
    """Build the data loader that one of several processes gets, as mmengine's Runner does, to ask it for its length.

    Args:
        loader_cfg: The config's ``train_dataloader``.
        dataset: The training set, or what stands for it.
        world_size: Number of processes.

    Raises:
        ModelError: If it cannot be built, or has no full batch.
    """
    from mmengine.runner import Runner

    alone = {key: value for key, value in loader_cfg.items() if key not in ('persistent_workers', 'prefetch_factor')}
    alone.update(dataset=dataset, num_workers=0)
    try:
        with as_one_of(world_size):
            loader = Runner.build_dataloader(alone, seed=0)
            length = len(loader)
    except Exception as error:  # samplers are anybody's code
        sentence = f'The train_dataloader of the config cannot be built: {reason(error)}'
        if isinstance(dataset, SizedDataset):
            sentence += ' It looks into the dataset, which must be there for that: leave out --dataset-size.'
        raise ModelError(sentence) from error
    if not length:
        raise ModelError(f'An epoch of {len(dataset)} pictures has no full batch: check --dataset-size and batch_size.')
    return loader


@contextlib.contextmanager
def as_one_of(world_size: int) -> Iterator[None]:
    """Let code in the block find itself in the first of so many processes; there is no communication."""
    if world_size == 1:
        yield
        return
    # What mmengine.dist asks.
    pretended = [
        (distributed, 'is_available', lambda: True),
        (distributed, 'is_initialized', lambda: True),
        (distributed, 'get_world_size', lambda group=None: world_size),
        (distributed, 'get_rank', lambda group=None: 0),
        (distributed.distributed_c10d, '_get_default_group', lambda: None),
    ]
    with contextlib.ExitStack() as stack:
        for module, name, answer in pretended:
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, answer)
        yield
