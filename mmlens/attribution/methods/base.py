"""The registry of methods."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

from torch import Tensor

from ...errors import MethodError
from .multi_pass import pass_methods

# (activation (1, C, h, w), gradient of the same shape or None, spatial) -> signed map (1, h, w)
Formula = Callable[..., Tensor]


@dataclass(frozen=True)
class Method:
    """A named formula for one level.

    Attributes:
        name: Registry name, lower case.
        formula: ``(activation, gradient, spatial) -> map``. Activation and gradient are
            (1, C, h, w), the map is (1, h, w) and signed. ``spatial`` asks to keep the positions
            of gradients that the method would average over the map (boxes: True; classes: False).
        uses_gradients: Whether the formula needs gradients. One that does not shows the same map
            for every box and class.
        shows: One line for people: what the map shows.
    """

    name: str
    formula: Formula
    uses_gradients: bool = True
    shows: str = ''

    def __call__(self, activation: Tensor, gradient: Optional[Tensor], spatial: bool = True) -> Tensor:
        """Apply the formula. Shapes as in the class's docstring."""
        return self.formula(activation, gradient, spatial)

    def complete(self, options: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        """There are no options.

        Raises:
            MethodError: If some are given.
        """
        if options:
            raise MethodError(f"Method '{self.name}' takes no options: leave out {', '.join(options)}.")
        return {}


_METHODS: Dict[str, Method] = {}


def register_method(name: str, *, uses_gradients: bool = True, shows: str = '') -> Callable[[Formula], Formula]:
    """Register a formula under a name; then every command and function takes it.

    Args:
        name: Any case; looked up in lower case.
        uses_gradients: See :class:`Method`.
        shows: See :class:`Method`.

    Raises:
        MethodError: If the name is taken by another formula.

    Example:
        >>> @register_method('gradsum', shows='where the gradient is large')
        ... def gradsum(activation, gradient, spatial):
        ...     return gradient.abs().sum(1)
    """

    def decorate(formula: Formula) -> Formula:
        key = name.lower()
        known = _METHODS.get(key)
        if key in pass_methods() or (known is not None and _origin(known.formula) != _origin(formula)):
            raise MethodError(f"The method name '{key}' is taken: register yours under another one.")
        _METHODS[key] = Method(key, formula, uses_gradients, shows)
        return formula

    return decorate


def _origin(formula: Any) -> Tuple[str, str]:
    # A module that is loaded again, or a notebook's cell that is run again, defines the same formula anew.
    named = formula if hasattr(formula, '__qualname__') else type(formula)
    return named.__module__, named.__qualname__


def available_methods(one_pass_only: bool = False) -> List[str]:
    """Names of the methods that mmlens defines or that were registered, sorted.

    Those of the installed pytorch-grad-cam come on top (see :func:`get_method`).

    Args:
        one_pass_only: Leave out those that run the model many times.
    """
    return sorted([*_METHODS, *([] if one_pass_only else pass_methods())])


def get_method(name: str) -> Method:
    """Find a method by name, in any case; else in the installed pytorch-grad-cam.

    Any ``pytorch_grad_cam.BaseCAM`` that needs only activations and gradients will do; its own
    formula is called, its engine is not used.

    Raises:
        MethodError: If there is none, or it needs more than one pass.
    """
    key = name.lower()
    if key in _METHODS:
        return _METHODS[key]
    if key in pass_methods():
        raise needs_more(name)
    from .gradcam_package import from_gradcam_package

    method = from_gradcam_package(key)
    if method is not None:
        return method
    near = difflib.get_close_matches(key, available_methods(), n=2, cutoff=0.6)
    hint = f'did you mean {" or ".join(near)}?' if near else f'choose one of {", ".join(available_methods())}.'
    raise MethodError(f"Unknown method '{name}': {hint}")


def needs_more(name: str) -> MethodError:
    """The error for a method that takes more than one pass, or more than a layer's values."""
    return MethodError(
        f"Method '{name}' needs more than the activations and gradients of one pass and is not built in: "
        f'choose one of {", ".join(available_methods())}.'
    )
