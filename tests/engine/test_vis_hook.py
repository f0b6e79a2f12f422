"""Real trainings with hooks: the same to the last bit as without, and what was drawn when."""

from __future__ import annotations

import contextlib
import copy
import gc
import itertools
import json
import random
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import DATASETS, HOOKS, MODELS, OPTIM_WRAPPERS, VISBACKENDS
from mmengine.runner import autocast
from mmengine.visualization import LocalVisBackend

from mmlens import explain_classes
from mmlens.engine import VisHook
from mmlens.engine.watched_pictures import Choice
from mmlens.engine.weights import averaged
from mmlens.errors import MmlensError


@OPTIM_WRAPPERS.register_module(force=True)
class Bfloat16Wrapper(OptimWrapper):
    """What AmpOptimWrapper does, which asks for a GPU."""

    @contextlib.contextmanager
    def optim_context(self, model):
        with super().optim_context(model), autocast(device_type='cpu', dtype=torch.bfloat16):
            yield


class CallAfterEpoch(Hook):
    """Calls a function after each epoch, before the hooks that draw."""

    priority = 'HIGH'

    def __init__(self, call):
        self.call = call

    def after_train_epoch(self, runner):
        self.call(runner)


def boxam(**options):
    return {**dict(type='mmlens.BoxAMVisHook', on_error='raise', score_thr=0.0, max_boxes=1, num=1), **options}


def featmap(**options):
    return {**dict(type='mmlens.FeatmapVisHook', on_error='raise', num=1), **options}


def cam(**options):
    return {**dict(type='mmlens.CAMVisHook', on_error='raise', num=2), **options}


def drawn_by(runner, folder='mmlens'):
    """Paths below the local folder, without the ending."""
    root = Path(runner.work_dir) / folder
    return sorted(str(path.relative_to(root).with_suffix('')) for path in root.rglob('*.png'))


def read_drawing(runner, path):
    return cv2.imread(f'{runner.work_dir}/mmlens/{path}.png')


# ---------------------------------------------------------------- no trace


def logged_losses(runner):
    files = sorted(Path(runner.work_dir).glob('*/vis_data/scalars.json'))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [{key: value for key, value in row.items() if 'time' not in key and key != 'memory'} for row in rows]


def assert_same(one, other):
    """Nested dicts, lists and tensors are equal to the last bit."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other):
            assert_same(mine, theirs)
    else:
        assert one == other


EMA = dict(type='EMAHook', momentum=0.1)
BF16 = dict(type='Bfloat16Wrapper', optimizer=dict(type='AdamW', lr=0.01))
ACCUMULATION = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01), accumulative_counts=2)


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


class ToldPooling(torch.nn.Module):
    """Makes what it predicts with when it is told to predict, as LeViT's attention does."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(64))

    def train(self, mode=True):
        super().train(mode)
        self.__dict__.pop('made', None)
        if not mode:
            self.made = self.bias.detach().clone()
        return self

    def forward(self, inputs):
        return (inputs[0].mean((2, 3)) + (self.bias if self.training else self.made),)


@pytest.mark.parametrize('use_ema', [False, True])
def test_models_are_told_that_they_predict_not_only_flagged(make_runner, pictures, use_ema):
    MODELS.register_module(module=ToldPooling, force=True)
    hooks = [cam(num=1, during=('train', 'val'), use_ema=use_ema), *([EMA] if use_ema else [])]
    runner = make_runner('mmpretrain', hooks, model__neck=dict(type='ToldPooling', _delete_=True))
    made = []

    def note(runner):
        made.append(any('made' in vars(module) for module in runner.model.modules()))

    runner.register_hook(CallAfterEpoch(note), priority='VERY_LOW')  # after the drawings
    runner.train()
    assert made == [False, False]
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, VisHook))
    model = averaged(runner) if use_ema else runner.model
    assert ('made' in vars(model.neck)) is not use_ema  # validation leaves the model in eval mode
    plain = hook.wrap(copy.deepcopy(model).eval(), cfg=runner.cfg, dataset_meta=runner.visualizer.dataset_meta)
    expected, _ = hook.draw(plain, Choice(pictures=[str(pictures / 'val' / 'pictures' / '000.png')]).of_files()[0])
    for tag in ('cam', 'cam_val'):
        assert np.array_equal(read_drawing(runner, f'{tag}/000/epoch_0002'), expected)
    assert model.neck.bias.abs().sum() > 0


