"""Configs and checkpoints, good and bad: each bad one has one clear sentence."""

import copy
import re
import warnings

import pytest
import torch
from mmengine.config import Config

from mmlens import compat, load_detector
from mmlens.errors import MmlensError, ModelError
from mmlens.models.loading import choose_device, load_model, read_config

BIAS = 'bbox_head.multi_level_conv_obj.0.bias'


def sentence_of(function, *args, **options):
    """The one sentence that a call is refused with."""
    with pytest.raises((MmlensError, compat.DependencyError)) as caught:
        function(*args, **options)
    sentence = str(caught.value)
    assert '\n' not in sentence and 'Traceback' not in sentence
    assert sentence.endswith('.') and not sentence.endswith('..')
    return sentence


@pytest.fixture
def config_file(yolox_config, tmp_path):
    path = tmp_path / 'tiny.py'
    yolox_config.dump(str(path))
    return path


@pytest.fixture
def weights(yolox):
    return {name: value.clone() for name, value in yolox.model.state_dict().items()}


@pytest.fixture
def save(tmp_path):
    def write(content):
        torch.save(content, str(tmp_path / 'tiny.pth'))
        return tmp_path / 'tiny.pth'

    return write


# Configs


def test_a_file_a_path_and_a_config_are_the_same(config_file, yolox_config):
    assert read_config(str(config_file)).model == read_config(config_file).model == read_config(yolox_config).model


def test_a_config_is_copied(yolox_config):
    before = yolox_config.pretty_text
    read = read_config(yolox_config, {'model.test_cfg.score_thr': 0.77})
    assert read.model.test_cfg.score_thr == 0.77
    assert yolox_config.pretty_text == before


def test_configs_of_installed_packages_are_found_by_name():
    assert read_config('mmdet::yolox/yolox_nano_8xb8-300e_coco.py').model.type == 'YOLOX'
    assert read_config('mmyolo::yolov5/yolov5_n-v61_syncbn_fast_8xb16-300e_coco.py').model.type == 'YOLODetector'


def test_configs_that_are_not_there():
    assert 'No config file nowhere/at_all.py: check the path' in sentence_of(read_config, 'nowhere/at_all.py')
    assert "No config 'mmdet::yolox/none.py' in the installed mmdet" in sentence_of(read_config, 'mmdet::yolox/none.py')
    assert 'nopackage' in sentence_of(read_config, 'nopackage::a.py')


@pytest.mark.parametrize(
    'content, reason',
    [
        ('model = dict(', 'was never closed|invalid syntax|unexpected EOF'),
        ('model = undefined_name', 'undefined_name'),
        ('raise RuntimeError("my own reason")', 'my own reason'),
        ("_base_ = ['./missing_base.py']", 'missing_base'),
        ("custom_imports = dict(imports=['no_such_module_of_mine'])", 'no module no_such_module_of_mine; .*PYTHONPATH'),
        ('raise ImportError("libmine.so is broken")', 'libmine.so is broken'),
        ("_base_ = 'mmaction::tsn/tsn.py'", 'mmaction is not installed; run `pip install mmaction2`'),
    ],
)
def test_configs_that_break(content, reason, tmp_path):
    (tmp_path / 'broken.py').write_text(content)
    sentence = sentence_of(read_config, tmp_path / 'broken.py')
    assert 'broken.py cannot be read: ' in sentence
    assert re.search(reason, sentence)


def test_a_package_that_is_not_installed_is_not_installed_on_the_way(monkeypatch):
    """mmengine runs pip for what it does not find."""
    import mmengine.utils.package_utils as package_utils

    monkeypatch.setattr(package_utils, 'call_command', lambda command: pytest.fail(f'ran {command}'))
    assert sentence_of(read_config, 'mmaction::tsn/tsn.py') == (
        'mmaction is not installed; run `pip install mmaction2`.'
    )
    assert sentence_of(read_config, 'mmcls::resnet/resnet.py').startswith('mmcls is not installed')


def test_a_config_whose_library_is_not_installed(yolox_config):
    cfg = copy.deepcopy(yolox_config)
    cfg.default_scope = 'mmaction'
    assert sentence_of(load_model, cfg, None) == 'mmaction is not installed; run `pip install mmaction2`.'


def test_a_config_with_a_scope_of_its_own(yolox_config):
    """Custom modules may have a registry of their own; what is in none is named as ever."""
    cfg = copy.deepcopy(yolox_config)
    cfg.default_scope = 'my_project'
    cfg.model.type = 'NoSuchDetector'
    assert 'NoSuchDetector' in sentence_of(load_model, cfg, None)


