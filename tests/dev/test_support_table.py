"""The support table: its list, what a probe sees, and that nothing ends it."""

import copy
import importlib.util
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

REQUIRED = """
    RetinaNet, FCOS, ATSS, GFL, PAA, YOLOF, CenterNet, TOOD, VFNet, RTMDet, RTMDet-Ins, SSD300, YOLOv3, YOLOX,
    YOLOv5, YOLOv6, YOLOv7, YOLOv8, PPYOLOE, DETR, DAB-DETR, DINO, Faster R-CNN, Cascade R-CNN, Sparse R-CNN,
    Mask R-CNN, Conditional DETR, Deformable DETR
"""


@pytest.fixture(scope='module')
def tools(tool):
    """support_table.py and support_probe.py."""
    return tool('support_table'), tool('support_probe')


@pytest.fixture
def row(tools):
    return tools[1].Row('RetinaNet', 'mmdet::retina.py', 'neck', True, True, True, True, 1.25)


def test_the_list_holds_what_is_promised_and_nothing_twice(tools):
    table, _ = tools
    configs = [entry.config for entry in table.entries()]
    assert len(set(configs)) == len(configs) >= 40
    assert {name.strip() for name in REQUIRED.split(',')} <= {entry.detector for entry in table.entries()}
    for config in configs:
        package, name = config.split('::')
        folder = Path(importlib.util.find_spec(package).origin).parent
        assert (folder / '.mim' / 'configs' / name).is_file(), config


def test_the_filter_looks_at_both_names_in_any_case(tools):
    table, _ = tools
    assert {entry.detector for entry in table.entries('yolov7')} == {'YOLOv7'}
    assert all(entry.config.startswith('mmyolo::') for entry in table.entries('MMYOLO::'))
    assert table.entries('no such detector') == []


def test_a_probe_of_a_detector_that_works(tools, yolox_config):
    _, probe = tools
    found = probe.probe(probe.Entry('tiny', yolox_config))
    assert found.works, found
    assert found.layer.endswith(', `neck`') and found.remark == ''
    assert found.seconds >= 0


def test_a_probe_says_what_is_wrong(tools, yolox_config, capsys):
    _, probe = tools
    nothing = probe.probe(probe.Entry('tiny', yolox_config, {'model.test_cfg.score_thr': 1.0}))
    assert (nothing.works, nothing.box_map, nothing.gradient) == (False, False, False)
    assert 'The detector found nothing' in nothing.remark

    probe.probe_and_print(probe.Entry('none', 'mmdet::no/such.py'))
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line['remark'].startswith("No config 'mmdet::no/such.py' in the installed mmdet")
    assert (line['gradient'], line['box_map']) == (None, False)


def test_pictures_get_small_and_thresholds_zero(tools, yolox_config):
    _, probe = tools
    config = copy.deepcopy(yolox_config)
    config.load_from = 'https://example.com/weights.pth'
    config.model.test_cfg = dict(score_thr=0.3, nms_pre=1000, rcnn=dict(score_thr=0.1, max_per_img=-1))
    small = probe.shrink(probe.Entry('tiny', config, {'model.bbox_head.num_classes': 1}))
    assert small.load_from is None
    assert small.model.test_cfg.to_dict() == dict(score_thr=0.0, nms_pre=300, rcnn=dict(score_thr=0.0, max_per_img=-1))
    assert small.test_dataloader.dataset.pipeline[1].scale == (320, 320)
    assert small.model.bbox_head.num_classes == 1
    assert config.model.test_cfg.score_thr == 0.3


@pytest.fixture
def net():
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))


CHANGES = {
    'hooks': lambda net: net[0].register_forward_hook(lambda *_: None),
    'training': lambda net: net[1].train(not net[1].training),
    'requires_grad': lambda net: net[0].weight.requires_grad_(not net[0].weight.requires_grad),
    'grad': lambda net: net[0].weight.grad.add_(1e-7),
    'parameters': lambda net: net[0].bias.data.mul_(1 + 1e-6),
    'buffers': lambda net: net[1].running_mean.add_(1e-7),
    'random states': lambda net: random.random(),
    'modules': lambda net: net.append(torch.nn.ReLU()),
}


@pytest.mark.parametrize('name', CHANGES)
def test_a_change_shows_in_the_fingerprint(tools, net, name):
    _, probe = tools
    with torch.random.fork_rng():
        probe.scramble(net)
        before = probe.fingerprint(net)
        assert probe.fingerprint(net) == before
        CHANGES[name](net)
        after = probe.fingerprint(net)
    assert name in [key for key in before if after[key] != before[key]]


