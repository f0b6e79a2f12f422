"""The registry of methods, whatever their kind."""

from __future__ import annotations

import difflib
from typing import Any, Callable, Dict, List, Optional, Tuple

from ...errors import MethodError
from .base import Formula, Method, OnePassMethod
from .gradcam_package import from_gradcam_package
from .multi_pass import Explain, PassMethod

_METHODS: Dict[str, Method] = {}


def register_method(
    name: str,
    *,
    uses_gradients: bool = True,
    shows: str = '',
    layers: Optional[str] = None,
    fusion: Optional[str] = None,
    holds_gates: bool = False,
) -> Callable[[Formula], Formula]:
    """Register a formula under a name; then every command and function takes it.

    Args:
        name: Case-insensitive; looked up in lower case.
        uses_gradients: See :class:`~mmlens.attribution.methods.base.OnePassMethod`.
        shows, layers, fusion, holds_gates: See there.

    Raises:
        MethodError: If the name is taken by another formula.

    Example:
        >>> @register_method('gradsum', shows='where the gradient is large')
        ... def gradsum(activation, gradient, spatial):
        ...     return gradient.abs().sum(1)
    """

    def decorate(formula: Formula) -> Formula:
        _register(OnePassMethod(name.lower(), formula, uses_gradients, shows, True, layers, fusion, holds_gates))
        return formula

    return decorate


def register_pass_method(
    name: str,
    *,
    uses_gradients: bool = True,
    uses_layers: bool = True,
    scores_only: bool = False,
    logits: bool = False,
    overlap: bool = False,
    shows: str = '',
    **options: Any,
) -> Callable[[Explain], Explain]:
    """Register a method that runs the network, or what follows the layers, many times.

    Args:
        name: Case-insensitive; looked up in lower case.
        uses_gradients: See :class:`~mmlens.attribution.methods.multi_pass.PassMethod`.
        uses_layers: See there.
        scores_only: See there.
        logits: See there.
        overlap: See there.
        shows: See there.
        **options: Its options with their defaults, in addition to ``batch_size`` (passes per batch)
            and ``memory`` (how many MB a batch may take).

    Raises:
        MethodError: If the name is taken by another method.

    Example:
        >>> @register_pass_method('occlusion', uses_gradients=False, shows='what is lost with each cell')
        ... def occlusion(job):
        ...     (level,) = job.levels
        ...     cells = torch.eye(level.activation[0, 0].numel()).reshape(-1, *level.activation.shape[2:])
        ...     job.total = len(cells)
        ...     left = [
        ...         job.runs.at_level(level, with_cells(level, 1 - torch.stack(tuple(batch))))
        ...         for batch in job.batches(list(cells), level)
        ...     ]
        ...     lost = job.runs.reference - torch.cat(left)
        ...     return [[of_target.reshape(level.activation.shape[2:])] for of_target in lost.T]
    """

    def decorate(explain: Explain) -> Explain:
        defaults = {'batch_size': None, 'memory': None, **options}
        _register(
            PassMethod(
                name.lower(), explain, uses_gradients, uses_layers, scores_only, logits, overlap, defaults, shows
            )
        )
        return explain

    return decorate


def _register(method: Method) -> None:
    known = _METHODS.get(method.name)
    if known is not None and _origin(known) != _origin(method):
        raise MethodError(f"The method name '{method.name}' is taken: register yours under another one.")
    _METHODS[method.name] = method


def _origin(method: Any) -> Tuple[type, str, str]:
    # A module that is loaded again, or a notebook's cell that is run again, defines the same function anew.
    function = method.explain if isinstance(method, PassMethod) else method.formula
    named = function if hasattr(function, '__qualname__') else type(function)
    return type(method), named.__module__, named.__qualname__


def available_methods(one_pass_only: bool = False) -> List[str]:
    """Names of the methods that mmlens defines or that were registered, sorted.

    Those of the installed pytorch-grad-cam come on top (see :func:`get_method`).

    Args:
        one_pass_only: Leave out those that run the model many times.
    """
    return sorted(name for name, method in _METHODS.items() if not one_pass_only or isinstance(method, OnePassMethod))


def get_method(name: str) -> Method:
    """Find a method of any kind by name, case-insensitive; else in the installed pytorch-grad-cam.

    Of a ``pytorch_grad_cam`` class that needs only activations and gradients, the formula alone is used; one
    that needs more runs by the package's own engine, which explains classes and no boxes.

    Raises:
        MethodError: If there is no such method.
    """
    key = name.lower()
    method = _METHODS.get(key) or from_gradcam_package(key)
    if method is not None:
        return method
    near = difflib.get_close_matches(key, available_methods(), n=2, cutoff=0.6)
    hint = f'did you mean {" or ".join(near)}?' if near else f'choose one of {", ".join(available_methods())}.'
    raise MethodError(f"Unknown method '{name}': {hint}")