def test_a_model_that_needs_a_package_that_is_not_there(yolox_config):
    from mmdet.models import YOLOX
    from mmdet.registry import MODELS

    @MODELS.register_module(force=True)
    class NeedsMore(YOLOX):
        def __init__(self, **options):
            import no_such_package_of_anyone  # noqa: F401

    sentence = sentence_of(load_detector, yolox_config, cfg_options={'model.type': 'NeedsMore'})
    assert sentence == (
        'The model of the config cannot be built: no_such_package_of_anyone is not installed; run `pip install '
        'no_such_package_of_anyone`.'
    )


def test_a_model_whose_train_returns_nothing(yolox_config):
    """mmdet's distillers (LAD, LD): their eval() returns nothing either."""
    from mmdet.models import YOLOX
    from mmdet.registry import MODELS

    @MODELS.register_module(force=True)
    class TrainsInSilence(YOLOX):
        def train(self, mode=True):
            super().train(mode)

    cfg = copy.deepcopy(yolox_config)
    cfg.model.type = 'TrainsInSilence'
    model = load_model(cfg, None, 'cpu')
    assert type(model).__name__ == 'TrainsInSilence' and not model.training and not model.backbone.training


def test_files_that_are_no_configs(tmp_path):
    for name in ('dog.jpg', 'weights.pth'):
        (tmp_path / name).write_bytes(b'\x00')
        assert f'{name} is not a config: it must end in .py' in sentence_of(read_config, tmp_path / name)
    (tmp_path / 'list.json').write_text('[1, 2]')
    assert 'list.json cannot be read' in sentence_of(read_config, tmp_path / 'list.json')
    assert 'No config file' in sentence_of(read_config, tmp_path)


def test_configs_without_a_model_or_with_a_broken_one(tmp_path, yolox_config):
    (tmp_path / 'bare.py').write_text('a = 1')
    assert "has no 'model'" in sentence_of(load_detector, tmp_path / 'bare.py')
    for change, reason in [
        ({'model.type': 'NoSuchDetector'}, 'NoSuchDetector'),
        ({'model.backbone.no_such_argument': 3}, 'no_such_argument'),
        ({'model.bbox_head.num_clases': 3}, 'num_clases'),
    ]:
        sentence = sentence_of(load_detector, yolox_config, cfg_options=change)
        assert 'model of the config cannot be built' in sentence and reason in sentence


def test_models_that_are_no_detectors():
    classifier = dict(type='BaseDataPreprocessor')
    cfg = Config(dict(default_scope='mmengine', model=classifier))
    assert 'BaseDataPreprocessor is not a model of OpenMMLab' in sentence_of(load_detector, cfg)


# Options


def test_options_take_effect(yolox_config):
    options = {
        'model.test_cfg.score_thr': 0.5,
        'model.bbox_head.feat_channels': 24,
        'test_dataloader.dataset.pipeline.1.scale': (64, 64),
    }
    detector = load_detector(yolox_config, cfg_options=options, device='cpu')
    assert detector.model.test_cfg.score_thr == 0.5
    assert detector.model.bbox_head.feat_channels == 24
    import numpy as np

    assert detector.prepare(np.zeros((30, 40, 3), np.uint8)).input_size == (64, 64)


@pytest.mark.parametrize(
    'options',
    [
        {'test_dataloader.dataset.pipeline.9.scale': (64, 64)},
        {'test_dataloader.dataset.pipeline.first.scale': 3},
        {'model.type.x': 1},
        {'test_dataloader.dataset.pipeline.0': 7},
        {'model.test_cfg': 5, 'model.test_cfg.score_thr': 0.3},
    ],
    ids=str,
)
def test_options_that_do_not_fit(options, yolox_config):
    assert sentence_of(read_config, yolox_config, options).startswith('`cfg_options` do not fit the config: ')


# Devices


@pytest.mark.parametrize('device', ['gpu', 'cuda:77', '', 'cpu0', 'mps:0'])
def test_devices_that_are_not_there(device):
    if device == 'mps:0' and torch.backends.mps.is_available():
        pytest.skip('there is such a device')
    assert f"No device '{device}' here: use `device='cpu'`" in sentence_of(choose_device, device)


def test_the_device_chosen_by_default():
    assert choose_device(None).type == ('cuda' if torch.cuda.is_available() else 'cpu')
    assert choose_device('cpu') == torch.device('cpu')


# Checkpoints


