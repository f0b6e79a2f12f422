"""The autograd graph through a post-processing that was written for inference."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import _get_current_function_mode_stack as modes

from mmlens.attribution.graph import depends_on, live_graph


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.rand(4, 6, requires_grad=True)


DETACH = {
    'method': lambda t: t.detach(),
    'function': torch.detach,
    'keyword': lambda t: torch.detach(input=t),
    'data': lambda t: t.data,
    'in place': lambda t: t.detach_(),
}


@pytest.mark.parametrize('detach', DETACH.values(), ids=DETACH)
def test_detach_does_nothing_inside_and_its_work_outside(x, detach):
    y = x * 2
    with live_graph():
        assert torch.autograd.grad(detach(y).sum(), x)[0].eq(2).all()
    assert not detach(x * 2).requires_grad


@pytest.mark.parametrize('detach', DETACH.values(), ids=DETACH)
def test_detach_of_what_has_no_graph_is_as_always(detach):
    plain = torch.ones(2)
    with live_graph():
        found = detach(plain)
    assert not found.requires_grad
    assert found.data_ptr() == plain.data_ptr()


# Each cuts (4, 6) into parts, the first of which is rows 0 and 1.
CUT = {
    'unbind': lambda t: [torch.stack(t.view(2, 2, 6).unbind(0))[0], None],
    'split': lambda t: t.split(2),
    'torch.split': lambda t: torch.split(t, 2),
    'split sizes': lambda t: t.split([2, 2]),
    'split_with_sizes': lambda t: torch.split_with_sizes(t, [2, 2]),
    'chunk': lambda t: t.chunk(2),
    'torch.chunk': lambda t: torch.chunk(t, 2),
    'tensor_split': lambda t: t.tensor_split(2),
    'iteration': lambda t: list(t.view(2, 2, 6)),
}


@pytest.mark.parametrize('cut', CUT.values(), ids=CUT)
def test_parts_may_be_changed_in_place(x, cut):
    with live_graph():
        y = (x * 3).sigmoid()
        first = cut(y)[0]
        first *= 2
        first[:, 0] += 5
        found = torch.autograd.grad(first.square().sum(), x)[0]

    slow = (x * 3).sigmoid()[:2] * 2
    slow = torch.cat([slow[:, :1] + 5, slow[:, 1:]], 1)
    expected = torch.autograd.grad(slow.square().sum(), x)[0]
    torch.testing.assert_close(found, expected)


def test_the_parts_of_unbind_may_be_changed_in_place(x):
    with live_graph():
        left, top, right, bottom = (x[:, :4] * 2).unbind(-1)
        left -= right
        top.clamp_(min=0.5)
        found = torch.autograd.grad((left * bottom + top).sum(), x)[0]
    y = x[:, :4] * 2
    slow = ((y[:, 0] - y[:, 2]) * y[:, 3] + y[:, 1].clamp(min=0.5)).sum()
    torch.testing.assert_close(found, torch.autograd.grad(slow, x)[0])


def test_outside_they_may_not(x):
    with live_graph():
        pass
    with pytest.raises(RuntimeError, match='view'):
        (x * 2).unbind(0)[0].add_(1)


def test_parts_without_gradients_stay_views():
    whole = torch.zeros(2, 3)
    with live_graph():
        whole.unbind(0)[0].add_(1)
        whole.chunk(2)[1].add_(2)
    assert whole.tolist() == [[1, 1, 1], [2, 2, 2]]


def test_parts_keep_the_type_of_their_container(x):
    with live_graph():
        assert type(x.split(2)) is type(torch.zeros(4).split(2))


def test_a_boxs_way_through_a_typical_decoder():
    torch.manual_seed(1)
    raw = torch.randn(1, 5, 7, requires_grad=True)
    anchors = torch.rand(5, 4) * 10

    def decode(out):
        cx, cy, w, h, *_ = out[0].sigmoid().unbind(-1)
        w *= anchors[:, 2]
        h *= anchors[:, 3]
        cx += anchors[:, 0]
        cy += anchors[:, 1]
        boxes = torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], -1)
        scores, labels = out[0, :, 5:].sigmoid().max(1)
        keep = scores.detach().argsort(descending=True)[:3]
        return boxes[keep].detach(), scores[keep].detach(), labels[keep].cpu().numpy()

    with torch.no_grad():
        plain = decode(raw)
    with live_graph():
        boxes, scores, labels = decode(raw)
        by_box = torch.autograd.grad(boxes[1].sum(), raw, retain_graph=True)[0]
        by_score = torch.autograd.grad(scores[1], raw)[0]
    assert torch.equal(boxes, plain[0])
    assert torch.equal(scores, plain[1])
    np.testing.assert_array_equal(labels, plain[2])

    row = int(raw[0, :, 5:].max(1).values.argsort(descending=True)[1])
    s = raw.detach()[0, row].sigmoid()
    expected = torch.zeros_like(raw)
    # The edges' sum is 2 cx + 2 cy; sizes cancel out.
    expected[0, row, :2] = 2 * s[:2] * (1 - s[:2])
    torch.testing.assert_close(by_box, expected)
    expected = torch.zeros_like(raw)
    channel = 5 + int(labels[1])
    expected[0, row, channel] = s[channel] * (1 - s[channel])
    torch.testing.assert_close(by_score, expected)


@pytest.mark.filterwarnings('error:Converting a tensor', 'ignore:__array__')
def test_numbers_may_leave_torch(x):
    with live_graph():
        y = x * 2
        expected = np.array((x.detach() * 2).tolist(), np.float32)
        for found in (y.numpy(), y.detach().cpu().numpy(), np.asarray(y), np.array(y), y.tolist()):
            np.testing.assert_array_equal(np.float32(found), expected)
        assert y[0, 0].item() == float(y[0, 0]) == float(expected[0, 0])
        assert int(y[0, 0] + 3) == int(expected[0, 0] + 3)
        assert y.requires_grad
    with pytest.raises(RuntimeError, match='detach'):
        (x * 2).numpy()


def test_deepcopy_is_a_copy_with_a_graph(x):
    y = x * 2
    with pytest.raises(RuntimeError):
        copy.deepcopy(y)
    with live_graph():
        copied = copy.deepcopy({'boxes': y, 'again': y})
        copied['boxes'].add_(1)
        assert copied['again'] is copied['boxes']
        assert torch.autograd.grad(copied['boxes'].sum(), x)[0].eq(2).all()
        leaf = copy.deepcopy(x)
    assert leaf.is_leaf
    assert leaf.requires_grad
    assert torch.equal(y, x * 2)


class Pyramid(nn.Module):
    """Three levels with a small head each, joined as detectors join them."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 2, 1))
            for _ in range(3)
        )
        self.levels = [torch.randn(1, 3, side, side, requires_grad=True) for side in (8, 4, 2)]
        self.requires_grad_(False).eval()

    def forward(self, join):
        flat = [head(level).flatten(2) for head, level in zip(self.heads, self.levels)]
        return join(flat).sigmoid()[0]


