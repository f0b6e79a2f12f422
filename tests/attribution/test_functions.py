from __future__ import annotations

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mmlens.attribution.functions import functions_of


def test_functions_and_methods_are_found():
    assert functions_of('sqrt') == {torch.sqrt, Tensor.sqrt}


def test_what_only_tensors_have_is_found_there():
    assert functions_of('expand', 'cat') == {Tensor.expand, torch.cat}


def test_a_mode_sees_each_way_of_calling():
    seen = []

    class Watching(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            seen.append(function in functions_of('topk'))
            return function(*args, **(kwargs or {}))

    values = torch.arange(4.0)
    with Watching():
        torch.topk(values, 2)
        values.topk(2)
    assert seen == [True, True]