@pytest.mark.parametrize('wrap', [lambda s: s, lambda s: {'state_dict': s}, lambda s: {'state_dict': s, 'meta': None}])
def test_weights_arrive(wrap, yolox, yolox_config, weights, save):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model = load_detector(yolox_config, save(wrap(weights)), device='cpu').model
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name]), name
    assert not model.training and not any(module.training for module in model.modules())


def test_weights_saved_from_several_devices_arrive(yolox_config, weights, save):
    path = save({'state_dict': {f'module.{name}': value for name, value in weights.items()}})
    model = load_detector(yolox_config, path, device='cpu').model
    assert torch.equal(model.state_dict()[BIAS], weights[BIAS])


def test_a_checkpoint_that_the_config_names_is_loaded(yolox_config, weights, save):
    path = save({'state_dict': weights})
    detector = load_detector(yolox_config, cfg_options={'load_from': str(path)}, device='cpu')
    assert torch.equal(detector.model.state_dict()[BIAS], weights[BIAS])


def test_without_a_checkpoint_the_weights_are_random_but_the_same(yolox_config):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, two = (load_detector(yolox_config, device='cpu').model.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.isfinite(value).all() for value in one.values())


def test_a_missing_checkpoint(yolox_config, tmp_path):
    assert 'No checkpoint nowhere.pth: check the path' in sentence_of(load_detector, yolox_config, 'nowhere.pth')
    assert 'No checkpoint' in sentence_of(load_detector, yolox_config, tmp_path)


@pytest.mark.parametrize('content', [b'', b'\x00\x01random bytes' * 40, b'{"a": 1}', b'PK\x03\x04 not a zip'])
def test_files_that_are_no_checkpoints(content, yolox_config, tmp_path):
    (tmp_path / 'noise.pth').write_bytes(content)
    assert 'noise.pth is not a checkpoint' in sentence_of(load_detector, yolox_config, tmp_path / 'noise.pth')


@pytest.mark.parametrize('content', [[1, 2], {'state_dict': [1]}, {1: torch.zeros(1)}, torch.zeros(2)], ids=str)
def test_checkpoints_without_weights(content, yolox_config, save):
    assert 'tiny.pth holds no weights' in sentence_of(load_detector, yolox_config, save(content))


def test_checkpoints_with_things_that_are_no_weights(yolox_config, weights, save):
    sentence = sentence_of(load_detector, yolox_config, save({**weights, BIAS: 'text'}))
    assert 'tiny.pth' in sentence and BIAS in sentence


def test_a_checkpoint_of_another_model(yolox_config, faster_rcnn, save):
    path = save({'state_dict': faster_rcnn.model.state_dict()})
    sentence = sentence_of(load_detector, yolox_config, path)
    assert 'tiny.pth belongs to another model: it has no values for ' in sentence
    assert 'give the config it was trained with' in sentence


def test_a_checkpoint_of_another_width(yolox_config, weights, save):
    sentence = sentence_of(
        load_detector, yolox_config, save(weights), cfg_options={'model.bbox_head.feat_channels': 24}
    )
    assert (
        'belongs to another model' in sentence
        and 'differ in shape, such as bbox_head.multi_level_cls_convs' in sentence
    )


def test_a_checkpoint_of_other_classes(yolox_config, weights, save):
    sentence = sentence_of(load_detector, yolox_config, save(weights), cfg_options={'model.bbox_head.num_classes': 7})
    assert 'bbox_head.multi_level_conv_cls.0.weight' in sentence and 'number of classes' in sentence


def test_a_few_missing_values_are_a_warning(yolox_config, weights, save):
    del weights[BIAS]
    with pytest.warns(
        UserWarning, match=r'no values for 1 parameters, such as bbox_head\.multi_level_conv_obj\.0\.bias'
    ):
        load_detector(yolox_config, save(weights), device='cpu')