@pytest.mark.parametrize('draw', [lambda: torch.rand(1), lambda: np.random.rand()], ids=['torch', 'numpy'])
def test_every_generator_counts(tools, net, draw):
    _, probe = tools
    before = probe.fingerprint(net)
    draw()
    assert probe.fingerprint(net)['random states'] != before['random states']


def test_layers_that_begin_as_a_constant_are_drawn_and_norms_fit_the_picture(tools, yolox_config):
    from mmlens import load_detector

    _, probe = tools
    detector = load_detector(yolox_config, device='cpu')
    torch.nn.init.zeros_(detector.model.bbox_head.multi_level_conv_cls[0].weight)
    probe.enliven(detector, probe.synthetic_picture())
    assert 0.1 < detector.model.bbox_head.multi_level_conv_cls[0].weight.std() * 4 < 10
    norm = detector.model.backbone.stem.conv.bn
    seen = []
    handle = norm.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        detector.predict(detector.prepare(probe.synthetic_picture()))
    handle.remove()
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), norm.bias.detach(), atol=1e-3, rtol=0)
    assert not [module for module in detector.model.modules() if module._forward_pre_hooks]


def test_other_detections_are_told_apart(tools, yolox_config):
    from mmlens import explain_boxes, load_detector

    _, probe = tools
    picture = probe.synthetic_picture()
    detector = load_detector(probe.shrink(probe.Entry('tiny', yolox_config)), device='cpu')
    probe.enliven(detector, picture)
    expected = probe.plain_detections(detector.model, picture)
    found = explain_boxes(detector, picture, score_thr=0.0, topk=probe.BOXES)
    assert probe.same_detections(found, expected)
    for number, change in enumerate((0.1, 1e-3, 1)):
        changed = [values.copy() for values in expected]
        changed[number][-1] += change
        assert not probe.same_detections(found, changed)
    assert not probe.same_detections(found, [values[:1] for values in expected])


ENDS = {
    'import sys; sys.exit("out of memory")': 'The process ended with status 1: out of memory',
    'import os, signal; os.kill(os.getpid(), signal.SIGSEGV)': 'The process ended with status -11: no message',
    'import time; time.sleep(60)': 'No result within 1 s.',
}


@pytest.mark.parametrize('code', ENDS)
def test_no_crash_ends_the_table(tools, tool, tmp_path, monkeypatch, code):
    table, probe = tools
    (tmp_path / 'support_probe.py').write_text(code)
    monkeypatch.setattr(tool('tables'), 'HERE', tmp_path)
    found = table.try_in_own_process(probe.Entry('RetinaNet', 'mmdet::retina.py'), timeout=1 if 'sleep' in code else 60)
    assert found == probe.Row('RetinaNet', 'mmdet::retina.py', box_map=False, remark=ENDS[code])


def test_the_page_counts_and_lists(tools, row):
    table, probe = tools
    broken = probe.Row('Other', 'mmdet::other.py', box_map=False, remark='ValueError: a | b')
    page = table.markdown([row, broken], {'torch': '2.1.2', 'mmdet': '3.3.0'}, ', compiled')
    assert '**1 of 2** configs' in page
    assert 'torch 2.1.2, mmdet 3.3.0, on the CPU, compiled.' in page
    assert '| RetinaNet | `mmdet::retina.py` | neck | yes | yes | yes | yes | 1.2 |  |' in page
    assert '| Other | `mmdet::other.py` | - | - | **no** | - | - | - | ValueError: a \\| b |' in page


@pytest.mark.parametrize('name', ['gradient', 'box_map', 'same', 'unchanged'])
def test_one_no_is_enough_not_to_work(tools, row, name):
    assert row.works
    setattr(row, name, False)
    assert not row.works
    assert '**no**' in tools[0].markdown([row], {}, '')


def test_the_command_tries_prints_and_writes(tools, row, tmp_path, monkeypatch, capsys):
    table, _ = tools
    monkeypatch.setattr(table, 'try_in_own_process', lambda entry, timeout: row)
    assert table.main(['--filter', 'solo', '--output', str(tmp_path / 'page.md')]) == 0
    assert '1/2 works mmdet::retina.py' in capsys.readouterr().out
    assert '**2 of 2** configs' in (tmp_path / 'page.md').read_text()
    with pytest.raises(SystemExit):
        table.main(['--filter', 'no such detector'])
    capsys.readouterr()
    for nowhere, why in ((tmp_path, 'is a folder'), (tmp_path / 'page.md' / 'page.md', 'is a file, not a folder')):
        with pytest.raises(SystemExit):
            table.main(['--output', str(nowhere)])  # told before anything is measured
        assert why in capsys.readouterr().err
