"""Backward passes through windows and rows give torch's own gradients."""

import pytest
import torch
import torch.nn.functional as F

from mmlens.attribution import windows
from mmlens.attribution.graph import live_graph


@pytest.fixture(autouse=True)
def worth_it(monkeypatch):
    monkeypatch.setattr(windows, 'WORTH_IT', 0)
    torch.manual_seed(0)


def gradients(run, start, place, mode):
    start = start.clone().requires_grad_()
    if mode:
        with live_graph():
            end = run(start)
    else:
        end = run(start)
    sent = torch.zeros_like(end)
    sent[place] = torch.randn(sent[place].shape, generator=torch.Generator().manual_seed(1), dtype=sent.dtype)
    return end.detach(), torch.autograd.grad(end, start, sent)[0], type(end.grad_fn).__name__


@pytest.mark.parametrize('how', [(1, 1, 1, 1), (2, 1, 1, 1), (2, 0, 1, 2), ((2, 1), (0, 2), (1, 2), 4), (3, 2, 2, 1)])
@pytest.mark.parametrize(('row', 'column'), [(0, 0), (-1, -1), (2, 3), (slice(1, 3), slice(0, 2)), (slice(None), 0)])
def test_a_convolution_sends_back_what_torch_does(how, row, column):
    stride, padding, dilation, groups = how
    random = torch.Generator().manual_seed(0)
    start = torch.randn(2, 4, 11, 13, generator=random, dtype=torch.float64)
    weight = torch.randn(8, 4 // groups, 3, 3, generator=random, dtype=torch.float64)

    def run(x):
        return torch.conv2d(x, weight, None, stride, padding, dilation, groups)

    place = (0, slice(None), row, column)
    end, found, name = gradients(run, start, place, mode=True)
    expected_end, expected, _ = gradients(run, start, place, mode=False)
    assert '_Convolution' in name
    torch.testing.assert_close(end, expected_end, rtol=0, atol=0)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('shape', [(5, 6), (2, 5, 6)])
@pytest.mark.parametrize('place', [0, slice(None)])
def test_a_linear_layer_sends_back_what_torch_does(shape, place):
    random = torch.Generator().manual_seed(0)
    start, weight = (torch.randn(*size, generator=random, dtype=torch.float64) for size in (shape, (3, 6)))
    _, found, name = gradients(lambda x: F.linear(x, weight), start, place, mode=True)
    _, expected, _ = gradients(lambda x: F.linear(x, weight), start, place, mode=False)
    assert '_Linear' in name
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('batch', [1, 2])
def test_a_pointwise_convolution_sends_back_what_torch_does(batch, monkeypatch):
    monkeypatch.setattr(windows, 'WORTH_IT', 1e9)
    monkeypatch.setattr(windows, 'POINTWISE_WORTH_IT', 0)
    random = torch.Generator().manual_seed(0)
    start = torch.randn(batch, 4, 5, 7, generator=random, dtype=torch.float64)
    weight, bias = (torch.randn(*size, generator=random, dtype=torch.float64) for size in ((6, 4, 1, 1), (6,)))
    end, found, name = gradients(lambda x: torch.conv2d(x, weight, bias), start, ..., mode=True)
    expected_end, expected, _ = gradients(lambda x: torch.conv2d(x, weight, bias), start, ..., mode=False)
    assert '_Pointwise' in name
    torch.testing.assert_close(end, expected_end, rtol=0, atol=0)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('how', [dict(stride=2), dict(padding=1), dict(groups=2), dict(stride=(1, 2))])
def test_other_convolutions_of_one_cell_are_not_taken_for_pointwise(how, monkeypatch):
    monkeypatch.setattr(windows, 'WORTH_IT', 1e9)
    monkeypatch.setattr(windows, 'POINTWISE_WORTH_IT', 0)
    start, weight = torch.randn(1, 4, 6, 6), torch.ones(2, 4 // how.get('groups', 1), 1, 1)
    _, found, name = gradients(lambda x: torch.conv2d(x, weight, **how), start, ..., mode=True)
    _, expected, _ = gradients(lambda x: torch.conv2d(x, weight, **how), start, ..., mode=False)
    assert '_Pointwise' not in name and torch.equal(found, expected)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16])
def test_any_element_that_is_not_zero_counts(dtype):
    values = torch.zeros(3, 4, dtype=dtype)
    assert not windows.any_nonzero(values) and not windows.any_nonzero(values[:0])
    for value in (1e-3, -1e-3, float('nan'), float('inf')):
        values[2, 1] = value
        assert windows.any_nonzero(values)


@pytest.mark.parametrize('at_once', [True, False])
def test_many_tensors_are_looked_at_together(at_once, monkeypatch):
    monkeypatch.setattr(windows, 'reads_at_once', lambda values: at_once)
    zeros, nan = torch.zeros(2, 3), torch.tensor([0.0, float('nan')])
    several = [zeros, None, zeros + 1e-9, nan, zeros[:0], torch.zeros(4, dtype=torch.int64)]
    assert windows.which_nonzero(several) == [False, False, True, True, False, False]
    assert windows.which_nonzero([]) == [] and windows.which_nonzero([None]) == [False]


