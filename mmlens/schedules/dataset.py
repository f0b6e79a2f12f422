"""How many iterations an epoch has, from the training set or from its size alone."""

from __future__ import annotations

import contextlib
import copy
from typing import Any, Dict, Iterator, Optional

from mmengine.config import Config
from torch import distributed
from torch.utils.data import DataLoader, Dataset

from ..errors import ModelError, reason, why
from ..pipelines import unwrap_dataset

# Wrappers that are longer than what they wrap.
_LENGTHENING = ('ClassBalancedDataset', 'RepeatDataset')


class SizedDataset(Dataset):
    """Stands in for a dataset of which only the size is known."""

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
    except Exception as error:  # datasets run arbitrary user code
        raise ModelError(
            f'The training set of the config cannot be read: {why(error)} '
            'To do without it, give its number of pictures with `dataset_size=N`.'
        ) from error
    dataset.__deepcopy__ = lambda memo: dataset  # the Runner copies loader configs, and this may be large
    if not len(dataset):
        raise ModelError('The training set of the config is empty: check its paths, or use `dataset_size=N`.')
    return dataset


def size_with_wrappers(cfg: Config) -> Optional[str]:
    """A note for whoever gives the size of a set that the config repeats."""
    kind = cfg.train_dataloader.get('dataset', {}).get('type', '')
    kind = kind if isinstance(kind, str) else kind.__name__
    if kind.split('.')[-1] not in _LENGTHENING:
        return None
    return f'the config wraps its training set in {kind}: the dataset size is taken to include the repetitions'


def build_loader(loader_cfg: Dict[str, Any], dataset: Any, world_size: int) -> DataLoader:
    """Build the data loader of one of several processes, as mmengine's Runner does, to ask for its length.

    Args:
        loader_cfg: The config's ``train_dataloader``.
        dataset: The training set, or a stand-in.
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
    except Exception as error:  # samplers run arbitrary user code
        sentence = f'The train_dataloader of the config cannot be built: {reason(error)}'
        if isinstance(dataset, SizedDataset):
            sentence += ' It reads the dataset itself, so leave out `dataset_size`.'
        raise ModelError(sentence) from error
    if not length:
        raise ModelError(f'An epoch of {len(dataset)} pictures has no full batch: check `dataset_size` and batch_size.')
    return loader


@contextlib.contextmanager
def as_one_of(world_size: int) -> Iterator[None]:
    """Make code in the block believe it runs in the first of this many processes. Nothing is communicated."""
    if world_size == 1:
        yield
        return
    # What mmengine.dist queries.
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
