"""When is drawn: real trainings, resumed ones, and ones that stop early."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trainings import cam, drawn_by, read_drawing

from mmlens.errors import MmlensError


def test_a_resumed_training_goes_on_with_its_history(make_runner):
    saving = dict(default_hooks__checkpoint=dict(type='CheckpointHook', interval=1, _delete_=True))
    whole = make_runner('mmpretrain', [cam()], work='whole', **saving)
    whole.train()
    make_runner('mmpretrain', [cam()], work='parts', train_cfg__max_epochs=1, **saving).train()
    second = make_runner('mmpretrain', [cam()], work='parts', resume=True, **saving)
    assert drawn_by(second) == ['cam/000/epoch_0000', 'cam/000/epoch_0001', 'cam/001/epoch_0000', 'cam/001/epoch_0001']
    second.train()
    assert drawn_by(second) == drawn_by(whole)


def test_a_training_resumed_in_its_first_epoch_does_not_begin_anew(make_runner):
    saving = dict(default_hooks__checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=False, _delete_=True))
    first = make_runner('mmpretrain', [cam(num=1)], **saving)
    first.train()
    drawings = {path: read_drawing(first, path) for path in drawn_by(first)}
    (Path(first.work_dir) / 'last_checkpoint').write_text(f'{first.work_dir}/iter_1.pth')
    second = make_runner('mmpretrain', [cam(num=1)], resume=True, **saving)
    second.train()
    assert drawn_by(second) == ['cam/000/epoch_0000', 'cam/000/epoch_0001', 'cam/000/epoch_0002']
    assert np.array_equal(drawings['cam/000/epoch_0000'], read_drawing(second, 'cam/000/epoch_0000'))


def test_a_new_training_does_not_mix_its_histories_with_those_before(make_runner):
    """What it would draw anew is removed, and nothing else: other pictures, tags, units and files stay."""
    first = make_runner('mmpretrain', [cam(during=('train', 'val')), cam(tag='other', num=1)], train_cfg__max_epochs=3)
    first.train()
    kept = ['cam/000/epoch_00.png', 'cam/000/iter_000003.png', 'cam/000/notes.png', 'cam/000/my_epoch_0001.png']
    for name in kept:
        Path(first.work_dir, 'mmlens', name).touch()
    second = make_runner('mmpretrain', [cam(num=1, during=('train', 'val'), at_start=False)], train_cfg__max_epochs=1)
    second.train()
    assert drawn_by(second) == sorted(
        [
            *(name[:-4] for name in kept),
            'cam/000/epoch_0001',
            *(f'cam/001/epoch_000{step}' for step in range(4)),
            'cam_val/000/epoch_0001',
            *(f'cam_val/001/epoch_000{step}' for step in (1, 2, 3)),
            *(f'other/000/epoch_000{step}' for step in range(4)),
        ]
    )


def test_the_last_weights_of_a_training_that_stops_early_are_drawn(make_runner):
    stopping = dict(type='EarlyStoppingHook', monitor='accuracy/top1', patience=0, min_delta=200, strict=False)
    hooks = [
        cam(num=1, interval=5),
        cam(num=1, tag='every', interval=1),
        cam(num=1, tag='iters', by_epoch=False, interval=3, at_start=False),
        cam(num=1, during='val', interval=5),
        stopping,
    ]
    runner = make_runner('mmpretrain', hooks, train_cfg__max_epochs=9)
    runner.train()
    assert (runner.epoch, runner.iter) == (2, 4)
    assert drawn_by(runner) == [
        'cam/000/epoch_0000',
        'cam/000/epoch_0002',
        'cam_val/000/epoch_0002',
        'every/000/epoch_0000',
        'every/000/epoch_0001',
        'every/000/epoch_0002',
        'iters/000/iter_000003',
        'iters/000/iter_000004',
    ]


def test_a_training_without_epochs_is_told_how_to_count(make_runner):
    loop = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=2, val_interval=2)
    runner = make_runner('mmpretrain', [cam()], train_cfg=loop)
    with pytest.raises(MmlensError, match='IterBasedTrainLoop counts no epochs: set by_epoch=False'):
        runner.train()
    runner = make_runner('mmpretrain', [cam(by_epoch=False, interval=5, num=1)], work='iters', train_cfg=loop)
    runner.train()
    assert drawn_by(runner) == ['cam/000/iter_000000', 'cam/000/iter_000002']