# ---------------------------------------------------------------- what is drawn, and when


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


def test_after_validation_and_test_the_weights_are_the_validated_ones(make_runner):
    """With use_ema the training's drawings show the averaged weights too, so the three agree."""
    ema = dict(type='EMAHook', momentum=0.01)
    hooks = [ema, cam(during=('train', 'val'), use_ema=True), cam(tag='own'), cam(tag='other', during='test', num=-1)]
    runner = make_runner('mmpretrain', hooks)
    runner.train()
    read = {path: read_drawing(runner, path) for path in drawn_by(runner)}
    for number in (0, 1):
        averaged = read[f'cam/00{number}/epoch_0002']
        assert np.array_equal(averaged, read[f'cam_val/00{number}/epoch_0002'])
        assert not np.array_equal(averaged, read[f'own/00{number}/epoch_0002'])
    runner.test()
    assert [path for path in drawn_by(runner) if 'test' in path] == [f'other_test/00{n}/epoch_0002' for n in range(5)]
    # For a test after a training mmengine begins the average anew, from the weights that were trained.
    assert np.array_equal(read_drawing(runner, 'other_test/000/epoch_0002'), read['own/000/epoch_0002'])


def test_a_test_alone_builds_no_training(make_runner):
    runner = make_runner('mmdet', [boxam(during='test')])
    runner.test()
    assert drawn_by(runner) == ['boxam_test/000/epoch_0000']
    assert isinstance(runner._train_loop, dict)


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


class Held(BaseDataset):
    """Pictures that the set holds itself, as CIFAR and MNIST do: of one class each."""

    METAINFO = dict(classes=('dark', 'light'))

    def __init__(self, shape, **options):
        self.shape = tuple(shape)
        super().__init__(**options)

    def load_data_list(self):
        rng = np.random.default_rng(0)
        pictures = rng.integers(0, 120, (4, *self.shape)).astype(np.uint8)
        pictures[::2] += 100
        return [dict(img=picture, gt_label=np.array(1 - number % 2)) for number, picture in enumerate(pictures)]


@pytest.mark.parametrize(('shape', 'to_rgb'), [((28, 28), False), ((32, 32, 3), False), ((32, 32, 3), True)])
def test_what_a_set_holds_is_drawn_in_its_colours_and_explained_as_the_model_sees_it(make_runner, shape, to_rgb):
    DATASETS.register_module(module=Held, force=True)
    channels = 1 if len(shape) == 2 else 3
    held = dict(type='Held', shape=shape, pipeline=[dict(type='Resize', scale=48), dict(type='PackInputs')])
    preprocessor = dict(mean=[90.0] * channels, std=[40.0] * channels, to_rgb=to_rgb)
    options = {f'{stage}_dataloader__dataset': dict(held, _delete_=True) for stage in ('train', 'val', 'test')}
    options.update({f'model__data_preprocessor__{name}': value for name, value in preprocessor.items()})
    runner = make_runner('mmpretrain', [cam(num=1, during='val')], model__backbone__in_channels=channels, **options)
    runner.train()
    dataset = runner.val_dataloader.dataset
    picture = dataset.get_data_info(0)['img']
    picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if channels == 1 else picture
    assert drawn_by(runner) == ['cam_val/val_000000/epoch_0001', 'cam_val/val_000000/epoch_0002']
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, VisHook))
    network, (subject,) = hook._network(runner, runner.model), hook._subjects['val']
    shown = hook.look(network, subject, explain_classes).picture
    assert np.array_equal(shown, picture[..., :: 1 if to_rgb else -1])
    expected = runner.model.data_preprocessor({key: [value] for key, value in dataset[0].items()})['inputs']
    assert torch.equal(network.prepare(subject.read()).batch['inputs'], expected)


class Mapped(LocalBackend):
    """Files that only the loading step finds: in an archive, a data base, on a server."""

    def __init__(self, root):
        self.root = root

    def get(self, path):
        return super().get(str(path).replace('virtual', self.root))