def test_a_url_that_does_not_answer(yolox_config, monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setenv('no_proxy', '*')  # the address below is this machine's own
    sentence = sentence_of(load_detector, yolox_config, 'http://127.0.0.1:9/weights.pth')
    assert sentence == 'http://127.0.0.1:9/weights.pth cannot be downloaded: Connection refused.'
    assert not list(tmp_path.rglob('*.pth'))


def test_a_url_is_loaded_once(yolox_config, weights, save, monkeypatch, tmp_path):
    """A file that is in torch's cache is not asked for again."""
    folder = tmp_path / 'hub' / 'checkpoints'
    folder.mkdir(parents=True)
    save({'state_dict': weights}).rename(folder / 'tiny-0123abcd.pth')
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    model = load_detector(yolox_config, 'http://127.0.0.1:9/tiny-0123abcd.pth', device='cpu').model
    assert torch.equal(model.state_dict()[BIAS], weights[BIAS])


def test_weights_of_the_same_name_at_two_addresses_are_not_mistaken(yolox_config, weights, save, monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr(
        'mmlens.models.weights.download', lambda address, path, error: asked.append(address) or put(path)
    )

    def put(path):
        weights[BIAS] = weights[BIAS] + 1
        path.parent.mkdir(parents=True, exist_ok=True)
        save({'state_dict': weights}).rename(path)

    asked, found = [], []
    for address in ('http://h/one/ck.pth', 'http://h/two/ck.pth', 'http://h/one/ck.pth'):
        found.append(load_detector(yolox_config, address, device='cpu').model.state_dict()[BIAS])
    assert asked == ['http://h/one/ck.pth', 'http://h/two/ck.pth']
    assert torch.equal(found[0], found[2]) and torch.equal(found[0] + 1, found[1])


def test_a_cache_that_cannot_be_written(yolox_config, monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'file'))
    monkeypatch.setenv('no_proxy', '*')
    assert 'set TORCH_HOME' in sentence_of(load_detector, yolox_config, 'http://127.0.0.1:9/weights.pth')


# Class names


def names_of(config, checkpoint=None, **options):
    return load_detector(config, checkpoint, device='cpu', **options).class_names


def test_the_checkpoints_class_names_come_first(yolox_config, weights, save):
    path = save({'state_dict': weights, 'meta': {'dataset_meta': {'CLASSES': ('a', 'b', 'c')}}})
    assert names_of(yolox_config, path) == ['a', 'b', 'c']
    path = save({'state_dict': weights, 'meta': {'CLASSES': ['x', 'y', 'z']}})  # mmdet 2
    assert names_of(yolox_config, path) == ['x', 'y', 'z']


def test_then_the_configs_then_the_datasets(yolox_config, weights, save):
    assert names_of(yolox_config, save({'state_dict': weights, 'meta': {}})) == ['cup', 'fork', 'knife']
    wrapped = copy.deepcopy(yolox_config)
    wrapped.test_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=wrapped.test_dataloader.dataset)
    assert names_of(wrapped) == ['cup', 'fork', 'knife']
    of_type = copy.deepcopy(yolox_config)
    del of_type.test_dataloader.dataset['metainfo']
    of_type.model.bbox_head.num_classes = 80
    assert names_of(of_type)[:3] == ['person', 'bicycle', 'car']
    unknown = copy.deepcopy(of_type)
    unknown.test_dataloader.dataset.type = 'NoSuchDataset'
    assert names_of(unknown) == []


def test_a_single_class_without_its_comma_is_one_class(yolox_config):
    single = copy.deepcopy(yolox_config)
    single.test_dataloader.dataset.metainfo.classes = 'cup'
    single.model.bbox_head.num_classes = 1
    assert names_of(single) == ['cup']


def test_a_label_without_a_name_is_a_number(yolox):
    assert [yolox.class_name(label) for label in (0, 2, 3, -1)] == ['cup', 'knife', '3', '-1']


def test_models_are_built_like_init_detectors(yolox_config, weights, save):
    """The same weights and class names as the model that mmdet's own function builds."""
    from mmdet.apis import init_detector

    path = save({'state_dict': weights, 'meta': {'dataset_meta': {'classes': ('a', 'b', 'c'), 'palette': 'random'}}})
    config = copy.deepcopy(yolox_config)
    config.test_dataloader.dataset.update(ann_file='', test_mode=True, lazy_init=True)
    theirs = init_detector(config, str(path), palette='random', device='cpu')
    ours = load_model(read_config(yolox_config), str(path), 'cpu')
    assert [type(m) for m in theirs.modules()] == [type(m) for m in ours.modules()]
    for name, value in theirs.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name])
    assert theirs.dataset_meta['classes'] == ours.dataset_meta['classes']


def test_sync_batch_norm_runs_on_one_device(yolox_config):
    synced = {f'model.{part}.norm_cfg': dict(type='SyncBN') for part in ('backbone', 'neck', 'bbox_head')}
    model = load_detector(yolox_config, cfg_options=synced, device='cpu').model
    assert not any('SyncBatchNorm' in type(module).__name__ for module in model.modules())


@pytest.mark.parametrize('error', [ModelError, MmlensError])
def test_every_refusal_is_an_mmlens_error(error, yolox_config):
    with pytest.raises(error):
        load_detector(yolox_config, 'nowhere.pth')
