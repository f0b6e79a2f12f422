from __future__ import annotations

import math

import pytest
import torch

from projects.shapes import descent


def test_the_rate_rises_and_then_falls(monkeypatch):
    monkeypatch.setattr(descent, 'WARM_UP', 4)
    weight = torch.zeros(1, requires_grad=True)
    seen = [0.0]

    def loss_of_step():
        seen.append(float(weight.detach()))
        return weight.sum()

    history = descent.descend([weight], loss_of_step, 8, 0.1, last=0.2, weight_decay=0)
    moved = [before - after for before, after in zip(seen[1:], [*seen[2:], float(weight.detach())])]
    # A gradient of 1 moves AdamW by the rate itself.
    rates = [0.1 * min(1, (n + 1) / 4) * (0.2 + 0.8 * math.cos(math.pi / 2 * n / 8) ** 2) for n in range(8)]
    assert moved == pytest.approx(rates, rel=1e-4)
    assert history == pytest.approx(seen[1:])


@pytest.mark.parametrize(('longest', 'gradient'), [(None, 3.0), (1.0, 1.0)])
def test_long_gradients_are_cut(longest, gradient, capsys):
    weight = torch.ones(1, requires_grad=True)
    descent.descend([weight], lambda: (3 * weight).sum(), 20, 0.0, last=0.0, weight_decay=0.1, longest=longest)
    assert float(weight.grad) == pytest.approx(gradient, rel=1e-4)
    assert capsys.readouterr().out == '20 of 20: loss 3.000\n'
