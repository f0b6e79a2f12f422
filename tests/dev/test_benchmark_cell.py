"""How methods are measured on detectors, and how other packages' methods are wrapped."""

import copy
import inspect
import json
import mmap
import os
import signal
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmlens import compat

KINDS = ('configs', 'py'), ('checkpoints', 'pth')


@pytest.fixture(scope='module')
def tools(tool):
    """The files of the benchmark."""
    return SimpleNamespace(
        **{name: tool(f'benchmark_{name}') for name in ('cell', 'counts', 'detectors', 'others', 'rows', 'runs')}
    )


@pytest.fixture
def subject(tools, yolox, picture):
    return tools.detectors.Subject(yolox, picture)


# ---------------------------------------------------------------- what is measured


@pytest.mark.parametrize(('method', 'passes'), [('gradcam', None), ('ablationcam', 144)])
def test_a_cell_is_measured(tools, method, passes):
    row = tools.cell.measure(tools.rows.Cell('shapes-rtmdet', method, boxes=2, side=64, repeat=1, device='cpu'))
    assert row.remark == '' and not row.ended_early
    assert (row.side, row.channels) == (64, 144)
    assert (row.boxes, row.maps) == (2, 2)
    assert row.passes is None if passes is None else 0 < row.passes <= passes
    assert row.inference > 0 and row.seconds > 0 and row.whole == row.seconds
    assert row.ratio_to_inference == row.seconds / row.inference
    assert row.memory is not None and row.inference_memory is not None
    assert row.multiplications > 1 and row.reads > 0 and row.waits is None


def test_a_detector_of_ones_own_is_measured_in_mixed_precision(tools):
    own = [
        'projects/shapes/pictures/000005.jpg',
        *(f'projects/shapes/{folder}/shapes_rtmdet.{kind}' for folder, kind in KINDS),
    ]
    row = tools.cell.measure(tools.rows.Cell('own', 'gradcam', own=own, autocast='bf16', repeat=1, device='cpu'))
    assert row.detector == 'own' and row.side == 192 and row.boxes > 0 and row.seconds > 0


def test_seconds_on_a_gpu_are_those_between_two_events(tools, monkeypatch):
    """Here torch's part is played."""
    order = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            order.append('record')

        def synchronize(self):
            order.append('wait')

        def elapsed_time(self, ended):
            return 1500.0 if ended is not self else 0.0

    monkeypatch.setattr(torch.cuda, 'is_initialized', lambda: True)
    monkeypatch.setattr(torch.cuda, 'Event', Event)
    monkeypatch.setattr(torch.cuda, 'synchronize', lambda: order.append('empty'))
    assert tools.runs.seconds(lambda word: order.append(word) or 3, 'run') == (1.5, 3)
    assert order == ['empty', 'record', 'run', 'record', 'wait']


def test_cells_are_measured_in_forks(tools, monkeypatch, capfd):
    def measure(cell):
        if cell.method == 'drise':
            time.sleep(60)
        if cell.method == 'scorecam':
            os.kill(os.getpid(), signal.SIGKILL)
        return tools.rows.Row(cell.detector, cell.method, seconds=1.5)

    monkeypatch.setattr(tools.cell, 'measure', measure)
    lines = [
        json.dumps(dict(cell=dict(detector='a', method=method), limit=limit)) + '\n'
        for method, limit in (('gradcam', 60), ('drise', 0.2), ('scorecam', 60), ('layercam', 60))
    ]
    monkeypatch.setattr(sys, 'stdin', lines)
    tools.cell.serve()
    answers = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [found.get('method') for found, _ in answers] == ['gradcam', None, None, 'layercam']
    assert answers[1][1] == 'No result within 0.2 s.' and answers[2][1] == 'The process ended with status 9.'


def test_what_an_ended_method_has_not_done_is_added_by_hand(tools):
    row = tools.rows.Row('a', 'b', inference=2.0, seconds=5.0, passes=20, all_passes=60, pace=0.25)
    assert row.ended_early and row.whole == 15.0 and row.ratio_to_inference == 7.5  # 5 + 40 * 0.25
    row.pace = None
    assert row.ended_early and row.whole is None and row.ratio_to_inference is None
    row.passes = 60
    assert not row.ended_early and row.whole == 5.0
    assert tools.rows.Row('a', 'b').ratio_to_inference is None


