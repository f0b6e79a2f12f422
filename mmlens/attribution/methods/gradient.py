"""Methods that weigh activations by gradients.

Shapes: activation ``A`` and gradient ``G`` are (1, C, h, w), the map is (1, h, w). Sums over i, j run over
the map, sums over c over channels. ``spatial`` keeps G's positions, as MMYOLO's box maps do: a box's
gradient sits where the box is, and averaging it over the map would smear one object over all that look alike.
"""

from __future__ import annotations

from torch import Tensor

from ..layer_sets import AUTO
from .registry import register_method


@register_method('gradcam', shows='evidence, gradient times activation; on classes weighed channel by channel')
def gradcam(activation: Tensor, gradient: Tensor, spatial: bool) -> Tensor:
    """GradCAM: ``sum_c w A`` with ``w = mean_ij G``; spatial: ``w = G``.

    Source: Selvaraju et al. 2017, eq. 1 and 2; https://arxiv.org/abs/1610.02391.
    """
    weights = gradient if spatial else gradient.mean((2, 3), keepdim=True)
    return (weights * activation).sum(1)


@register_method('gradcam++', shows='evidence, with strong positive gradients emphasised')
def gradcam_plus_plus(activation: Tensor, gradient: Tensor, spatial: bool) -> Tensor:
    """GradCAM++: ``sum_c w A`` with ``w = sum_ij alpha relu(G)``; spatial: ``w = alpha relu(G)``.

    ``alpha = G^2 / (2 G^2 + G^3 sum_ij A)``, and 0 where G is 0.
    Source: Chattopadhay et al. 2018, eq. 19; https://arxiv.org/abs/1710.11063.
    """
    square = gradient**2
    alpha = square / (2 * square + activation.sum((2, 3), keepdim=True) * square * gradient + 1e-6)
    weights = gradient.clamp_min(0) * alpha.where(gradient != 0, alpha.new_zeros(()))
    if not spatial:
        weights = weights.sum((2, 3), keepdim=True)
    return (weights * activation).sum(1)


@register_method('layercam', shows='evidence, cells and channels with positive gradients only')
def layercam(activation: Tensor, gradient: Tensor, spatial: bool) -> Tensor:
    """LayerCAM: ``sum_c relu(G) A``.

    Source: Jiang et al. 2021, eq. 6 and 7; https://ieeexplore.ieee.org/document/9462463.
    """
    return gradient.clamp_min(0).mul_(activation).sum(1)


@register_method(
    'evidencecam',
    shows='the evidence: what all layers from the finest to the neck agree on',
    layers=AUTO,
    fusion='product',
    holds_gates=True,
)
def evidencecam(activation: Tensor, gradient: Tensor, spatial: bool) -> Tensor:
    """EvidenceCAM: LayerCAM's ``sum_c relu(G) A`` at the last layer of every stride, multiplied.

    The product keeps what the fine layers see as sharply as they do, and from the coarse ones whose evidence it
    is. ``G`` is the gradient with the gates of activation functions held
    (:class:`~mmlens.attribution.gates.held_gates`), so that ``G A`` says what the score was put together from; between
    the finest two layers, where activations tell edges and not yet parts, it is the plain gradient.

    Sources: LayerCAM as above; the product and its floor: :func:`~mmlens.attribution.fusion.multiply_layers`. Chosen by
    measurement: docs/truth.md.
    """
    return layercam(activation, gradient, spatial)


@register_method('hirescam', shows='evidence, gradient times activation; faithful for a linear rest of the network')
def hirescam(activation: Tensor, gradient: Tensor, spatial: bool) -> Tensor:
    """HiResCAM: ``sum_c G A``.

    Source: Draelos & Carin 2020, eq. 7; https://arxiv.org/abs/2011.08891.
    """
    return (gradient * activation).sum(1)


@register_method('xgradcam', shows='evidence, channels weighed by their share of the target')
def xgradcam(activation: Tensor, gradient: Tensor, spatial: bool) -> Tensor:
    """XGradCAM: ``sum_c w A`` with ``w = sum_ij (G A) / sum_ij A``.

    Source: Fu et al. 2020, eq. 8; https://arxiv.org/abs/2008.02312.
    """
    total = activation.sum((2, 3), keepdim=True)
    weights = (gradient * activation).sum((2, 3), keepdim=True) / (total + 1e-7)
    return (weights * activation).sum(1)
