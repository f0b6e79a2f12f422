"""The hook of box maps, in real trainings."""

from __future__ import annotations

import pytest
from mmengine.registry import HOOKS
from trainings import boxam, drawn_by, warnings_of

from mmlens.errors import MmlensError

WRONG = [
    (dict(layers=['neck.downsamples']), "^Layer 'neck.downsamples' is a list of layers"),
    (dict(method='gradcm'), "method 'gradcm'"),
    (dict(target='boxes'), 'boxes'),
    (dict(classes=['dsic']), "^The model knows no class 'dsic': it knows disc"),
    (dict(layout='sheet'), "^Unknown layout 'sheet'"),
    (dict(colormap='truebo'), 'truebo'),
    (dict(max_boxes=0), '^max_boxes must be -1 or at least 1, not 0.$'),
    (dict(max_boxes='3'), "^max_boxes must be -1 or at least 1, not '3'.$"),
    (dict(score_thr='0.3'), "^score_thr must be a number, not '0.3'.$"),
    (dict(method_options=['n_masks']), r"^method_options must be a dict, not \['n_masks'\].$"),
    (dict(against=1.5), '^against must be a class, or a list of such, not 1.5.$'),
    (dict(against='auto', target='box'), "^`against` contrasts the scores of classes: leave `target` at 'score'.$"),
    (dict(signed=True, method='eigencam'), "^Method 'eigencam' shows only what speaks for a target: "),
    (dict(classes=1.5), '^classes must be a class, or a list of such, not 1.5.$'),
    (dict(layers=[0]), r'^layers must be a layer, or a list of such, not \[0\].$'),
]


def test_what_is_wrong_stops_the_training_at_its_start(make_runner):
    runner = make_runner('mmdet')
    runner.train_loop  # noqa: B018  builds it
    for options, sentence in WRONG:
        with pytest.raises(MmlensError, match=sentence) as raised:
            HOOKS.build({'type': 'mmlens.BoxAMVisHook', **options}).before_train(runner)
        assert '\n' not in str(raised.value)


def test_a_test_alone_builds_no_training(make_runner):
    runner = make_runner('mmdet', [boxam(during='test')])
    runner.test()
    assert drawn_by(runner) == ['boxam_test/000/epoch_0000']
    assert isinstance(runner._train_loop, dict)


def test_that_no_box_scores_enough_is_said_once(make_runner, monkeypatch):
    runner = make_runner('mmdet', [boxam(score_thr=0.99, num=2)])
    said = warnings_of(runner, monkeypatch)
    runner.train()
    assert [sentence for sentence in said if sentence.startswith('BoxAMVisHook')] == [
        'BoxAMVisHook: 000: No detection was selected: none of the wanted kind scores 0.99 or more.'
    ]


def test_both_directions_of_a_contrast_are_drawn(make_runner):
    hooks = [
        boxam(during='test', against='background', layout='panels', method='gradcam'),
        boxam(during='test', signed=True, method='gradcam', tag='signed'),
    ]
    runner = make_runner('mmdet', hooks)
    runner.test()
    assert drawn_by(runner) == ['boxam_test/000/epoch_0000', 'signed_test/000/epoch_0000']
