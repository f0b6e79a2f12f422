"""What is counted, by hand; and bars on counted quantities, which no other work on the machine changes."""

import warnings

import numpy as np
import pytest
import torch

from mmlens import explain_boxes, load_detector

SHAPES = 'projects/shapes/{}/shapes_rtmdet.{}'


@pytest.fixture(scope='module')
def counts(tool):
    return tool('benchmark_counts')


@pytest.fixture
def waiting(monkeypatch):
    """Every device is one that has to be waited for."""
    from mmlens.attribution import fusion, tap, windows

    for module in (fusion, tap, windows):
        monkeypatch.setattr(module, 'reads_at_once', lambda values: False)


# ---------------------------------------------------------------- by hand


def test_multiplications_by_hand(counts):
    inputs, weight = torch.ones(1, 2, 4, 4, requires_grad=True), torch.ones(3, 2, 3, 3)
    output, found = counts.count(lambda: torch.conv2d(inputs, weight))
    assert found.multiplications == 3 * 2 * 2 * (2 * 3 * 3) and found.calls['aten::convolution'] == 1
    assert counts.count(output.sum().backward)[1].multiplications == 216  # the weight learns nothing
    grouped = counts.count(lambda: torch.conv2d(inputs, torch.ones(2, 1, 1, 1), groups=2))[1]
    assert grouped.multiplications == 32
    assert counts.count(lambda: torch.ones(2, 3) @ torch.ones(3, 4))[1].multiplications == 24
    assert counts.count(lambda: torch.nn.functional.linear(torch.ones(5, 3), torch.ones(4, 3)))[1].multiplications == 60
    # Each of the 16 cells is spread over 3 x 3, in three channels.
    spread = counts.count(lambda: torch.conv_transpose2d(inputs.detach(), torch.ones(2, 3, 3, 3)))[1]
    assert spread.multiplications == 2 * 16 * 3 * 9


@pytest.mark.parametrize(
    ('read', 'expected'),
    [
        (lambda values: values * 2, 0),
        (lambda values: values[torch.tensor([0, 1])], 0),
        (lambda values: float(values[0]), 1),
        (lambda values: bool((values > 1).any()), 1),
        (lambda values: values.tolist(), 1),
        (lambda values: values.cpu().numpy(), 1),
        (lambda values: values.nonzero(), 1),
        (lambda values: values[values > 1], 1),
        (lambda values: torch.equal(values, values + 1), 1),
    ],
)
def test_readings_by_hand(counts, read, expected):
    assert counts.count(lambda: read(torch.arange(3.0)))[1].reads == expected


def test_waits_are_those_that_torch_tells_of(counts, monkeypatch):
    """On a GPU; here torch's part is played."""
    modes = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'set_sync_debug_mode', modes.append)

    def wait_twice():
        warnings.warn('another', stacklevel=2)
        for _ in range(2):
            warnings.warn('called a synchronizing CUDA operation (Triggered internally)', stacklevel=2)

    assert counts.count(wait_twice)[1].waits == 2 and modes == ['warn', 'default']
    with pytest.raises(ZeroDivisionError):
        counts.count(lambda: 1 / 0)
    assert modes == ['warn', 'default'] * 2


def test_what_many_boxes_share_counts_once(counts):
    shared, own = np.zeros((10, 10), np.float32), np.zeros(25, np.float64)
    assert counts.bytes_kept([dict(a=shared, b=own[:5]), (shared, own)]) == 400 + 200


# ---------------------------------------------------------------- bars


@pytest.fixture(scope='module')
def shapes():
    options = {'model.test_cfg.score_thr': 0.0}
    files = SHAPES.format('configs', 'py'), SHAPES.format('checkpoints', 'pth')
    return load_detector(*files, device='cpu', cfg_options=options)


def of_boxes(counts, detector, number, **options):
    """What the maps of some boxes cost."""
    picture = 'projects/shapes/pictures/000005.jpg'
    found, cost = counts.count(lambda: explain_boxes(detector, picture, score_thr=0.0, topk=number, **options))
    assert len(found) == number
    return found, cost


@pytest.fixture(scope='module')
def plain(counts, shapes):
    """What a plain inference costs."""
    with torch.no_grad():
        return counts.count(lambda: shapes.predict(shapes.prepare('projects/shapes/pictures/000005.jpg')))[1]


@pytest.mark.parametrize(
    ('method', 'first', 'further', 'forward', 'reads'),
    [('gradcam', 1.1, 0.2, 1.05, 7), ('evidencecam', 2.6, 0.9, 1.4, 9)],  # 1.03, 0.11, 1, 6 and 2.32, 0.76, 1.28, 7.6
)
def test_methods_of_one_pass_stay_within_bars(counts, shapes, plain, method, first, further, forward, reads, waiting):
    """Multiplications of the first box and of a further one, convolutions run, readings that a GPU would wait for."""
    _, few = of_boxes(counts, shapes, 1, method=method)
    found, many = of_boxes(counts, shapes, 6, method=method)
    assert few.multiplications < first * plain.multiplications
    assert (many.multiplications - few.multiplications) / 5 < further * plain.multiplications
    assert many.calls['aten::convolution'] < forward * plain.calls['aten::convolution']
    assert (many.reads - few.reads) / 5 < reads  # 15 and 43 before they were gathered
    # A map on the input's grid for each box, whatever the picture's size, and hardly anything beside it.
    assert counts.bytes_kept(found.boxes) < 6 * 1.05 * 192 * 192 * 4


def test_a_method_of_many_passes_stays_within_its_bar(counts, shapes, plain):
    found, cost = of_boxes(counts, shapes, 3, method='ablationcam')
    # A pass runs what follows the neck, for the levels that a box depends on: 19.6 inferences for 96 channels.
    assert found.passes == 96 and cost.multiplications < 22 * plain.multiplications


@pytest.mark.parametrize('method', ['gradcam', 'evidencecam'])
def test_maps_are_the_same_where_reading_waits(counts, shapes, method, monkeypatch, request):
    read, _ = of_boxes(counts, shapes, 3, method=method)
    request.getfixturevalue('waiting')
    unread, _ = of_boxes(counts, shapes, 3, method=method)
    for one, other in zip(read, unread):
        np.testing.assert_array_equal(one.raw, other.raw)