@pytest.mark.parametrize('reached', [True, False])
def test_pictures_that_only_the_loading_step_reaches_are_drawn_and_stop_nothing(
    make_runner, pictures, monkeypatch, reached
):
    register_backend('Mapped', Mapped, force=True)
    root = str(pictures / 'val')
    mapped = dict(type='LoadImageFromFile', backend_args=dict(backend='Mapped', root=root if reached else '/nowhere'))
    options = dict(data_root='', data_prefix='virtual/pictures', ann_file=f'{root}/labels.txt')
    options['pipeline'] = [mapped, dict(type='CenterCrop', crop_size=56), dict(type='PackInputs')]
    hook = dict(type='mmlens.CAMVisHook', num=2, dataset='test', at_start=False)
    options = {f'test_dataloader__dataset__{name}': value for name, value in options.items()}
    runner = make_runner('mmpretrain', [hook], **options)
    said = warnings_of(runner, monkeypatch)
    runner.train()
    failed = [sentence for sentence in said if 'could not' in sentence]
    if reached:
        assert not failed
        (hook,) = (hook for hook in runner.hooks if isinstance(hook, VisHook))
        (subject,) = Choice(pictures=[f'{root}/pictures/001.png']).of_files()
        expected, _ = hook.draw(hook._network(runner, runner.model), subject)
        assert np.array_equal(read_drawing(runner, 'cam/001/epoch_0002'), expected)
    else:
        (sentence,) = failed
        assert sentence.startswith('CAMVisHook could not draw 000: Picture 0 of CustomDataset cannot be loaded: ')


# ---------------------------------------------------------------- what goes wrong


WRONG = [
    (dict(layers=['neck.downsamples']), "^Layer 'neck.downsamples' is a list of layers"),
    (dict(method='gradcm'), "method 'gradcm'"),
    (dict(target='boxes'), 'boxes'),
    (dict(classes=['dsic']), "^The model knows no class 'dsic': it knows disc"),
    (dict(interval=0), '^interval must be an integer of at least 1, not 0.$'),
    (dict(during='training'), '^during must name some of train, val, test, not training.$'),
    (dict(pictures=['gone.jpg']), '^No picture gone.jpg: check the path.$'),
    (dict(pictures=[]), '^pictures names no picture.$'),
    (dict(indexes=[5]), '^There is no picture 5: the val set has 5, from 0.$'),
    (dict(num=0), '^num must be at least 1, or -1 for all, and every at least 1: not 0, 1.$'),
    (dict(use_ema=True), '^use_ema=True needs an EMAHook, and the config has none: leave it out.$'),
    (dict(layout='sheet'), "^Unknown layout 'sheet'"),
    (dict(colormap='truebo'), 'truebo'),
    (dict(max_boxes=0), '^max_boxes must be -1 or at least 1, not 0.$'),
    (dict(dataset='vla'), "^dataset must be 'train', 'val' or 'test', not 'vla'.$"),
    (dict(num='4'), "^num must be at least 1, or -1 for all, and every at least 1: not '4', 1.$"),
    (dict(num=None), 'every at least 1: not None, 1.$'),
    (dict(every=1.5), 'every at least 1: not 4, 1.5.$'),
    (dict(interval=True), '^interval must be an integer of at least 1, not True.$'),
    (dict(during=None), "^during must be 'train', 'val' or 'test', or a list of such, not None.$"),
    (dict(pictures=7), '^pictures must be a file, or a list of such, not 7.$'),
    (dict(indexes='3'), "^indexes must be a place in the dataset, from 0, or a list of such, not '3'.$"),
    (dict(indexes=9), '^There is no picture 9: the val set has 5, from 0.$'),
    (dict(pictures='gone.jpg'), '^No picture gone.jpg: check the path.$'),
    (dict(max_boxes='3'), "^max_boxes must be -1 or at least 1, not '3'.$"),
    (dict(out_dir=5), '^out_dir must be a folder, or None to write no files, not 5.$'),
    (dict(tag='../../x'), "^tag must be a name without '..', such as 'boxam' or 'neck/boxam', not '../../x'.$"),
    (dict(tag='/x'), "not '/x'.$"),
    (dict(tag=''), "not ''.$"),
    (dict(tag=3), 'not 3.$'),
    (dict(type='mmlens.FeatmapVisHook', arrangement=3), r'^arrangement must be \(rows, columns\), not 3.$'),
    (dict(type='mmlens.FeatmapVisHook', layers=None), '^layers must be a layer, or a list of such, not None.$'),
    (dict(type='mmlens.FeatmapVisHook', topk='4'), "^topk must be a whole number, not '4'.$"),
    (dict(type='mmlens.FeatmapVisHook', score_thr=None), '^score_thr must be a number, not None.$'),
    (dict(type='mmlens.CAMVisHook', method=None), '^method must be a name, not None.$'),
    (dict(type='mmlens.CAMVisHook', layers=4), '^layers must be a layer, or a list of such, not 4.$'),
    (dict(type='mmlens.CAMVisHook', num_extra_tokens='1'), "^num_extra_tokens must be a whole number, not '1'.$"),
    (dict(score_thr='0.3'), "^score_thr must be a number, not '0.3'.$"),
    (dict(method_options=['n_masks']), r"^method_options must be a dict, not \['n_masks'\].$"),
    (dict(classes=1.5), '^classes must be a class, or a list of such, not 1.5.$'),
    (dict(layers=[0]), r'^layers must be a layer, or a list of such, not \[0\].$'),
    (dict(tag='./'), "not './'.$"),
    (dict(on_error='ignore'), "^on_error must be 'log' or 'raise', not 'ignore'.$"),
    (dict(type='mmlens.CAMVisHook'), 'is not a classifier of mmpretrain'),
    (dict(type='mmlens.FeatmapVisHook', arrangement=(1, 2), reduction=None), '^The arrangement 1 x 2 has 2 places'),
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
        (subject,) = HOOKS.build(cam(pictures=given)).choice.of_files()
        assert (subject.name, subject.read()) == ('001', path)
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


def test_a_training_without_epochs_is_told_how_to_count(make_runner):
    loop = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=2, val_interval=2)
    runner = make_runner('mmpretrain', [cam()], train_cfg=loop)
    with pytest.raises(MmlensError, match='IterBasedTrainLoop counts no epochs: set by_epoch=False'):
        runner.train()
    runner = make_runner('mmpretrain', [cam(by_epoch=False, interval=5, num=1)], work='iters', train_cfg=loop)
    runner.train()
    assert drawn_by(runner) == ['cam/000/iter_000000', 'cam/000/iter_000002']


