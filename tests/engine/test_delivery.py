"""What each kind of backend is told."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
from mmengine.visualization import DVCLiveVisBackend, LocalVisBackend, MLflowVisBackend, Visualizer, WandbVisBackend

from mmlens.engine.delivery import Drawing, deliver


def backend_of(kind, tracker):
    """A backend of mmengine, whose tracker need not be installed."""
    backend = kind.__new__(kind)
    backend._env_initialized = True
    vars(backend).update(tracker)
    return backend


def test_wandb_is_told_the_step_in_a_caption(tmp_path):
    """It has one count of its own for scalars and pictures."""
    logged = []
    wandb = SimpleNamespace(
        Image=lambda image, caption: (image[0, 0].tolist(), caption),
        log=lambda values, commit: logged.append((values, commit)),
    )
    visualizer = Visualizer(save_dir=str(tmp_path))
    visualizer._vis_backends = dict(wandb=backend_of(WandbVisBackend, dict(_wandb=wandb, _commit=False)))
    runner = SimpleNamespace(visualizer=visualizer)
    picture = np.full((4, 6, 3), (200, 0, 0), np.uint8)  # blue
    assert not deliver(Drawing('boxam/a', picture), runner, 3, None, 'epoch_0003.png')
    assert logged == [({'boxam/a': ([0, 0, 200], 'epoch_0003')}, False)]


def test_trackers_without_steps_get_a_name_for_each(tmp_path):
    """MLflow's and DVCLive's backends save a picture under the name that they are given, and forget the step."""
    logged, live = {}, {}
    mlflow = SimpleNamespace(log_image=lambda image, name: logged.update({name: image}), MlflowException=RuntimeError)
    dvclive = SimpleNamespace(log_image=lambda name, image: live.update({name: image}))
    visualizer = Visualizer(save_dir=str(tmp_path))
    visualizer._vis_backends = dict(
        local=LocalVisBackend(str(tmp_path / 'vis')),
        mlflow=backend_of(MLflowVisBackend, dict(_mlflow=mlflow)),
        dvclive=backend_of(DVCLiveVisBackend, dict(_dvclive=dvclive)),
    )
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[..., 0] = 200  # blue
    runner = SimpleNamespace(visualizer=visualizer)
    for step in (1, 2):
        failed = deliver(Drawing('boxam/a', picture), runner, step, tmp_path / 'own', f'epoch_000{step}.png')
        assert not failed
    assert sorted(logged) == ['boxam/a/epoch_0001.png', 'boxam/a/epoch_0002.png']
    assert sorted(live) == ['boxam/a/1.png', 'boxam/a/2.png']
    for image in (logged['boxam/a/epoch_0001.png'], live['boxam/a/1.png']):
        assert image[0, 0].tolist() == [0, 0, 200]
    for path in ('vis/vis_image/boxam/a_1.png', 'vis/vis_image/boxam/a_2.png', 'own/boxam/a/epoch_0002.png'):
        assert (cv2.imread(str(tmp_path / path)) == picture).all()
