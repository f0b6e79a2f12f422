"""Fusion: how the maps of several levels and layers become one map on the input's grid."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import MethodError
from .windows import any_nonzero, reads_at_once, which_nonzero

Size = Tuple[int, int]

# Orders the pixels that a product leaves next to nothing; too little to show, or to count much as energy.
_FLOOR = 1e-4
# Cells along a side up to which interpolation by matrices is the faster way.
_FEW_CELLS = 256


@dataclass(frozen=True)
class LevelMap:
    """The map of one level of one layer.

    Attributes:
        layer: The layer's name.
        values: Shape (h, w), float32, >= 0.
    """

    layer: str
    values: Tensor

    @classmethod
    def of(cls, layer: str, signed: Tensor, max_shape: Optional[Size] = None) -> LevelMap:
        """The positive part of a map (h, w).

        Args:
            layer: The layer's name.
            signed: The map.
            max_shape: Average a larger map down to at most this ``(h, w)``; ``-1`` leaves a side as it is.
        """
        values = signed.float().clamp_min(0)
        if max_shape is not None:
            height, width = (min(n, m) if m > 0 else n for n, m in zip(values.shape, max_shape))
            values = F.adaptive_avg_pool2d(values[None], (height, width))[0]
        return cls(layer, values)


# (maps, (H, W) of the input) -> one map (H, W), float32, >= 0
Fusion = Callable[[Sequence[LevelMap], Size], Tensor]

_FUSIONS: Dict[str, Fusion] = {}


def register_fusion(name: str) -> Callable[[Fusion], Fusion]:
    """Register a fusion under a name; then every command and function takes it.

    A fusion takes the maps (:class:`LevelMap`), any number of them, fine ones first as the layers were named, and
    the input's ``(H, W)``. It returns one map (H, W), float32, >= 0, which is all zero if there is nothing to fuse.

    Args:
        name: Looked up case-insensitively.

    Raises:
        MethodError: If the name is taken by another fusion.

    Example:
        >>> @register_fusion('finest')
        ... def finest(maps, size):
        ...     largest = max(maps, key=lambda level: level.values.numel())
        ...     return on_grid(largest.values, size)
    """

    def decorate(fusion: Fusion) -> Fusion:
        known = _FUSIONS.get(name.lower())
        if known is not None and (known.__module__, known.__qualname__) != (fusion.__module__, fusion.__qualname__):
            raise MethodError(f"The fusion name '{name}' is taken: register yours under another one.")
        _FUSIONS[name.lower()] = fusion
        return fusion

    return decorate


def get_fusion(name: str) -> Fusion:
    """Find a fusion by name, case-insensitively.

    Raises:
        MethodError: If there is none of that name.
    """
    if name.lower() in _FUSIONS:
        return _FUSIONS[name.lower()]
    near = difflib.get_close_matches(name.lower(), _FUSIONS, n=1)
    hint = f'did you mean {near[0]}?' if near else f'choose one of {", ".join(available_fusions())}.'
    raise MethodError(f"Unknown fusion '{name}': {hint}")


def available_fusions() -> List[str]:
    """Names of the registered fusions, sorted."""
    return sorted(_FUSIONS)


def on_grid(values: Tensor, size: Size) -> Tensor:
    """Interpolate a map (h, w) >= 0 on another grid (H, W); half-pixel centres, for cells are squares.

    Cubic keeps more of a small object's evidence in its box than linear, which smears its outer cells over their
    neighbours.
    """
    if values.shape == size:
        return values
    return F.interpolate(values[None, None], size, mode='bicubic', align_corners=False)[0, 0].clamp_min(0)


@register_fusion('sum')
def add_levels(maps: Sequence[LevelMap], size: Size) -> Tensor:
    """Add the raw maps: gradients carry the scale, so the box's own level wins by itself."""
    total = _blank(maps, size)
    for level in maps:
        if not reads_at_once(level.values) or any_nonzero(level.values):  # most boxes depend on one level
            total += on_grid(level.values, size)
    return total


@register_fusion('max')
def strongest_level(maps: Sequence[LevelMap], size: Size) -> Tensor:
    """The maximum of the maps, each scaled to its own maximum.

    Source: Ultralytics' LayerCAM for YOLO, version 8.4.
    """
    total = _blank(maps, size)
    for level in maps:
        total = torch.maximum(total, _scaled(on_grid(level.values, size)))
    return total


