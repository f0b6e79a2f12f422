"""A checkpoint's weights, and whether they are those of the model: all of them, finite, under the same names."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple

import torch
from torch import Tensor, nn

from .. import compat
from ..defaults import modules_of
from ..downloads import cached_name, download, is_address
from ..errors import MmlensWarning, ModelError, OutputError, count
from ..files import check_is_file
from .prefixes import Fit, best_fit, states_in, without_wrappers

# With a larger share of values missing, the checkpoint is taken to be another model's.
_MISSING_SHARE = 0.1
# Weights of fewer values are copied into one tensor before they are looked at.
_SMALL = 4096


@dataclass
class Loaded:
    """What came of loading a checkpoint.

    Attributes:
        meta: The checkpoint's ``meta``.
        notes: Sentences for every result of the model.
    """

    meta: Any = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)


def load_weights(
    model: nn.Module, checkpoint: str, fill: Callable[[nn.Module], None], random_weights: bool = False
) -> Loaded:
    """Load a checkpoint into a model.

    Its weights may lie under another name than ``state_dict``, and all their names may begin with a prefix: of a
    wrapper, a teacher or an averaged model. Such are loaded where they fit the model entirely, with a note.

    Args:
        model: The model.
        checkpoint: File or address.
        fill: Sets random weights, where the checkpoint lacks some: layers may hold uninitialised memory till then.
        random_weights: Whether whatever the checkpoint lacks may stay random.

    Raises:
        ModelError: If the file cannot be read, belongs to another model, has no values for a head, or holds values
            that are not finite.
    """
    try:
        content = compat.load_checkpoint(local_file(checkpoint))
    except (compat.CheckpointError, OSError) as error:
        raise ModelError(str(error)) from error
    states = states_in(content)
    if not states:
        raise ModelError(f'{checkpoint} holds no weights: give a checkpoint that OpenMMLab saved.')
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    fit = best_fit(states, own)
    found = Loaded(content.get('meta') or {})
    if fit.entire and fit.moved:
        state = fit.state
        found.notes.append(fit.note(Path(checkpoint).name))
    else:
        state = without_wrappers(next(iter(states.values())), own)
    missing = _filled(model, state, checkpoint, fit)
    wanted = _wanted(model)
    if missing & set(wanted):
        found.notes += _judged(checkpoint, missing, wanted, fit, random_weights)
        fill(model)
        _filled(model, state, checkpoint, fit)
    _check_finite(model, checkpoint)
    return found


def _filled(model: nn.Module, state: Dict[str, Tensor], checkpoint: str, fit: Fit) -> Set[str]:
    """Load a state; the names of what it has no values for."""
    try:
        return set(model.load_state_dict(state, strict=False).missing_keys)
    except RuntimeError as error:
        raise ModelError(_does_not_fit(checkpoint, error, fit)) from error


def _wanted(model: nn.Module) -> Dict[str, Tensor]:
    """What predictions hang on: all parameters, and the buffers of real numbers, such as running means."""
    named: Dict[str, Tensor] = dict(model.named_parameters())
    buffers = dict(model.named_buffers())
    kept = set(model.state_dict())
    named.update({name: b for name, b in buffers.items() if name in kept and b.is_floating_point()})
    return named


def _judged(checkpoint: str, missing: Set[str], wanted: Dict[str, Tensor], fit: Fit, random_weights: bool) -> List[str]:
    """A note on values that are missing.

    Raises:
        ModelError: If they are too many, or make a head, and may not be random.
    """
    lacking = [name for name in wanted if name in missing]
    if len(lacking) == len(wanted) or (len(lacking) > _MISSING_SHARE * len(wanted) and not random_weights):
        raise ModelError(
            f'The checkpoint {checkpoint} belongs to another model: it has no values for {len(lacking)} of the '
            f"config's {len(wanted)} parameters and statistics, such as {lacking[0]}; {fit.hint()}give the config it "
            'was trained with.'
        )
    heads = [name for name in lacking if _is_of_a_head(name) and wanted[name].ndim > 1]
    if heads and not random_weights:
        raise ModelError(
            f'The checkpoint {checkpoint} has no values for {count(len(heads), "weight")} of the head, such as '
            f'{heads[0]}: what it predicts would be random; give the checkpoint of a whole model, or set '
            '`random_weights` to look at it all the same.'
        )
    sentence = f'{checkpoint} has no values for {len(lacking)} parameters, such as {heads[0] if heads else lacking[0]}'
    if random_weights:
        return [f'{sentence}: they are random{", and so is what is predicted" if heads else ""}.']
    warnings.warn(f'{sentence}.', MmlensWarning, stacklevel=4)
    return []


def _is_of_a_head(name: str) -> bool:
    """Whether a weight is a head's; auxiliary ones predict nothing."""
    parts = name.split('.')[:-1]
    return any('head' in part for part in parts) and not any(part.startswith('aux') for part in parts)