def test_the_pace_leaves_out_what_comes_before_the_first_passes(tools, monkeypatch):
    times = iter([10.0, 12.0, 13.0])
    monkeypatch.setattr(tools.runs.time, 'perf_counter', lambda: next(times))
    clock = tools.runs.Clock(deadline=11.0)
    assert clock.passes == 0 and clock.pace is None
    assert clock.see(8) and clock.pace is None
    assert not clock.see(16)  # two batches at least, or there would be no pace
    assert clock.see(20) is False and clock.passes == 20 and clock.pace == 0.25


@pytest.mark.parametrize('method', ['drise', 'grad-cam:AblationCAM'])
def test_a_method_of_many_passes_ends_with_its_budget(tools, subject, method):
    model = subject.detector.model
    neck = model.neck
    run = tools.cell.run_of(subject, tools.rows.Cell('tiny', method, boxes=6))
    outcome = run(0.0)
    assert outcome.boxes == 6 and outcome.passes < outcome.all_passes and outcome.pace > 0
    assert model.neck is neck and not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_best_stay_the_best_under_a_threshold(tools, yolox, picture):
    from mmlens import explain_boxes

    detector = copy.deepcopy(yolox)
    detector.model.bbox_head.test_cfg.score_thr = 0.0

    def count():
        with torch.no_grad():
            return len(detector.predict(detector.prepare(picture)))

    before, many = explain_boxes(detector, picture, score_thr=0.0, topk=3).arrays(), count()
    tools.detectors.keep_the_best(detector, picture)
    after = explain_boxes(detector, picture, score_thr=0.0, topk=3).arrays()
    np.testing.assert_array_equal(before['boxes'], after['boxes'])
    np.testing.assert_array_equal(before['scores'], after['scores'])
    assert count() == tools.detectors.CANDIDATES < many


def test_random_weights_are_the_same_in_each_process(tools, yolox_config, picture, tmp_path, monkeypatch):
    yolox_config.dump(tmp_path / 'config.py')
    monkeypatch.setitem(tools.detectors.DETECTORS, 'tiny', (str(tmp_path / 'config.py'), None, picture))
    first, second = (tools.detectors.load(tools.rows.Cell('tiny', 'gradcam', side=64, device='cpu')) for _ in range(2))
    for one, other in zip(first.detector.model.parameters(), second.detector.model.parameters()):
        assert torch.equal(one, other)


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='elsewhere the peak of a process is never forgotten')
def test_memory_is_that_of_the_peak(tools):
    memory = tools.cell.Memory(torch.device('cpu'))

    def fill():
        # Pages of our own: malloc may put a tensor into what it kept of earlier tests, and keep it again.
        with mmap.mmap(-1, 200_000_000) as pages:
            return sum(pages.write(b'1' * 1_000_000) for _ in range(200))

    written, first = memory.peak_of(fill)
    assert written == 200_000_000 and 190 < first < 260
    # The kernel may count what was given back a little late.
    assert min(memory.peak_of(lambda: time.sleep(0.1))[1] for _ in range(5)) < 100


# ---------------------------------------------------------------- other packages' methods


def test_a_wrapped_detector_finds_the_same_for_every_picture_of_a_batch(tools, yolox, picture):
    prepared = yolox.prepare(picture)
    wrapped = tools.others.AsTorchvision(yolox, prepared.batch['data_samples'])
    wrapped.clock = tools.runs.Clock(deadline=0.0)
    with torch.no_grad():
        expected = yolox.predict(prepared)
        both = wrapped(prepared.batch['inputs'].expand(2, -1, -1, -1))
    assert wrapped.clock.passes == len(both) == 2
    for found in both:
        order = found['scores'].argsort(descending=True)
        torch.testing.assert_close(found['boxes'][order], expected.boxes)
        torch.testing.assert_close(found['scores'][order], expected.scores)
    with pytest.raises(tools.others.OutOfTime):
        wrapped(prepared.batch['inputs'])


def test_gradcam_of_the_package_makes_a_map_for_each_box_and_fails_where_the_graph_is_cut(tools, subject):
    run = tools.cell.run_of(subject, tools.rows.Cell('tiny', 'grad-cam:GradCAM', boxes=2))
    outcome = run(float('inf'))
    assert (outcome.boxes, outcome.maps, outcome.passes, outcome.all_passes) == (2, 2, 2, 2)
    assert all(parameter.grad is None for parameter in subject.detector.model.parameters())
    cut = tools.detectors.load(tools.rows.Cell('shapes-rtmdet', 'grad-cam:GradCAM', side=64, device='cpu'))
    with pytest.raises(RuntimeError, match='does not require grad'):
        tools.cell.run_of(cut, tools.rows.Cell('shapes-rtmdet', 'grad-cam:GradCAM'))(float('inf'))


