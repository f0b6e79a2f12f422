"""Configs of packages are found by their paths; what is no path is looked up as always."""

from __future__ import annotations

FIND = """
from mmlens import compat
compat.prepare()
from mmengine.config import utils
from mmengine.fileio import io
opened = []
plain = utils.load
utils.load = lambda path, *rest, **more: opened.append(str(path)) or plain(path, *rest, **more)
"""


def test_a_config_that_is_there_needs_no_metafile_and_another_is_refused_in_mmengines_words(fresh, tmp_path):
    (tmp_path / 'config.py').write_text("_base_ = 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'")
    code = f"""
import os
from mmengine.config import Config
from mmengine.hub import get_config
os.chdir({str(tmp_path)!r})
print(Config.fromfile('config.py').model.type, len(opened))
print(get_config('mmdet::yolox/yolox_s_8xb8-300e_coco.py').model.type, len(opened))
try:
    get_config('mmdet::yolox/no_such.py')
except Exception as error:
    print(len(opened) > 1, type(error).__name__)
"""
    done = fresh(FIND + code)
    assert done.stdout.splitlines()[-3:] == ['YOLOX 0', 'YOLOX 0', 'True FileNotFoundError'], done.stdout + done.stderr
