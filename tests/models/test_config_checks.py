"""Settings in the wrong place, and of the wrong kind."""

import warnings

import mmengine.runner  # noqa: F401  its import warns
import pytest
from mmengine.config import Config

from mmlens.errors import MmlensWarning, ModelError
from mmlens.models.loading import read_config

CONFIG = Config(dict(model=dict(type='A'), train_cfg=dict(max_epochs=3), learning_rate=0.1))


@pytest.mark.parametrize(
    'options',
    [
        {'train_cfg.val_interval': 2, 'model.neck.type': 'B'},  # new below a section
        {'learning_rate': 0.2},
        {'load_from': 'a.pth', 'randomness.seed': 1, 'env_cfg.cudnn_benchmark': True, 'visualizer.name': 'b'},
        {'custom_imports.imports': ['os'], 'custom_hooks': [], 'auto_scale_lr.enable': True, 'default_scope': 'mmdet'},
        {'test_pipeline': [], 'param_scheduler': None, 'optim_wrapper.optimizer.lr': 1.0},
    ],
)
def test_what_the_config_or_mmengine_knows_may_be_set(options):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        read_config(CONFIG, options)


@pytest.mark.parametrize(
    ('options', 'sentences'),
    [
        ({'modle.type': 'B', 'modle.neck': 1}, ['the config has no modle; did you mean model?']),
        ({'learningrate': 1}, ['the config has no learningrate; did you mean learning_rate?']),
        ({'foo.bar': 1, 'train_cgf': 2}, ['no foo; nothing may read it.', 'no train_cgf; did you mean train_cfg?']),
    ],
)
def test_what_nothing_knows_is_told(options, sentences):
    with pytest.warns(MmlensWarning) as told:
        read_config(CONFIG, options)
    assert len(told) == len(sentences)
    assert all(sentence in str(warning.message) for sentence, warning in zip(sentences, told))


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (
            {'model': 3},
            "model is 3, not a section: write it as a dict; `cfg_options={'model.KEY': VALUE}` changes",
        ),
        ({'train_dataloader': 'a'}, "train_dataloader is 'a', not a section"),
        ({'default_hooks': [1]}, r'default_hooks is \[1\], not a section'),
        ({'custom_hooks': 5}, "The config's custom_hooks is 5, not a list: write a list of dicts."),
        ({'param_scheduler': '[(a'}, "param_scheduler is '\\[\\(a', not a scheduler's settings"),
        ({'param_scheduler': [3, 4]}, r"param_scheduler is \[3, 4\], not a scheduler's"),
    ],
)
def test_a_section_that_is_none(options, said):
    with pytest.raises(ModelError, match=said):
        read_config(CONFIG, options)


def test_schedulers_by_the_name_of_the_optimizer_are_settings():
    one = dict(type='StepLR', step_size=1)
    for schedulers in (one, [one, one], dict(generator=[one], discriminator=one)):
        read_config(Config(dict(param_scheduler=schedulers)))


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'default_scope': 5}, "config's default_scope is 5, not the name of a library, such as 'mmdet'."),
        ({'model.test_cfg': 'fast'}, "config's model.test_cfg is 'fast', not a section: write it as a dict."),
        ({'model.test_cfg': dict(score_thr='a')}, "config's model.test_cfg.score_thr is 'a', not a number."),
        ({'model.test_cfg': dict(rcnn=dict(nms=0.5))}, "config's model.test_cfg.rcnn.nms is 0.5, not a section"),
        ({'model.test_cfg': dict(nms=dict(iou_threshold='x'))}, "model.test_cfg.nms.iou_threshold is 'x', not a num"),
        ({'model.test_cfg': dict(max_per_img=1.5)}, 'model.test_cfg.max_per_img is 1.5, not a whole number.'),
        ({'test_pipeline': 'Resize'}, "config's test_pipeline is 'Resize', not a list of transforms."),
        (
            {'test_pipeline': [dict(type='A'), 5]},
            "config's test_pipeline[1] is 5, not a transform: write it as a dict.",
        ),
        ({'test_dataloader.dataset': 5}, "config's test_dataloader.dataset is 5, not a data set: write it as a dict."),
        (
            {'val_dataloader.dataset': dict(pipeline=[dict(type=3)])},
            'val_dataloader.dataset.pipeline[0].type is 3, not',
        ),
        ({'train_cfg': dict(type=7)}, "The config's train_cfg.type is 7, not the name of a class."),
        ({'test_pipeline': [dict(type=None)]}, "The config's test_pipeline[0].type is None, not the name of a class."),
        ({'custom_hooks': [dict(type=[1])]}, "The config's custom_hooks[0].type is [1], not the name of a class."),
        ({'train_dataloader.dataset': dict(dataset=dict(datasets=3))}, 'dataset.dataset.datasets is 3, not a list of'),
        ({'train_dataloader.dataset': dict(datasets=[dict(pipeline=1)])}, 'dataset.datasets[0].pipeline is 1, not a l'),
    ],
)
def test_settings_of_a_wrong_type_are_named(changes, sentence):
    with pytest.raises(ModelError) as error:
        read_config(
            Config(
                dict(
                    model=dict(type='A'),
                    **{key: {} for key in ('test_dataloader', 'val_dataloader', 'train_dataloader')},
                )
            ),
            changes,
        )
    assert sentence in str(error.value)


def test_settings_of_every_right_type_are_taken():
    class Pad:
        def __call__(self, results):
            return results

    nms = dict(type='soft_nms', iou_threshold=1)
    model = dict(type='A', test_cfg=[dict(nms=nms, score_thr=0, max_per_img=-1), dict(rcnn=None, nms_pre=None)])
    steps = [dict(type='A'), dict(type=Pad), Pad(), [dict(type='B')]]
    read_config(Config(dict(model=model, test_pipeline=steps, test_dataloader=dict(dataset=dict(pipeline=steps)))))
