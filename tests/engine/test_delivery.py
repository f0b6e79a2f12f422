"""What each kind of backend is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.registry import VISBACKENDS
from mmengine.visualization import DVCLiveVisBackend, LocalVisBackend, MLflowVisBackend, Visualizer, WandbVisBackend
from trainings import cam, drawn_by, read_drawing, warnings_of

from mmlens.engine.delivery import Delivery, deliver


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
    assert not deliver(Delivery('boxam/a', picture), runner, 3, None, 'epoch_0003.png')
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
        failed = deliver(Delivery('boxam/a', picture), runner, step, tmp_path / 'own', f'epoch_000{step}.png')
        assert not failed
    assert sorted(logged) == ['boxam/a/epoch_0001.png', 'boxam/a/epoch_0002.png']
    assert sorted(live) == ['boxam/a/1.png', 'boxam/a/2.png']
    for image in (logged['boxam/a/epoch_0001.png'], live['boxam/a/1.png']):
        assert image[0, 0].tolist() == [0, 0, 200]
    for path in ('vis/vis_image/boxam/a_1.png', 'vis/vis_image/boxam/a_2.png', 'own/boxam/a/epoch_0002.png'):
        assert (cv2.imread(str(tmp_path / path)) == picture).all()


def test_every_backend_gets_stable_tags_and_the_step(make_runner):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    hooks = [cam(interval=2), cam(tag='often', by_epoch=False, interval=3, at_start=False, num=1)]
    runner = make_runner(
        'mmpretrain', hooks, visualizer=dict(type='Visualizer', vis_backends=backends), train_cfg__max_epochs=3
    )
    runner.train()
    events = EventAccumulator(str(next(iter(runner.visualizer._vis_backends.values()))._save_dir))
    events.Reload()
    steps = {tag: [image.step for image in events.Images(tag)] for tag in events.Tags()['images']}
    # Six iterations; epochs 0, 2 and, because it is the last, 3.
    assert steps == {'cam/000': [0, 2, 3], 'cam/001': [0, 2, 3], 'often/000': [3, 6]}
    image = cv2.imdecode(np.frombuffer(events.Images('cam/000')[0].encoded_image_string, np.uint8), 1)
    assert (image == read_drawing(runner, 'cam/000/epoch_0000')).all()
    by_backend = Path(runner.visualizer._vis_backends['LocalVisBackend']._img_save_dir) / 'cam' / '000_0.png'
    assert (image == cv2.imread(str(by_backend))).all()
    assert drawn_by(runner) == [
        *(f'cam/00{n}/epoch_000{step}' for n in (0, 1) for step in (0, 2, 3)),
        'often/000/iter_000003',
        'often/000/iter_000006',
    ]


@VISBACKENDS.register_module(force=True)
class OutOfReach(LocalVisBackend):
    """A tracker without a network."""

    def add_image(self, name, image, step=0, **options):
        raise ConnectionError(f'no route to the tracker for {name} at {step}')


def test_what_fails_on_the_way_stops_nothing_and_nobody_else(make_runner, monkeypatch, tmp_path):
    for place in ('OutOfReach', 'its folder'):
        work = tmp_path / place
        backends = [dict(type='OutOfReach'), dict(type='LocalVisBackend')][place != 'OutOfReach' :]
        hook = dict(type='mmlens.CAMVisHook', num=2)
        runner = make_runner('mmpretrain', [hook], work=place, visualizer__vis_backends=backends)
        if place == 'its folder':
            (work / 'mmlens').write_text('a file where a folder should be')
        said = warnings_of(runner, monkeypatch)
        runner.train()
        failed = [sentence for sentence in said if 'hand' in sentence]
        assert len(failed) == 1 and failed[0].endswith(' The run goes on.')
        assert failed[0].startswith(f'CAMVisHook could not hand cam/000 over to {place}: ')
        saved = sorted(path.name for path in work.rglob('vis_image/cam/*.png'))
        assert saved == [f'00{picture}_{step}.png' for picture in (0, 1) for step in (0, 1, 2)]
        assert len(drawn_by(runner)) == (6 if place == 'OutOfReach' else 0)
    hook = dict(hook, on_error='raise')
    with pytest.raises(ConnectionError, match='no route to the tracker for cam/000 at 0'):
        make_runner('mmpretrain', [hook], visualizer__vis_backends=[dict(type='OutOfReach')]).train()
