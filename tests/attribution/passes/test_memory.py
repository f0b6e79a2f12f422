"""Counted allocations, worked out by hand."""

import torch
from torch import nn

from mmlens.attribution.passes.memory import Allocations, is_out_of_memory


def test_what_a_network_makes_is_counted_and_views_are_not():
    net = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.Flatten())
    inputs = torch.rand(5, 3, 4, 4)
    with torch.no_grad(), Allocations() as counted:
        net(inputs)
    assert counted.bytes == 5 * 2 * 4 * 4 * 4


def test_what_works_in_place_makes_nothing():
    values = torch.rand(10)
    with Allocations() as counted:
        values.relu_()
        values.add_(1)
    assert counted.bytes == 0


def test_results_are_the_same():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU()).eval()
    inputs = torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        plain = net(inputs)
        with Allocations():
            assert torch.equal(net(inputs), plain)


def test_an_error_of_memory_is_told_from_others():
    assert is_out_of_memory(getattr(torch, 'OutOfMemoryError', torch.cuda.OutOfMemoryError)())
    assert not is_out_of_memory(RuntimeError('shapes do not match'))
