"""Users' defaults of torch do not reach what is made within, but for those that the model itself relies on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmlens.defaults import number_type, usual_defaults


@pytest.fixture
def set_default():
    yield lambda kind=None, device=None: (
        kind and torch.set_default_dtype(kind),
        device and torch.set_default_device(device),
    )
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


def made():
    made = torch.zeros(1)
    return made.dtype, made.device.type


def test_another_type_or_device_is_put_aside_and_back(set_default):
    set_default(torch.float64, 'meta')
    with usual_defaults([nn.Conv2d(1, 1, 1, dtype=torch.float32, device='cpu')]):
        assert made() == (torch.float32, 'cpu')
    with pytest.raises(KeyError), usual_defaults():
        raise KeyError
    assert made() == (torch.float64, 'meta')


def test_what_the_model_is_made_of_stays(set_default):
    set_default(torch.float64)
    with usual_defaults([nn.Conv2d(1, 1, 1)]):
        assert made() == (torch.float64, 'cpu')


def test_the_number_type_is_that_of_the_first_weight():
    assert number_type([nn.ReLU()]) == torch.float32
    assert number_type([nn.ReLU(), nn.Conv2d(1, 1, 1).half(), nn.Linear(1, 1)]) == torch.float16