def _check_finite(model: nn.Module, checkpoint: str) -> None:
    """Check that the weights are numbers.

    Raises:
        ModelError: If some are not.
    """
    _refuse_broken(
        model,
        f'The checkpoint {checkpoint}',
        'its training diverged, or the file is damaged; take an earlier checkpoint.',
    )


def check_given(model: nn.Module) -> None:
    """Check that the weights of a model that was handed over are numbers, as those of a checkpoint are.

    This reads every weight once, which is little beside a forward pass, and is therefore done each time: a model in
    training changes in between, and what is written through ``.data`` leaves no trace.

    Raises:
        ModelError: If some are not.
    """
    if not _all_finite(model):
        _refuse_broken(model, 'The model', 'its training diverged, or they were set so; take earlier weights.')


def _refuse_broken(model: nn.Module, holder: str, advice: str) -> None:
    broken = list(broken_weights(model))
    if broken:
        name, what = broken[0]
        raise ModelError(
            f'{holder} holds {what} in {count(len(broken), "tensor")} of weights, such as {name}: {advice}'
        )


@torch.no_grad()
def _all_finite(model: nn.Module) -> bool:
    """Whether the sums of all weights are finite, by one question to each device; sums of large ones may not be."""
    small: Dict[Tuple[torch.device, torch.dtype], List[Tensor]] = {}  # joined: each call of torch costs
    sums: Dict[torch.device, List[Tensor]] = {}
    for module in modules_of(model):
        for value in (*module._parameters.values(), *module._buffers.values()):
            if value is None or not value.is_floating_point():
                continue
            if value.numel() < _SMALL:
                small.setdefault((value.device, value.dtype), []).append(value.reshape(-1))
            else:
                sums.setdefault(value.device, []).append(value.sum(dtype=torch.float32))
    for (device, _), values in small.items():
        sums.setdefault(device, []).append(torch.cat(values).sum(dtype=torch.float32))
    return all(bool(torch.stack(each).isfinite().all()) for each in sums.values())


def broken_weights(model: nn.Module) -> Iterator[Tuple[str, str]]:
    """Names of weights and statistics that are not finite, and what they hold.

    Masks of attention are buffers too, and hold -infinity on purpose.
    """
    of_buffers = {name for name, _ in model.named_buffers()}
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if not value.is_floating_point() or not value.numel():
            continue
        value = value.detach()
        if value.element_size() < 4:  # torch 2.1 knows no such minimum on a CPU
            value = value.float()
        low, high = value.aminmax()
        if bool(low.isnan()) or bool(high.isnan()):
            yield name, 'NaN'
        elif bool(high.isinf()) or (bool(low.isinf()) and name not in of_buffers):
            yield name, 'infinite values'


def _does_not_fit(checkpoint: str, error: RuntimeError, fit: Fit) -> str:
    mismatches = [line.strip() for line in str(error).splitlines() if 'size mismatch' in line]
    if not mismatches:
        return (
            f'The checkpoint {checkpoint} cannot be loaded into the model: {" ".join(str(error).split()).rstrip(".")}.'
        )
    name = mismatches[0].replace('size mismatch for ', '').split(':')[0]
    return (
        f'The checkpoint {checkpoint} belongs to another model: {len(mismatches)} parameters differ in shape, such as '
        f'{name}; {fit.hint()}give the config it was trained with (its number of classes too).'
    )


def local_file(checkpoint: str) -> str:
    """The path of a checkpoint; one at an address is downloaded into torch's cache once.

    Raises:
        ModelError: If there is none, or it cannot be kept.
    """
    if is_address(checkpoint):
        path = Path(torch.hub.get_dir()) / 'checkpoints' / cached_name(checkpoint)
        if not path.is_file():
            try:
                download(checkpoint, path, ModelError)
            except OutputError as error:
                raise ModelError(
                    f'{checkpoint} cannot be kept in {path.parent}: set TORCH_HOME to a folder.'
                ) from error
        return str(path)
    check_is_file(checkpoint, 'checkpoint')
    return checkpoint
