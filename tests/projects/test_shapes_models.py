from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from mmlens.compat import prepare
from projects.shapes import dataset, evaluate, evidence, scenes
from projects.shapes.scenes import CLASSES, MARK_CLASSES, draw_scene
from projects.shapes.train import EVIDENCE, HERE, NAMES, load_config, slim


@pytest.fixture(scope='module')
def held_out(tmp_path_factory):
    """40 of the held-out pictures on disk."""
    root = tmp_path_factory.mktemp('shapes')
    dataset.write_split(root / 'held_out', dataset.SPLITS['held_out'][0], range(40))
    return root


def scenes_of(name):
    return evidence if name in EVIDENCE else scenes


@pytest.mark.parametrize('name', NAMES + EVIDENCE)
def test_checkpoint_is_slim_and_holds_weights_alone(name):
    path = HERE / 'checkpoints' / f'{name}.pth'
    assert path.stat().st_size <= 2_000_000
    content = torch.load(path, map_location='cpu', weights_only=True)
    assert sorted(content) == ['meta', 'state_dict']
    assert content['meta']['dataset_meta']['classes'] == list(scenes_of(name).CLASSES)
    assert all(torch.isfinite(t).all() for t in content['state_dict'].values())


@pytest.mark.parametrize('name', NAMES + EVIDENCE)
def test_config_names_the_classes_of_the_set(name):
    for loader in ('train_dataloader', 'test_dataloader'):
        metainfo = load_config(name)[loader].dataset.metainfo
        assert tuple(metainfo.classes) == scenes_of(name).CLASSES
        assert tuple(map(tuple, metainfo.palette)) == scenes_of(name).PALETTE


@pytest.mark.parametrize('name', NAMES)
def test_detector_is_built_from_any_folder_and_finds_objects(name, tmp_path, monkeypatch):
    prepare('mmyolo')
    from mmdet.apis import inference_detector, init_detector

    monkeypatch.chdir(tmp_path)
    config, checkpoint = HERE / 'configs' / f'{name}.py', HERE / 'checkpoints' / f'{name}.pth'
    model = init_detector(str(config), str(checkpoint), device='cpu')
    assert tuple(model.dataset_meta['classes']) == CLASSES
    scene = draw_scene(1, 0)
    found = inference_detector(model, scene.picture).pred_instances
    sure = found[found.scores > 0.5]
    assert len(sure) >= 1
    for box in scene.boxes:
        nearest = np.abs(sure.bboxes.numpy() - box).max(1).min()
        assert nearest < 0.15 * np.sqrt(np.prod(box[2:] - box[:2]))


@pytest.mark.parametrize('name', NAMES)
def test_detector_tells_the_pairs_apart_by_their_marks(name):
    """Exchange the marks and nothing else, and the detector names the other class."""
    prepare('mmyolo')
    from mmdet.apis import inference_detector, init_detector

    config, checkpoint = HERE / 'configs' / f'{name}.py', HERE / 'checkpoints' / f'{name}.pth'
    model = init_detector(str(config), str(checkpoint), device='cpu')
    named = []
    for index in range(8):
        for swap_marks in (False, True):
            scene = draw_scene(1, index, swap_marks=swap_marks)
            found = inference_detector(model, scene.picture).pred_instances.numpy()
            for box, label in zip(scene.boxes, scene.labels):
                if label in MARK_CLASSES:
                    same = np.abs(found.bboxes - box).max(1) < 0.2 * (box[2:] - box[:2]).max()
                    named.append(same.any() and found.labels[same][found.scores[same].argmax()] == label)
    assert len(named) >= 20 and np.mean(named) >= 0.9


@pytest.mark.parametrize('name', NAMES)
def test_map50_on_held_out_pictures_through_the_command(name, held_out, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluate.main([name, '--data-root', str(held_out)])
    printed = capsys.readouterr().out
    assert float(re.search(rf'{name}: mAP50 ([\d.]+)', printed).group(1)) >= 0.85
    for class_name in CLASSES:
        assert float(re.search(rf'  {class_name} +AP ([\d.]+)', printed).group(1)) > 0.5


def test_slim_stores_shared_weights_once(tmp_path):
    shared, own = torch.randn(1000), torch.randn(1000)
    state = {'a': shared, 'b': shared, 'c': own, 'd': torch.tensor(7)}
    meta = {'dataset_meta': {'classes': ('x',), 'palette': [(1, 2, 3)]}}
    full = tmp_path / 'full.pth'
    torch.save({'state_dict': state, 'meta': meta, 'optimizer': {'state': own}}, full)
    slim(full, tmp_path / 'slim.pth')
    content = torch.load(tmp_path / 'slim.pth', weights_only=True)
    assert sorted(content) == ['meta', 'state_dict']
    assert content['state_dict']['a'].data_ptr() == content['state_dict']['b'].data_ptr()
    torch.testing.assert_close(content['state_dict']['c'].float(), own, rtol=1e-3, atol=1e-3)
    assert content['state_dict']['d'] == 7
    assert (tmp_path / 'slim.pth').stat().st_size < 6000 + 2 * 1000 * 2
