"""The part of a network that lets no gradient through is named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmlens.attribution.graph_end import where_graph_ends


class Part(nn.Module):
    def __init__(self, end):
        super().__init__()
        self.conv, self.end = nn.Conv2d(1, 2, 1), end

    def forward(self, x):
        if self.end == 'off':
            with torch.no_grad():
                return self.conv(x)
        return self.conv(x).detach() if self.end == 'cut' else self.conv(x)


class Net(nn.Module):
    def __init__(self, end):
        super().__init__()
        self.stem, self.blocks, self.head = nn.Conv2d(1, 1, 1), nn.ModuleList([Part(end)]), nn.Conv2d(2, 1, 1)

    def forward(self, x):
        return self.head(self.blocks[0](self.stem(x))).sum()


@pytest.mark.parametrize(
    ('end', 'why'), [('off', 'runs without them, as under torch.no_grad'), ('cut', 'detaches what it returns')]
)
def test_the_part_is_named_and_what_to_do(end, why):
    model = Net(end)
    assert where_graph_ends(model, lambda tap: model(torch.ones(1, 1, 2, 2))) == (
        f"Gradients end in 'blocks[0]' (Part), which {why}: use a method without gradients, such as reciprocam, "
        'scorecam or eigencam, or take that out of its forward.'
    )
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_whole_model_may_run_without_gradients():
    model = Net('')
    model.forward = torch.no_grad()(model.forward)
    assert where_graph_ends(model, lambda tap: model(torch.ones(1, 1, 2, 2))).startswith('Gradients end in Net, which')


def test_where_gradients_pass_there_is_nothing_to_say():
    model = Net('')
    assert where_graph_ends(model, lambda tap: model(torch.ones(1, 1, 2, 2))) is None
    assert where_graph_ends(nn.ReLU(), lambda tap: None) is None