JOIN = {
    'cat': lambda parts: torch.cat(parts, 2),
    'concat': lambda parts: torch.concat(parts, 2),
    'concatenate': lambda parts: torch.concatenate(parts, 2),
    'stack': lambda parts: (
        torch.stack([p.repeat(1, 1, 64 // p.shape[2]) for p in parts], 0).flatten(0, 1).transpose(0, 1)[None]
    ),
    'twice': lambda parts: torch.cat([torch.cat(parts[:2], 2), parts[2]], 2),
    'max': lambda parts: torch.cat([torch.cat(parts, 2).amax(1, keepdim=True), torch.cat(parts, 2)], 1),
}


@pytest.mark.parametrize('join', JOIN.values(), ids=JOIN)
def test_pruning_changes_no_gradient(join):
    for seed in range(5):
        net = Pyramid(seed)
        plain = net(join)
        with live_graph():
            live = net(join)
        assert torch.equal(plain, live)
        targets = list(range(0, plain.shape[1], 7)) + [plain.shape[1] - 1]
        for target in targets:
            one = torch.autograd.grad(plain[:, target].sum(), net.levels, retain_graph=True, allow_unused=True)
            two = torch.autograd.grad(live[:, target].sum(), net.levels, retain_graph=True, allow_unused=True)
            for expected, found in zip(one, two):
                expected = torch.zeros(1) if expected is None else expected
                assert torch.equal(torch.zeros_like(expected) if found is None else found, expected)


def backward_convolutions(scalar, tensors):
    from torch.autograd.profiler import profile

    with profile() as profiler:
        torch.autograd.grad(scalar, tensors, retain_graph=True, allow_unused=True)
    return sum(event.name == 'aten::convolution_backward' for event in profiler.function_events)


@pytest.mark.parametrize('join', [JOIN['cat'], JOIN['concat'], JOIN['concatenate'], JOIN['twice']])
def test_the_backward_pass_stops_at_other_levels(join):
    net = Pyramid(0)
    assert backward_convolutions(net(join)[0, 3], net.levels) == 6
    with live_graph():
        live = net(join)
    assert backward_convolutions(live[0, 3], net.levels) == 2
    assert backward_convolutions(live[0, 64 + 3], net.levels) == 2
    assert backward_convolutions(live[0, [3, 82]].sum(), net.levels) == 4


class Counted(torch.autograd.Function):
    """Identity that counts the gradients it is given."""

    calls = 0

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        Counted.calls += gradient is not None
        return gradient


def test_no_gradient_is_handed_to_a_pruned_branch(x):
    with live_graph():
        joined = torch.cat([Counted.apply(x), x * 2])
    Counted.calls = 0
    torch.autograd.grad(joined[5, 1], x, retain_graph=True)
    assert Counted.calls == 0
    torch.autograd.grad(joined[1, 1], x)
    assert Counted.calls == 1


def test_a_number_that_is_none_is_not_pruned(x):
    with live_graph():
        joined = torch.cat([x, x])
    gradient = torch.full((8, 6), 0.0)
    gradient[0, 0] = float('nan')
    assert torch.autograd.grad(joined, x, gradient)[0][0, 0].isnan()


def test_pruning_keeps_infinite_slopes_of_other_levels_out(x):
    zero = torch.zeros(2, requires_grad=True)
    with live_graph():
        joined = torch.cat([zero.sqrt(), x.sum(1)])
    assert torch.autograd.grad(joined[3], zero, allow_unused=True)[0] is None


def test_nested_use_ends_with_nothing_left(x):
    before = len(modes())
    with live_graph():
        with live_graph():
            assert x.mul(2).detach().requires_grad
        assert x.mul(2).detach().requires_grad
        first = (x * 2).split(2)[0]
        first += 1
    assert len(modes()) == before
    assert not x.mul(2).detach().requires_grad


def test_it_ends_after_an_error_too(x):
    before = len(modes())
    with pytest.raises(KeyError, match='inside'), live_graph():
        raise KeyError('inside')
    assert len(modes()) == before
    assert not x.mul(2).detach().requires_grad


def test_whether_a_scalar_depends_on_a_tensor(x):
    middle = x * 2
    other = torch.ones(3, requires_grad=True)
    scalar = (middle * 0).sum()
    assert depends_on(scalar, [x])
    assert depends_on(scalar, [other, middle])
    assert not depends_on(scalar, [other])
    assert not depends_on(scalar.detach(), [x])
    assert not depends_on(scalar, [])
    assert not depends_on(scalar, [middle + 1])


def test_paused_it_is_as_if_it_were_not_there(x):
    with live_graph() as graph:
        with graph.paused():
            assert modes() == [] and not (x * 2).detach().requires_grad
        assert modes() == [graph] and (x * 2).detach().requires_grad
        with pytest.raises(ZeroDivisionError), graph.paused():
            raise ZeroDivisionError
        assert modes() == [graph]
    assert modes() == []


def test_it_is_not_paused_under_somebody_elses_mode(x):
    with live_graph() as graph, torch.device('cpu'), graph.paused():
        assert modes()[0] is graph and (x * 2).detach().requires_grad
