"""What each kind of backend is told."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
from mmengine.visualization import LocalVisBackend, MLflowVisBackend, Visualizer

from mmlens.engine.delivery import Drawing, deliver


def test_mlflow_gets_a_file_s_name_of_its_own_for_each_step(tmp_path):
    """Its backend saves a picture under the name it is given, and forgets the step."""
    saved = {}
    mlflow = MLflowVisBackend.__new__(MLflowVisBackend)
    mlflow._env_initialized = True
    mlflow._mlflow = SimpleNamespace(
        log_image=lambda image, name: saved.update({name: image}), MlflowException=RuntimeError
    )
    visualizer = Visualizer(save_dir=str(tmp_path))
    visualizer._vis_backends = dict(local=LocalVisBackend(str(tmp_path / 'vis')), mlflow=mlflow)
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[..., 0] = 200  # blue
    runner = SimpleNamespace(visualizer=visualizer)
    for step in (1, 2):
        deliver(Drawing('boxam/a', picture), runner, step, tmp_path / 'own', f'epoch_000{step}.png')
    assert sorted(saved) == ['boxam/a/epoch_0001.png', 'boxam/a/epoch_0002.png']
    assert saved['boxam/a/epoch_0001.png'][0, 0].tolist() == [0, 0, 200]
    for path in ('vis/vis_image/boxam/a_1.png', 'vis/vis_image/boxam/a_2.png', 'own/boxam/a/epoch_0002.png'):
        assert (cv2.imread(str(tmp_path / path)) == picture).all()