def test_the_best_match_is_that_of_the_class_by_hand(tools):
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0], [9.0, 9.0, 12.0, 12.0]])
    found = dict(boxes=boxes, labels=torch.tensor([1, 0, 1, 2]), scores=torch.tensor([0.5, 0.25, 0.125, 0.75]))
    asked = [(boxes[0], 0, 1.25), (boxes[0], 1, 1.5), (boxes[2], 1, 1.125), (boxes[0], 2, 0.0), (boxes[0], 3, 0.0)]
    for box, label, expected in asked:
        assert float(tools.others.best_match(box, torch.tensor(label), found)) == expected


def test_the_modules_that_make_the_levels_are_found(tools, subject, faster_rcnn, picture):
    assert tools.others.level_modules(subject) == list(subject.detector.model.neck.out_convs)
    found = tools.others.level_modules(tools.detectors.Subject(faster_rcnn, picture))
    # The fifth level of an FPN is pooled from the fourth by a function.
    assert found == [*faster_rcnn.model.neck.fpn_convs, None]


def test_gradients_of_all_boxes_at_once_are_those_of_each(tools, subject, monkeypatch):
    from mmlens import explain_boxes

    sums = []
    fuse = tools.others.add_levels
    monkeypatch.setattr(tools.others, 'add_levels', lambda *args: sums.append(fuse(*args)) or sums[-1])
    run = tools.cell.run_of(subject, tools.rows.Cell('tiny', 'vmap:gradcam', boxes=6))
    assert run(float('inf')) == tools.runs.Outcome(boxes=6, maps=6)
    expected = explain_boxes(subject.detector, subject.picture, method='gradcam', score_thr=0.0, topk=6)
    geometry = subject.detector.prepare(subject.picture).geometry
    for total, box in zip(sums, expected):
        found = geometry.map_to_picture(total.detach().numpy())
        np.testing.assert_allclose(found, box.raw, rtol=1e-4, atol=1e-5 * box.raw.max())


def test_whole_backward_passes_visit_no_window(tools, subject, monkeypatch):
    from mmlens.attribution import windows

    monkeypatch.setattr(windows, 'WORTH_IT', 0)
    visited, apply = [], windows._Convolution.apply
    monkeypatch.setattr(windows._Convolution, 'apply', lambda *args: visited.append(1) or apply(*args))
    for method, looks_for_windows in (('whole:gradcam', False), ('gradcam', True)):
        run = tools.cell.run_of(subject, tools.rows.Cell('tiny', method, boxes=2))
        assert run(float('inf')) == tools.runs.Outcome(boxes=2, maps=2)
        assert bool(visited) == looks_for_windows


def test_one_channel_of_one_level_is_ablated_in_each_picture_of_a_batch(tools):
    levels = (torch.ones(1, 2, 4, 4), torch.ones(1, 3, 2, 2))
    layer = tools.others.neck_ablation()
    layer.indices = [1, 3]
    layer.set_next_batch(input_batch_index=0, activations=levels, num_channels_to_ablate=2)
    first, second = layer(None)
    assert first[0].sum((1, 2)).tolist() == [16, 0] and second[0].sum((1, 2)).tolist() == [4, 4, 4]
    assert first[1].sum((1, 2)).tolist() == [16, 16] and second[1].sum((1, 2)).tolist() == [4, 0, 4]
    assert tools.others.join_levels(levels).shape == (1, 5, 4, 4)


def test_mmyolo_says_what_it_misses(tools, capsys):
    compat.prepare('mmyolo')  # before the first import, which fails without under a newer mmcv
    pytest.importorskip('mmyolo')
    from pytorch_grad_cam.base_cam import BaseCAM

    if 'use_cuda' in inspect.signature(BaseCAM).parameters:
        pytest.skip('the installed grad-cam is one that MMYOLO can use')
    tools.cell.measure_and_print(tools.rows.Cell('shapes-yolov5', 'mmyolo:gradcam', side=64, device='cpu'))
    row = tools.rows.Row(**json.loads(capsys.readouterr().out.splitlines()[-1]))
    assert 'grad-cam before 1.5' in row.remark and row.seconds is None
