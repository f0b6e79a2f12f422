"""Fusion: how the maps of several levels and layers become one map on the input's grid."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
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
# How far a product is blurred, in extents of the last layer's map: its factors, and its surroundings.
_BLUR, _AROUND = 0.07, 0.15
# What the surroundings count beside the product itself.
_SHARE_AROUND = 0.002
# What the last layer leaves of the others' evidence where it has none itself.
_LEFT_BY_LAST = 0.01
# Cells that are enough for a Gaussian's standard deviation: a wider one is taken on a coarser grid.
_ENOUGH = 3.0
# Cells along a side up to which interpolation by matrices is the faster way.
_FEW_CELLS = 256


@dataclass(frozen=True)
class LevelMap:
    """The map of one level of one layer.

    Attributes:
        layer: The layer's name.
        values: Shape (h, w), float32, >= 0.
        contrast: Whether it shows what speaks for a class and against another, and not what made a score.
    """

    layer: str
    values: Tensor
    contrast: bool = False

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


def of_contrasts(fusion: Fusion) -> Fusion:
    """A fusion that is told that its maps are of contrasts; see :class:`LevelMap`."""

    def fuse(maps: Sequence[LevelMap], size: Size) -> Tensor:
        return fusion([replace(level, contrast=True) for level in maps], size)

    return fuse


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
            total += _enlarged(level.values, size)
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

    ``P + 0.002 A + 1e-4 mean_l F_l`` with ``P ~ (F_L + 0.01) prod_l<L F_l^k_l`` and ``A ~ G(0.15 e) * P``, both scaled
    to their maximum, where ``F_l`` is the sum of the maps of layer l's levels, blurred by ``G(0.07 e)`` and scaled to
    its maximum, and L is the last layer. The power ``k_l`` is 3 for the finest layer, 2 for the last but one of three
    or more, as they were named, and 1 for the others; of contrasts it is 6, 3 and 1/2. ``G(s)`` is a Gaussian with a
    standard deviation of ``s``, at least a cell of the finest layer; ``e`` is the extent of what the last layer sees:
    the root of the area where its map is over half its maximum.

    Source: the product is RefineCAM's (2026, https://arxiv.org/abs/2605.14641). Different from there, and measured on
    detectors (docs/truth.md): the levels of a layer are added up first, because their gradients share one scale and a
    box uses one or two of them; a layer on which the box does not depend is left out and not a factor of zero; the
    finest layer, which alone tells neighbouring pixels apart, counts three times, and the last but one (of ``auto``,
    the backbone's coarsest) twice: those between agree on outlines more than on what makes the class. In contrasts
    both are more pronounced: these ask for less of an object, which coarse cells cover together with what is next to
    it. What the last layer does not see keeps a hundredth: evidence beside an object has moved to the object's own
    cells there, and only the other layers still have it in its place. The blur grows with the object, of which single
    cells tell the less the larger it is. ``A`` orders the pixels around the evidence by how near they are to how much
    of it, and the floor all others, without taking much energy.
    """
    layers: Dict[str, List[Tensor]] = {}
    for level, seen in zip(maps, which_nonzero([level.values for level in maps])):
        if seen:
            layers.setdefault(level.layer, []).append(level.values)
    if not layers:
        return _blank(maps, size)
    largest = {name: max(levels, key=Tensor.numel) for name, levels in layers.items()}
    finest = max(largest, key=lambda name: largest[name].numel())
    grid = (largest[finest].shape[0], largest[finest].shape[1])
    added = torch.stack([torch.stack([_enlarged(each, grid) for each in levels]).sum(0) for levels in layers.values()])
    extent = _extent(added[-1])
    factors = torch.stack([_scaled(blurred) for blurred in _blurred(added, _BLUR * extent)])
    powers = torch.tensor(_powers(maps, list(layers), finest), device=factors.device)
    powered = factors ** powers[:, None, None]
    if len(layers) > 1:
        powered[-1] += _LEFT_BY_LAST
    product = _scaled(powered.prod(0))
    around = _scaled(_blurred(product[None], _AROUND * extent)[0])
    return _enlarged(product + _SHARE_AROUND * around + _FLOOR * factors.mean(0), size)


def _extent(values: Tensor) -> float:
    """Root of the area where a map (h, w) is over half its maximum, in cells."""
    return float((values > values.max() / 2).sum().sqrt())


def _powers(maps: Sequence[LevelMap], used: Sequence[str], finest: str) -> List[float]:
    """How often each used layer counts in a product."""
    named = list(dict.fromkeys(level.layer for level in maps))
    before_last = named[-2] if len(named) > 2 else None
    contrast = any(level.contrast for level in maps)
    most, more, one, less = (6.0, 3.0, 1.0, 0.5) if contrast else (3.0, 2.0, 1.0, 1.0)
    return [
        most if name == finest else more if name == before_last else one if name == named[-1] else less for name in used
    ]


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


def _blurred(values: Tensor, deviation: float) -> Tensor:
    """Maps (n, h, w), each blurred by a Gaussian with a standard deviation of so many cells, at least one.

    Beyond the border there is nothing: the weights of what lies inside add up to 1.
    """
    deviation = max(deviation, 1.0)
    size = height, width = values.shape[-2], values.shape[-1]
    step = max(1, int(deviation / _ENOUGH))
    if step == 1:
        return _convolved(values, deviation)
    # A wide Gaussian leaves nothing that a coarser grid would lose, and takes a tenth of the time there.
    padded = F.pad(values[None], (0, -width % step, 0, -height % step), mode='replicate')
    coarse = _convolved(F.avg_pool2d(padded, step)[0], deviation / step)
    whole = (padded.shape[-2], padded.shape[-1])
    return torch.stack([_enlarged(each, whole)[: size[0], : size[1]] for each in coarse])


def _convolved(values: Tensor, deviation: float) -> Tensor:
    reach, count = round(3 * deviation), len(values)
    steps = torch.arange(-reach, reach + 1, device=values.device)
    weights = torch.exp(-(steps**2) / (2 * deviation**2))
    kernel = weights.expand(count, 1, -1)
    height, width = (_sums_inside(weights, cells) for cells in values.shape[-2:])
    found = F.conv2d(values[None], kernel[..., None], padding=(reach, 0), groups=count) / height[:, None]
    return (F.conv2d(found, kernel[:, :, None], padding=(0, reach), groups=count) / width)[0]


def _sums_inside(weights: Tensor, cells: int) -> Tensor:
    """Sums of the weights that lie inside, with their middle at each of so many cells along an axis."""
    reach = len(weights) // 2
    sums = F.pad(weights.cumsum(0), (1, 0))
    at = torch.arange(cells, device=weights.device)
    return sums[reach + 1 + (cells - 1 - at).clamp_max(reach)] - sums[reach - at.clamp_max(reach)]
