"""The files to inherit from, and the recipe that does."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import HOOKS

from mmlens.engine import VisHook

ROOT = Path(__file__).resolve().parents[2]
BASES = sorted((ROOT / 'configs' / '_base_').glob('*_vis_hook.py'))


@pytest.mark.parametrize('path', BASES, ids=lambda path: path.stem)
def test_a_base_file_has_the_hook_s_own_defaults(path):
    (options,) = Config.fromfile(str(path)).values()
    written, plain = HOOKS.build(options), HOOKS.build(dict(type=options['type']))
    assert isinstance(written, VisHook)
    mine, theirs = vars(written), vars(plain)
    assert mine.pop('_log') is not theirs.pop('_log')
    if mine.get('classes') == 'truth':  # the file asks for the annotated class
        assert (mine.pop('classes'), theirs.pop('classes')) == ('truth', None)
    for values in (mine, theirs):
        if 'looking' in values:
            values['looking']['layers'] = list(values['looking']['layers'])
    assert mine == theirs


def test_three_lines_are_merged_with_the_hooks_that_are_there(tmp_path):
    (tmp_path / 'own.py').write_text(
        f"_base_ = ['{ROOT}/projects/shapes/configs/shapes_rtmdet.py', '{BASES[0]}']\n"
        'default_hooks = dict(boxam=dict(_base_.boxam_vis_hook, interval=5))\n'
    )
    hooks = Config.fromfile(str(tmp_path / 'own.py')).default_hooks
    assert hooks.boxam.type == 'mmlens.BoxAMVisHook' and hooks.boxam.interval == 5
    assert {'checkpoint', 'logger', 'timer'} <= set(hooks)


def test_the_recipe_of_the_shapes_detector_names_pictures_that_are_there():
    cfg = Config.fromfile(str(ROOT / 'projects' / 'shapes' / 'configs' / 'shapes_rtmdet_watched.py'))
    boxam, featmap = (HOOKS.build(cfg.default_hooks[name]) for name in ('boxam', 'featmap'))
    assert all((ROOT / picture).is_file() for picture in boxam.choice.pictures)
    assert featmap.looking['layers'] == ['backbone', 'neck']
