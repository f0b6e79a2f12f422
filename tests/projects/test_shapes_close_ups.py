from __future__ import annotations

import numpy as np
import pytest
import torch

from projects.shapes import close_ups, evidence_dataset
from projects.shapes.close_ups import SIDE, Hut, close_up, huts
from projects.shapes.evidence import CLASSES, KINDS, draw_scene
from projects.shapes.train import CLOSE_UPS, HERE


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Four training pictures on disk."""
    root = tmp_path_factory.mktemp('evidence')
    evidence_dataset.write_split(root / 'train', evidence_dataset.SPLITS['train'][0], range(4), 'shortcut')
    return root


def test_huts_are_those_of_the_scenes_at_the_scale_of_the_input(root):
    found = list(huts(root / 'train.json'))
    scenes = [draw_scene(evidence_dataset.SPLITS['train'][0], index, stamps='shortcut') for index in range(4)]
    expected = [(s, n) for s in scenes for n in np.flatnonzero(np.isin(s.labels, KINDS['context']))]
    assert len(found) == len(expected) > 2
    for hut, (scene, number) in zip(found, expected):
        assert max(hut.picture.shape) == 192
        np.testing.assert_allclose(hut.boxes, scene.boxes * 0.6, atol=1e-4)
        np.testing.assert_array_equal(hut.labels, scene.labels)
        rows, columns = np.nonzero(scene.masks[number] | scene.part_masks[number, 0])
        truth = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        np.testing.assert_allclose(hut.reach, truth * 0.6, atol=1e-4)


def test_a_close_up_holds_hut_and_sign_and_its_boxes_move_with_it():
    """Each pixel tells where it was, so that the window shows what it was cut from."""
    rows, columns = np.mgrid[:140, :192].astype(np.uint8)
    boxes = np.array([[120, 60, 160, 110], [20, 60, 110, 90]], float)
    hut = Hut(np.stack([columns, rows, rows], -1), np.array([120, 60, 185, 110.0]), boxes, np.array([1, 4]))
    rng, flips = np.random.default_rng(0), set()
    for _ in range(20):
        window, kept, labels = close_up(rng, hut)
        assert window.shape == (SIDE, SIDE, 3)
        left, right, top = (int(v) for v in (*window[0, :, 0][[0, -1]], window[0, 0, 1]))
        flips.add(left > right)
        assert min(left, right) <= 120 and max(left, right) >= 184 and top <= 60 and top + SIDE >= 110
        assert labels.tolist() == [1]  # less than half of the plate is in the window
        x1, y1, x2, y2 = kept[0].astype(int)
        part = window[y1:y2, x1:x2]
        assert (part[..., 0].min(), part[..., 0].max() + 1) == (120, 160)
        assert (part[..., 1].min(), part[..., 1].max() + 1) == (60, 110)
    assert flips == {False, True}


@pytest.mark.parametrize('name', CLOSE_UPS)
def test_the_command_trains_all_but_the_frozen_stages(name, root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(close_ups, 'BATCH', 4)
    start = HERE / 'checkpoints' / f'{name}.pth'
    close_ups.main([name, '--load-from', str(start), '--root', str(root), '--steps', '2'])
    written = tmp_path / 'work_dirs' / name / 'close_ups.pth'
    assert str(written.relative_to(tmp_path)) in capsys.readouterr().out
    after = torch.load(written, weights_only=True)
    assert after['meta']['dataset_meta']['classes'] == list(CLASSES)
    before = torch.load(start, weights_only=True)['state_dict']
    assert set(after['state_dict']) == set(before)
    changed = {key for key, value in after['state_dict'].items() if (value.float() != before[key].float()).any()}
    assert any(key.startswith('bbox_head') for key in changed)
    assert any(key.startswith('backbone.stage4') for key in changed)
    assert not any(key.startswith(('backbone.stem', 'backbone.stage1')) for key in changed)
    assert all(torch.isfinite(value).all() for value in after['state_dict'].values())
