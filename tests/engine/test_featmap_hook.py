"""The hook of feature maps, in real trainings."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.registry import HOOKS
from trainings import drawn_by, featmap, read_drawing

from mmlens import feature_maps
from mmlens.errors import MmlensError
from mmlens.models.detector import Detector

WRONG = [
    (dict(arrangement=3), r'^arrangement must be \(rows, columns\), not 3.$'),
    (dict(layers=None), '^layers must be a layer, or a list of such, not None.$'),
    (dict(colormap='plasmo'), "^Unknown colour map 'plasmo'"),
    (dict(topk='4'), "^topk must be a whole number, not '4'.$"),
    (dict(score_thr=None), '^score_thr must be a number, not None.$'),
    (dict(arrangement=(1, 2), reduction=None), '^The arrangement 1 x 2 has 2 places'),
]


def test_what_is_wrong_stops_the_training_at_its_start(make_runner):
    runner = make_runner('mmdet')
    runner.train_loop  # noqa: B018  builds it
    for options, sentence in WRONG:
        with pytest.raises(MmlensError, match=sentence) as raised:
            HOOKS.build({'type': 'mmlens.FeatmapVisHook', **options}).before_train(runner)
        assert '\n' not in str(raised.value)


def test_what_the_hook_draws_are_the_maps_of_the_model_as_it_is(make_runner, pictures):
    looking, drawing = dict(layers=['neck'], reduction=None, topk=2, score_thr=0.0), dict(arrangement=(1, 2), alpha=0.3)
    runner = make_runner('mmdet', [featmap(**looking, **drawing)], train_cfg__max_epochs=1)
    runner.train()
    assert drawn_by(runner) == ['featmap/000/epoch_0000', 'featmap/000/epoch_0001']
    detector = Detector(runner.model.eval(), cfg=runner.cfg, dataset_meta=runner.visualizer.dataset_meta)
    expected = feature_maps(detector, pictures / 'val' / 'pictures' / '000.png', **looking).draw(**drawing)
    assert np.array_equal(read_drawing(runner, 'featmap/000/epoch_0001'), expected)
    assert not np.array_equal(read_drawing(runner, 'featmap/000/epoch_0000'), expected)