@register_fusion('product')
def multiply_layers(maps: Sequence[LevelMap], size: Size) -> Tensor:
    """Multiply the layers' maps: evidence is where layers of every stride see it.

    ``P / max P + 1e-4 mean_l F_l`` with ``P = prod_l F_l^k_l``, where ``F_l`` is the sum of the maps of layer l's
    levels, blurred by a Gaussian as wide as a cell of the finest layer and scaled to its maximum. The power ``k_l`` is
    3 for the finest layer, 2 for the last but one of three or more, as they were named, and 1 for the others.

    Source: the product is RefineCAM's (2026, https://arxiv.org/abs/2605.14641). Different from there, and measured on
    detectors (docs/truth.md): the levels of a layer are added up first, because their gradients share one scale and a
    box uses one or two of them; a layer on which the box does not depend is left out and not a factor of zero; the
    finest layer, which alone tells neighbouring pixels apart, counts three times, and the last but one (of ``auto``,
    the backbone's coarsest) twice: those between agree on outlines more than on what makes the class. The floor keeps
    the order of the other pixels without taking energy.
    """
    layers: Dict[str, List[Tensor]] = {}
    for level, seen in zip(maps, which_nonzero([level.values for level in maps])):
        if seen:
            layers.setdefault(level.layer, []).append(level.values)
    if not layers:
        return _blank(maps, size)
    finest = max((values for levels in layers.values() for values in levels), key=Tensor.numel)
    grid = (finest.shape[0], finest.shape[1])
    added = torch.stack([torch.stack([_enlarged(each, grid) for each in levels]).sum(0) for levels in layers.values()])
    factors = torch.stack([_scaled(blurred) for blurred in _blurred(added)])
    powers = torch.tensor(_powers(maps, layers), device=factors.device)
    product = (factors ** powers[:, None, None]).prod(0)
    return _enlarged(_scaled(product) + _FLOOR * factors.mean(0), size)


def _powers(maps: Sequence[LevelMap], used: Dict[str, List[Tensor]]) -> List[float]:
    """How often each used layer counts in a product."""
    named = list(dict.fromkeys(level.layer for level in maps))
    largest = {name: max(values.numel() for values in levels) for name, levels in used.items()}
    finest = max(largest, key=lambda name: largest[name])
    before_last = named[-2] if len(named) > 2 else None
    return [3.0 if name == finest else 2.0 if name == before_last else 1.0 for name in used]


@register_fusion('mean')
def average_layers(maps: Sequence[LevelMap], size: Size) -> Tensor:
    """The mean of the maps, each scaled to [0, 1] if there are several, as CAM methods are published for classes.

    They are interpolated linearly, as pytorch-grad-cam does.
    """
    total = _blank(maps, size)
    for level in maps:
        values = level.values
        if len(maps) > 1:
            values = (values - values.min()) / (values.max() - values.min()).clamp_min(1e-30)
        total += F.interpolate(values[None, None], size, mode='bilinear', align_corners=False)[0, 0] / len(maps)
    return total


def _blank(maps: Sequence[LevelMap], size: Size) -> Tensor:
    return torch.zeros(size, dtype=torch.float32, device=maps[0].values.device if maps else None)


def _scaled(values: Tensor) -> Tensor:
    return values / values.max().clamp_min(torch.finfo(values.dtype).tiny)


def _enlarged(values: Tensor, size: Size) -> Tensor:
    """What :func:`on_grid` makes of a map but for rounding, several times as fast for small ones."""
    if max(values.shape) > _FEW_CELLS or values.shape == size:
        return on_grid(values, size)
    down, across = (_bicubic(n, to, values.device) for n, to in zip(values.shape, size))
    return (down @ values @ across.T).clamp_min(0)


@lru_cache(maxsize=64)
def _bicubic(cells: int, to: int, device: torch.device) -> Tensor:
    """How cells along an axis are interpolated at others: shape (to, cells)."""
    return F.interpolate(torch.eye(cells, device=device)[None, None], (to, cells), mode='bicubic')[0, 0]


def _blurred(values: Tensor) -> Tensor:
    """Maps (n, h, w), each blurred by a Gaussian with a standard deviation of one cell."""
    distances = torch.arange(-3.0, 4.0, device=values.device)
    weights = torch.exp(-(distances**2) / 2)
    weights = (weights / weights.sum()).reshape(1, 1, 7, 1).expand(len(values), 1, 7, 1)
    padded = F.pad(values[None], (3, 3, 3, 3), mode='replicate')
    return F.conv2d(F.conv2d(padded, weights, groups=len(values)), weights.transpose(2, 3), groups=len(values))[0]
