"""What the base of the hooks does: a training is the same to the last bit as without, and nothing stops it."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import random
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS, OPTIM_WRAPPERS
from mmengine.runner import autocast
from trainings import EMA, CallAfterEpoch, assert_same, boxam, cam, drawn_by, featmap, read_drawing, warnings_of

from mmlens import BoxExplanation, BoxMap, ClassExplanation, ClassMap, FeatureMap, FeatureMaps
from mmlens.engine import VisHook
from mmlens.engine.watched_pictures import Truth, WatchedPicture
from mmlens.errors import MmlensError
from mmlens.rendering.truth import put_truth_beside


@OPTIM_WRAPPERS.register_module(force=True)
class Bfloat16Wrapper(OptimWrapper):
    """What AmpOptimWrapper does, which asks for a GPU."""

    @contextlib.contextmanager
    def optim_context(self, model):
        with super().optim_context(model), autocast(device_type='cpu', dtype=torch.bfloat16):
            yield


BF16 = dict(type='Bfloat16Wrapper', optimizer=dict(type='AdamW', lr=0.01))
ACCUMULATION = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01), accumulative_counts=2)


def logged_losses(runner):
    files = sorted(Path(runner.work_dir).glob('*/vis_data/scalars.json'))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [{key: value for key, value in row.items() if 'time' not in key and key != 'memory'} for row in rows]


@pytest.mark.parametrize(
    ('library', 'hooks', 'options'),
    [
        (
            'mmdet',
            [
                boxam(during=('train', 'val'), draw_gt=True),
                boxam(tag='ablated', method='ablationcam', method_options=dict(ratio_channels_to_ablate=0.1)),
                featmap(by_epoch=False, interval=1, layers=['neck']),
            ],
            dict(optim_wrapper=BF16),
        ),
        (
            'mmyolo',
            [boxam(method='layercam', use_ema=True), featmap(tag='plain'), EMA],
            dict(optim_wrapper=dict(ACCUMULATION)),
        ),
        ('mmpretrain', [cam(), featmap(during='val'), EMA], dict(optim_wrapper=dict(BF16, accumulative_counts=2))),
    ],
    ids=['mmdet-bf16', 'mmyolo-ema-accumulation', 'mmpretrain-bf16-ema-accumulation'],
)
def test_a_training_with_hooks_is_the_one_without(make_runner, library, hooks, options):
    runners = {}
    for name, chosen in (('with', hooks), ('without', [hook for hook in hooks if hook is EMA])):
        runners[name] = make_runner(library, chosen, work=name, **options)
        runners[name].train()
    one, other = runners['with'], runners['without']
    assert drawn_by(one) and not drawn_by(other)
    assert_same(one.model.state_dict(), other.model.state_dict())
    assert_same(one.optim_wrapper.state_dict(), other.optim_wrapper.state_dict())
    losses = logged_losses(one)
    assert sum('loss' in row for row in losses) == 4
    assert_same(losses, logged_losses(other))
    assert list(one.message_hub.runtime_info) == list(other.message_hub.runtime_info)
    assert not hasattr(one.model, 'cfg')
    for mine, theirs in zip(one.model.modules(), other.model.modules()):
        assert mine.training == theirs.training and len(mine._forward_hooks) == len(theirs._forward_hooks)


def test_random_states_go_on_as_without_hooks(make_runner):
    """What is drawn next from each generator, after every epoch."""
    seen = {}
    for name, hooks in (('with', [cam()]), ('without', [])):
        seen[name] = []

        def note(runner, into=seen[name]):
            into.append((random.getstate()[1][:5], np.random.get_state()[1][:5].tolist(), torch.get_rng_state()))

        runner = make_runner('mmpretrain', hooks, work=name)
        runner.register_hook(CallAfterEpoch(note))
        runner.train()
    assert_same(seen['with'], seen['without'])


def test_a_drawing_leaves_no_memory_behind(make_runner):
    runner = make_runner('mmpretrain', [cam(), featmap()], train_cfg__max_epochs=1)
    runner.train()
    hooks = [hook for hook in runner.hooks if isinstance(hook, VisHook)]

    def tensors():
        gc.collect()
        return sum(isinstance(each, torch.Tensor) for each in gc.get_objects())

    before = tensors()
    for step in range(3):
        for hook in hooks:
            hook._draw_all(runner, 'train', step)
        assert tensors() == before


def test_compiled_models_are_drawn_as_their_own_code(make_runner):
    """torch.compile would trace our hooks; the drawing is that of the plain model, and what is compiled stays."""
    runner = make_runner('mmpretrain', [cam(num=1)])
    runner.train_loop  # noqa: B018  builds it
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, VisHook))
    hook.before_train(runner)
    plain = read_drawing(runner, 'cam/000/epoch_0000')
    options = dict(backend=lambda graph, inputs: pytest.fail('compiled anew'))
    runner.model.forward = compiled = torch.compile(runner.model.forward, **options)
    if hasattr(runner.model, 'compile'):  # since torch 2.2
        runner.model.backbone.layer2.compile(**options)
    hook.before_train(runner)
    assert (read_drawing(runner, 'cam/000/epoch_0000') == plain).all()
    assert runner.model.forward is compiled


WRONG = [
    (dict(interval=0), '^interval must be an integer of at least 1, not 0.$'),
    (dict(during='training'), '^during must name some of train, val, test, not training.$'),
    (dict(pictures=['gone.jpg']), '^No picture gone.jpg: check the path.$'),
    (dict(pictures=[]), '^pictures names no picture.$'),
    (dict(indexes=[5]), '^There is no picture 5: the val set has 5, from 0.$'),
    (dict(num=0), '^num must be at least 1, or -1 for all, and every at least 1: not 0, 1.$'),
    (dict(use_ema=True), '^use_ema=True needs an EMAHook, and the config has none: leave it out.$'),
    (dict(dataset='vla'), "^dataset must be 'train', 'val' or 'test', not 'vla'.$"),
    (dict(num='4'), "^num must be at least 1, or -1 for all, and every at least 1: not '4', 1.$"),
    (dict(num=None), 'every at least 1: not None, 1.$'),
    (dict(every=1.5), 'every at least 1: not 4, 1.5.$'),
    (dict(interval=True), '^interval must be an integer of at least 1, not True.$'),
    (dict(during=None), "^during must be 'train', 'val' or 'test', or a list of such, not None.$"),
    (dict(pictures=7), '^pictures must be a file, or a list of such, not 7.$'),
    (dict(indexes='3'), "^indexes must be a position in the dataset, from 0, or a list of such, not '3'.$"),
    (dict(indexes=9), '^There is no picture 9: the val set has 5, from 0.$'),
    (dict(pictures='gone.jpg'), '^No picture gone.jpg: check the path.$'),
    (dict(out_dir=5), '^out_dir must be a folder, or None to write no files, not 5.$'),
    (dict(tag='../../x'), "^tag must be a name without '..', such as 'boxam' or 'neck/boxam', not '../../x'.$"),
    (dict(tag='/x'), "not '/x'.$"),
    (dict(tag=''), "not ''.$"),
    (dict(tag=3), 'not 3.$'),
    (dict(tag='./'), "not './'.$"),
    (dict(on_error='ignore'), "^on_error must be 'log' or 'raise', not 'ignore'.$"),
]


def test_what_is_wrong_in_the_config_stops_the_training_at_its_start(make_runner):
    runner = make_runner('mmdet', [dict(type='mmlens.BoxAMVisHook', layers=['nekc'])])
    with pytest.raises(MmlensError, match="layer 'nekc'"):
        runner.train()
    assert runner.iter == 0
    runner = make_runner('mmdet')
    runner.train_loop  # noqa: B018  builds it
    for options, sentence in WRONG:
        with pytest.raises(MmlensError, match=sentence) as raised:
            HOOKS.build({'type': 'mmlens.BoxAMVisHook', **options}).before_train(runner)
        assert '\n' not in str(raised.value)


@pytest.mark.parametrize('during', ['val', 'test'])
def test_what_is_wrong_is_found_before_the_training_whenever_is_drawn(make_runner, during):
    for options, sentence in ((dict(layers=['nekc']), "layer 'nekc'"), (dict(method='gradcm'), "method 'gradcm'")):
        runner = make_runner('mmpretrain', [dict(type='mmlens.CAMVisHook', during=during, **options)])
        with pytest.raises(MmlensError, match=sentence):
            runner.train()
        assert runner.iter == 0


def test_a_config_without_a_validation_is_drawn_during_training_only(make_runner, pictures):
    runner = make_runner('mmdet', val_dataloader=None, val_cfg=None, val_evaluator=None)
    runner.train_loop  # noqa: B018  builds it
    path = str(pictures / 'val' / 'pictures' / '001.png')
    with pytest.raises(MmlensError, match="^during='val' draws nothing where the config has no validation: "):
        HOOKS.build(boxam(during='val', pictures=path)).before_train(runner)
    HOOKS.build(boxam(during=('train', 'val'))).before_train(runner)
    HOOKS.build(boxam(during=('val', 'test'), tag='tested')).before_train(runner)
    assert drawn_by(runner) == ['boxam/000/epoch_0000']


def test_one_value_is_a_list_of_one(pictures):
    path = pictures / 'val' / 'pictures' / '001.png'
    for given in (str(path), path, [path]):
        (watched,) = HOOKS.build(cam(pictures=given)).choice.of_files()
        assert (watched.name, watched.read()) == ('001', path)
    assert HOOKS.build(cam(indexes=3)).choice.indexes == (3,)


@pytest.mark.parametrize(
    ('one', 'other', 'tag'),
    [
        (dict(), dict(method='layercam'), 'cam'),
        (dict(during=('train', 'val')), dict(during=('val', 'test')), 'cam_val'),
        (dict(during='val'), dict(tag='cam_val'), 'cam_val'),
        (dict(), dict(tag='./cam/'), 'cam'),
        (dict(), dict(during='val'), None),
        (dict(), dict(tag='layercam'), None),
    ],
)
def test_two_hooks_of_one_tag_are_refused(make_runner, one, other, tag):
    runner = make_runner('mmpretrain', [cam(num=1, **one), cam(num=1, **other)])
    runner.train_loop  # noqa: B018  builds it
    refused = pytest.raises(
        MmlensError, match=f"^Two hooks would write to '{tag}': give one of them another tag='...'.$"
    )
    with refused if tag else contextlib.nullcontext():
        runner.call_hook('before_train')
    assert bool(drawn_by(runner)) is (tag is None)


def test_an_error_while_drawing_is_logged_once_and_the_training_goes_on(make_runner, tmp_path, monkeypatch):
    picture = tmp_path / 'here.png'
    for on_error in ('log', 'raise'):
        cv2.imwrite(str(picture), np.zeros((64, 80, 3), np.uint8))
        hook = dict(type='mmlens.CAMVisHook', pictures=[str(picture)], on_error=on_error)
        runner = make_runner('mmpretrain', [hook], work=on_error)
        runner.register_hook(CallAfterEpoch(lambda runner: picture.exists() and picture.unlink()))
        said = warnings_of(runner, monkeypatch)
        if on_error == 'raise':
            with pytest.raises(MmlensError, match='No picture'):
                runner.train()
            continue
        runner.train()
        assert runner.epoch == 2
        assert [s for s in said if 'could not' in s] == [
            f'CAMVisHook could not draw here: No picture {picture}: check the path. The run goes on.'
        ]


def test_one_reason_is_logged_once_whatever_its_words(make_runner, monkeypatch):
    """Two pictures, three epochs; every error tells another size, and every path is another one."""
    runner = make_runner('mmpretrain', [cam(on_error='log')], train_cfg__max_epochs=3)
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, VisHook))
    said, sizes = warnings_of(runner, monkeypatch), itertools.count()

    def fail(network, watched):
        raise RuntimeError(f'out of memory: {next(sizes)} MiB at {object()}')

    monkeypatch.setattr(hook, 'draw', fail)
    runner.train()
    assert runner.epoch == 3 and next(sizes) == 9  # the trial, and two pictures at each of four times
    (sentence,) = (sentence for sentence in said if 'could not draw' in sentence)
    assert sentence.startswith('CAMVisHook could not draw 000: out of memory: 0 MiB at ')


def test_a_model_that_cannot_be_looked_at_stops_nothing(make_runner, monkeypatch):
    """Setting the stage can fail, too: on a device without one of the things that no_trace asks for."""
    runner = make_runner('mmpretrain', [cam(on_error='log')])
    said = warnings_of(runner, monkeypatch)

    @contextlib.contextmanager
    def fail(*models):
        if models:
            raise RuntimeError('no such thing on this device')
        yield

    monkeypatch.setattr('mmlens.engine.vis_hook.no_trace', fail)
    runner.train()
    assert runner.epoch == 2 and not drawn_by(runner)
    (sentence,) = said
    assert sentence.startswith('CAMVisHook could not draw 000: no such thing on this device (')
    assert sentence.endswith(
        f'{Path(__file__).name}, line {fail.__wrapped__.__code__.co_firstlineno + 3}). The run goes on.'
    )


# ---------------------------------------------------------------- ground truth


def found_by_each():
    """For each hook, what it might draw of a 30 x 40 crop, and of a larger picture."""
    for size in ((30, 40), (240, 320)):
        picture = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
        heat = np.random.default_rng(1).random(size).astype(np.float32)
        box = BoxMap(0, np.array([2, 3, 20, 25], np.float32), 1, 'fork', 0.5, heat, heat)
        for layout in ('overlay', 'panels'):
            yield boxam(layout=layout), BoxExplanation(picture, [box], ('neck',), 'gradcam', 'score')
            yield boxam(layout=layout), BoxExplanation(picture, [], ('neck',), 'gradcam', 'score')
        one = ClassMap(1, 'fork', 0.5, 1.0, 0, heat, heat)
        geometry = np.ones(size, bool), np.diag([0.5, 0.5, 1]), (size[0] // 2, size[1] // 2)
        for options in (dict(layout='overlay'), dict(), dict(on='input', layout='overlay')):
            yield cam(**options), ClassExplanation(picture, [one], *geometry, ('norm',), 'gradcam')
        level = FeatureMap('neck', 0, 1, (8, 3, 4), np.array([2]), heat[None])
        yield featmap(), FeatureMaps(picture, [level] * 5)


@pytest.mark.parametrize(('config', 'found'), found_by_each())
def test_truth_is_as_large_as_the_picture_beside_it_and_titled(config, found):
    network = SimpleNamespace(class_name=lambda label: f'class {label}')
    truth = Truth(np.array([[2, 3, 20, 25]], np.float32), [1])
    watched = WatchedPicture('a', lambda: 'a.png', truth)
    hook = HOOKS.build({**config, 'draw_gt': True})
    drawn = hook.with_truth(network, watched, found, **hook.drawing)
    alone = found.drawing(**hook.drawing)
    whole = put_truth_beside(alone, found.picture, truth.boxes, [1], ['class 1'])
    assert (drawn == whole.image).all() and whole.of_kind('title')
    (place,) = whole.of_kind('truth')
    assert place.size == whole.main.size == alone.main.size and place.rect[1] == whole.main.rect[1]
    watched.truth = None
    assert (hook.with_truth(network, watched, found, **hook.drawing) == alone.image).all()
    hook.draw_gt, watched.truth = False, truth
    assert (hook.with_truth(network, watched, found, **hook.drawing) == alone.image).all()
