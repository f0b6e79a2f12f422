"""What every method is, and the two kinds that are one formula or one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Dict, Optional

from torch import Tensor

from ...compat.gradcam import looks_everywhere
from ...errors import MethodError

# (activation (1, C, h, w), gradient of the same shape or None, spatial) -> signed map (1, h, w)
Formula = Callable[..., Tensor]


class Method:
    """A named way to explain targets; which kind it is says what it needs.

    Attributes:
        name: Registry name, lower case.
        uses_gradients: Whether it asks for gradients. A one-pass method that does not shows the same
            map for every target.
        uses_layers: Whether it looks at the layers that the user names.
        shows: One line for people: what the map shows.
        layers: The layers that it looks at by default; ``None`` for those that the family of networks has.
        fusion: The fusion that it takes by default; ``None`` likewise.
        holds_gates: Whether its gradients hold the gates of activation functions; see
            :class:`~mmlens.attribution.gates.held_gates`. Of three layers or more, those behind the second that runs.
    """

    name: str
    uses_gradients: bool
    uses_layers: bool
    shows: str
    layers: Optional[str] = None
    fusion: Optional[str] = None
    holds_gates: bool = False

    def complete(self, options: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        """The method's options, the given ones before the defaults; by default it has none.

        Raises:
            MethodError: If an option is given that it does not have.
        """
        if options:
            raise MethodError(
                f"Method '{self.name}' takes no options: leave out {', '.join(f'`{name}`' for name in options)}."
            )
        return {}


@dataclass(frozen=True)
class OnePassMethod(Method):
    """A formula for one level, computed from one pass with gradients.

    Attributes:
        name: Registry name, lower case.
        formula: ``(activation, gradient, spatial) -> map``. Activation and gradient are
            (1, C, h, w), the map is (1, h, w) and signed. ``spatial`` asks to keep the positions
            of gradients that the method would average over the map (boxes: True; classes: False).
        uses_gradients: Whether the formula needs gradients. One that does not shows the same map
            for every box and class.
        shows: One line for people: what the map shows.
        layers, fusion, holds_gates: See :class:`Method`.
    """

    name: str
    formula: Formula
    uses_gradients: bool = True
    shows: str = ''
    uses_layers: bool = True
    layers: Optional[str] = None
    fusion: Optional[str] = None
    holds_gates: bool = False
    # What is measured of a box in altered passes: the target itself, as in one pass.
    logits: ClassVar[bool] = True
    overlap: ClassVar[bool] = False

    def __call__(self, activation: Tensor, gradient: Optional[Tensor], spatial: bool = True) -> Tensor:
        """Apply the formula. Shapes as in the class's docstring."""
        return self.formula(activation, gradient, spatial)


@dataclass(frozen=True)
class EngineMethod(Method):
    """A class of pytorch-grad-cam that needs its own engine: class maps only.

    Attributes:
        name: Lower-cased name of the class.
        cam_class: The class.
        shows: One line for people: what the map shows.
    """

    name: str
    cam_class: type
    shows: str = ''
    uses_gradients: bool = True

    @property
    def uses_layers(self) -> bool:  # type: ignore[override]
        """Whether it takes the layers that are named; FullGrad finds its own."""
        return not looks_everywhere(self.cam_class)