def test_windows_are_looked_for_where_waiting_pays(monkeypatch):
    start, weight = torch.randn(1, 2, 8, 8, requires_grad=True), torch.ones(2, 2, 3, 3)
    monkeypatch.setattr(windows, 'WORTH_IT', 0)
    monkeypatch.setattr(windows, 'POINTWISE_WORTH_IT', 0)
    for at_once, name in ((True, '_Convolution'), (False, 'ConvolutionBackward')):
        monkeypatch.setattr(windows, 'reads_at_once', lambda values, at_once=at_once: at_once)
        assert name in windows.conv2d(torch.conv2d, start, weight).grad_fn.name()


def test_padding_wider_than_the_kernel_is_left_to_torch():
    start, weight = torch.randn(1, 2, 6, 6, dtype=torch.float64), torch.ones(2, 2, 1, 1, dtype=torch.float64)
    place = (0, slice(None), 0, 0)
    _, found, name = gradients(lambda x: torch.conv2d(x, weight, padding=1), start, place, mode=True)
    _, expected, _ = gradients(lambda x: torch.conv2d(x, weight, padding=1), start, place, mode=False)
    assert '_Convolution' not in name and torch.equal(found, expected)


def test_only_the_window_is_visited(monkeypatch):
    seen = []
    original = F.conv_transpose2d
    monkeypatch.setattr(F, 'conv_transpose2d', lambda g, *rest: seen.append(tuple(g.shape)) or original(g, *rest))
    start = torch.randn(1, 2, 32, 32)
    gradients(lambda x: torch.conv2d(x, torch.ones(2, 2, 3, 3), padding=1), start, (0, slice(None), 9, 9), mode=True)
    assert seen == [(1, 2, 1, 1)]


def test_layers_that_learn_or_are_small_stay_torchs_own(monkeypatch):
    start = torch.randn(1, 2, 8, 8, requires_grad=True)
    layer = torch.nn.Conv2d(2, 2, 3)
    with live_graph():
        assert '_Convolution' not in type(layer(start).grad_fn).__name__
        layer.requires_grad_(False)
        assert '_Convolution' in type(layer(start).grad_fn).__name__
        assert layer(torch.ones(1, 2, 8, 8)).grad_fn is None
        monkeypatch.setattr(windows, 'WORTH_IT', 1e9)
        assert '_Convolution' not in type(layer(start).grad_fn).__name__


@pytest.mark.parametrize('shape', [(5, 6), (2, 5, 6), (1, 2, 5, 6)])
def test_what_a_linear_layer_returns_may_be_changed_in_place(shape):
    start, weight, bias = (torch.randn(*size, dtype=torch.float64) for size in (shape, (3, 6), (3,)))
    _, found, _ = gradients(lambda x: F.relu_(F.linear(x, weight, bias)) * 2, start, 0, mode=True)
    _, expected, _ = gradients(lambda x: F.relu_(F.linear(x, weight, bias)) * 2, start, 0, mode=False)
    torch.testing.assert_close(found, expected)


def test_what_a_convolution_returns_may_be_changed_in_place():
    start, weight = (torch.randn(*size, dtype=torch.float64) for size in ((1, 2, 8, 8), (3, 2, 3, 3)))
    place = (0, slice(None), 2, 2)
    _, found, _ = gradients(lambda x: F.relu_(torch.conv2d(x, weight)) * 2, start, place, mode=True)
    _, expected, _ = gradients(lambda x: F.relu_(torch.conv2d(x, weight)) * 2, start, place, mode=False)
    torch.testing.assert_close(found, expected)


def test_no_gradient_sends_none():
    start = torch.randn(1, 2, 8, 8, requires_grad=True)
    weight = torch.ones(2, 2, 3, 3)
    with live_graph():
        joined = torch.cat([torch.conv2d(start, weight).flatten(), start.flatten()])
    (sent,) = torch.autograd.grad(joined[-1], start)
    assert sent.sum() == 1


@pytest.mark.parametrize(('nonzero', 'expected'), [(set(), []), ({(1, 99)}, [1]), ({(0, 0), (3, 50)}, [0, 3])])
def test_few_rows_are_told_wherever_they_are_not_zero(nonzero, expected):
    values = torch.zeros(4, 100)
    for place in nonzero:
        values[place] = float('nan') if place == (3, 50) else -1
    assert windows.nonzero_rows(values).tolist() == expected


@pytest.mark.parametrize('column', [0, 99])
def test_of_more_than_half_of_the_rows_nothing_is_told(column):
    values = torch.zeros(4, 100)
    values[:3, column] = 1
    assert windows.nonzero_rows(values) is None


def test_a_layer_that_works_in_place_may_change_rows_of_three_axes():
    start, weight = torch.randn(2, 5, 6, requires_grad=True), torch.randn(3, 6)
    with live_graph():
        end = F.relu(F.linear(start * 1, weight), inplace=True)
    assert torch.equal(end, F.relu(F.linear(start, weight)))
    torch.testing.assert_close(
        *(torch.autograd.grad(y.sum(), start)[0] for y in (end, F.relu(F.linear(start, weight))))
    )
