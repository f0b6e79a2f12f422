"""A network that runs once, in a model that runs several times: outputs, graphs, hooks and what is different."""

import pytest
import torch
from torch import nn

from mmlens.attribution.passes.once import Once


class Counted(nn.Module):
    """A linear layer that counts how often it really runs."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.ran = 0

    def forward(self, x):
        self.ran += 1
        return self.linear(x)


class Model(nn.Module):
    """Two layers, and post-processing that writes to what the second one returned."""

    def __init__(self):
        super().__init__()
        self.backbone, self.head, self.masks = Counted(), Counted(), Counted()
        self.threshold, self.watched = 0.0, None

    def forward(self, x):
        scores = self.head(self.backbone(x))
        self.depth_around = None if self.watched is None else self.watched.depth
        scores.mul_(2)
        kept = scores.flatten()[scores.flatten() > self.threshold]
        return kept, self.masks(kept.sum() * torch.ones(1, 3))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Model()


X = torch.tensor([[1.0, -2.0, 0.5]])


def test_only_what_is_given_something_else_runs_again(model):
    plain = model(X)
    ran = model.backbone.ran
    with Once(model) as once:
        first = model(X)
        once.again()
        second = model(X)
        once.again()
        model.threshold = -100.0
        all_of_them, masks = model(X)
    assert (model.backbone.ran - ran, model.head.ran - ran, model.masks.ran - ran) == (1, 1, 2)
    for one in (first, second):
        assert torch.equal(one[0], plain[0]) and torch.equal(one[1], plain[1])
    assert len(all_of_them) == 3 and torch.equal(masks, model(X)[1])


def test_a_graph_ends_where_the_only_pass_began(model):
    started = []
    model.backbone.register_forward_hook(lambda module, inputs, output: started.append(output) or output.clone())
    with Once(model) as once:
        model(X)
        once.again()
        kept, _ = model(X)
        (gradient,) = torch.autograd.grad(kept[0], started)
    assert len(started) == 1
    number = int((2 * model.head.linear(model.backbone.linear(X)).flatten() > 0).nonzero()[0])
    torch.testing.assert_close(gradient[0], 2 * model.head.linear.weight[number])


def test_depth_counts_the_modules_that_run(model):
    seen = []
    model.head.linear.register_forward_hook(lambda *_: seen.append(once.depth))
    with Once(model) as once:
        model.watched = once
        model(X)
    assert seen == [1] and model.depth_around == 0


def test_other_models_run_as_always(model):
    other = Counted()
    with Once(model) as once:
        other(X)
        once.again()
        other(X)
    assert other.ran == 2


def test_modules_are_called_as_before_also_after_an_error(model):
    call = nn.Module.__call__
    with pytest.raises(ZeroDivisionError), Once(model):
        assert nn.Module.__call__ is not call
        raise ZeroDivisionError
    assert nn.Module.__call__ is call
