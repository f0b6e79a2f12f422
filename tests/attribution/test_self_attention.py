"""Attention in parts is torch's multi-head attention."""

import pytest
import torch
from torch import nn

from mmlens.attribution import self_attention, windows
from mmlens.attribution.graph import live_graph


@pytest.fixture(autouse=True)
def worth_it(monkeypatch):
    monkeypatch.setattr(windows, 'WORTH_IT', 0)
    monkeypatch.setattr(self_attention, '_QUERIES', 3)
    torch.manual_seed(0)


def attention(**how):
    return nn.MultiheadAttention(8, 2, **how).double().eval().requires_grad_(False)


def starts(batch=2, queries=7, keys=5):
    return [torch.randn(n, batch, 8, dtype=torch.float64, requires_grad=True) for n in (queries, keys, keys)]


def names_of(end):
    names, stack = set(), [end.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None:
            names.add(type(node).__name__)
            stack += [child for child, _ in node.next_functions]
    return names


def compare(module, given, place=..., use=lambda out: out[0], taken=True, **how):
    """Values and gradients of a call within a live graph and without."""
    with live_graph():
        found = module(*given, **how)
    expected = module(*given, **how)
    assert ('_HeadsBackward' in names_of(found[0])) is taken
    for mine, theirs in zip(found, expected):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
    sent = torch.zeros_like(use(found))
    sent[place] = torch.randn(sent[place].shape, dtype=sent.dtype)
    wanted = [each for each in given if each.requires_grad]
    ours, theirs = (torch.autograd.grad(use(out), wanted, sent, allow_unused=True) for out in (found, expected))
    for mine, other in zip(ours, theirs):
        assert (mine is None) == (other is None)
        if mine is not None:
            torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('place', [..., 4, slice(5, 7), (2, 1, 3)], ids=['all', 'a query', 'two', 'a number'])
@pytest.mark.parametrize('bias', [True, False])
def test_values_and_gradients_are_torchs(place, bias):
    compare(attention(bias=bias), starts(), place)


def test_of_itself():
    (query, _, _) = starts()
    compare(attention(), [query, query, query], 2)


@pytest.mark.parametrize(
    ('mask', 'padding'),
    [(bool, None), (float, None), ('of each head', None), (None, bool), (None, float), (bool, bool), (float, float)],
)
def test_masks_are_kept(mask, padding):
    how = {}
    if mask is not None:
        how['attn_mask'] = torch.randn(4, 7, 5).double() if mask == 'of each head' else torch.randn(7, 5).double()
    if mask is bool:
        how['attn_mask'] = how['attn_mask'] > 0.5
        how['attn_mask'][:, 0] = False
    if padding is not None:
        how['key_padding_mask'] = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]).to(
            bool if padding is bool else torch.double
        )
    compare(attention(), starts(), 1, **how)


@pytest.mark.parametrize('average', [True, False])
def test_how_much_is_seen_has_its_gradient_too(average):
    compare(attention(), starts(), use=lambda out: out[1], average_attn_weights=average)
    compare(attention(), starts(), use=lambda out: torch.cat([out[0].flatten(), out[1].flatten()]))


def test_other_kinds_are_left_to_torch():
    compare(attention(add_zero_attn=True), starts(), taken=False)
    compare(attention(add_bias_kv=True), starts(), taken=False)
    compare(attention(kdim=8, vdim=8), starts(), taken=True)
    module = attention()
    module.in_proj_weight.requires_grad_()
    compare(module, starts(), taken=False)


def test_small_ones_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(windows, 'WORTH_IT', 1e9)
    compare(attention(), starts(), taken=False)


def test_dropout_is_left_to_torch():
    module = attention(dropout=0.5)
    compare(module, starts())
    with live_graph():
        assert '_HeadsBackward' not in names_of(module.train()(*starts())[0])
