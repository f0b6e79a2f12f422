from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck


@pytest.mark.parametrize('weighted', [False, True])
def test_sigmoid_focal_loss_is_its_formula(ops, weighted):
    logits = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 1, 2, 3, 3, 0, 1])  # 3 is background
    weight = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64) if weighted else None
    loss = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, weight, 'none')
    for row, (x, c) in enumerate(zip(logits.tolist(), target.tolist())):
        for column, logit in enumerate(x):
            p = 1 / (1 + np.exp(-logit))
            expected = -0.25 * (1 - p) ** 2 * np.log(p) if c == column else -0.75 * p**2 * np.log(1 - p)
            scale = [0.5, 1.0, 2.0, 1.0][c] if weighted else 1
            assert loss[row, column].item() == pytest.approx(scale * expected)
    assert gradcheck(lambda x: ops.sigmoid_focal_loss(x, target, 2.0, 0.25, weight, 'mean'), logits)
