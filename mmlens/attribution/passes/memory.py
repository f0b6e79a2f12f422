"""How much memory a pass takes."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Optional, Tuple

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ..trees import tensors_of


class Allocations(TorchDispatchMode):
    """Counts the bytes of all tensors that operations make: at least what is alive at any one time.

    Example:
        >>> with Allocations() as counted:
        ...     total = (torch.zeros(2, 3) + 1).view(6)
        >>> counted.bytes  # 2 x 3 numbers of 4 bytes, twice; a view takes none
        48
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, operation: Callable, types: Iterable, args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        """Called by torch in place of each operation."""
        result = operation(*args, **(kwargs or {}))
        known = {tensor.data_ptr() for tensor in tensors_of([args, kwargs])}
        made: Dict[int, Tensor] = {tensor.data_ptr(): tensor for tensor in tensors_of(result)}
        self.bytes += sum(t.numel() * t.element_size() for at, t in made.items() if at not in known)
        return result


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that the device has no memory left."""
    return type(error).__name__ == 'OutOfMemoryError'  # not every torch has it in the same place