def warnings_of(runner, monkeypatch):
    said = []
    monkeypatch.setattr(runner.logger, 'warning', lambda message, *rest: said.append(message))
    return said


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

    def fail(network, subject):
        raise RuntimeError(f'out of memory: {next(sizes)} MiB at {object()}')

    monkeypatch.setattr(hook, 'draw', fail)
    runner.train()
    assert runner.epoch == 3 and next(sizes) == 9  # the trial, and two pictures at each of four times
    (sentence,) = (sentence for sentence in said if 'could not draw' in sentence)
    assert sentence.startswith('CAMVisHook could not draw 000: out of memory: 0 MiB at ')


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
    assert said == ['CAMVisHook could not draw 000: no such thing on this device. The run goes on.']


@pytest.mark.parametrize('during', ['val', 'test'])
def test_what_is_wrong_is_found_before_the_training_whenever_is_drawn(make_runner, during):
    for options, sentence in ((dict(layers=['nekc']), "layer 'nekc'"), (dict(method='gradcm'), "method 'gradcm'")):
        runner = make_runner('mmpretrain', [dict(type='mmlens.CAMVisHook', during=during, **options)])
        with pytest.raises(MmlensError, match=sentence):
            runner.train()
        assert runner.iter == 0


def test_that_no_box_scores_enough_is_said_once(make_runner, monkeypatch):
    runner = make_runner('mmdet', [boxam(score_thr=0.99, num=2)])
    said = warnings_of(runner, monkeypatch)
    runner.train()
    assert [sentence for sentence in said if sentence.startswith('BoxAMVisHook')] == [
        'BoxAMVisHook: 000: No detection was selected: none of the wanted kind scores 0.99 or more.'
    ]


def test_why_a_map_is_blank_is_said_once(make_runner, monkeypatch):
    runner = make_runner('mmpretrain', [cam(layers=['backbone.layer3'])])
    said = warnings_of(runner, monkeypatch)
    # A head without weights: no class depends on the picture, in both epochs.
    runner.register_hook(CallAfterEpoch(lambda runner: runner.model.head.fc.weight.data.zero_()))
    runner.train()
    blank = [sentence for sentence in said if 'layer3' in sentence]
    assert len(blank) == 1 and re.match(r'CAMVisHook: the map of \w+ in 000 is blank: ', blank[0])
